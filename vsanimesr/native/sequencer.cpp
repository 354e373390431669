#include "sequencer.h"

#include <algorithm>
#include <utility>

namespace animesr {

namespace {
constexpr int save_interval = 32; // frames; while a clip is played forwards, each 32nd state is saved
constexpr int switch_cost = 8;    // loading a state counts like so many steps, so requests of one run go together
} // namespace

Sequencer::Sequencer(Config config, const Requests &requests)
    : config_(std::move(config)), requests_(requests), timeline_(config_.timeline), checkpoints_(config_.checkpoints) {}

Plan Sequencer::plan(int n, const Holdings &holdings) {
    Plan plan;
    Unknown unknown;
    const auto goal = find_goal(n, unknown);
    if (!goal) {
        plan_unknown(unknown, n, holdings, plan);
        return plan;
    }
    plan.kept = goal->kept;
    if (!holdings.output(goal->kept))
        plan_steps(n, *goal, holdings, plan);
    return plan;
}

int Sequencer::distance(int n) {
    Unknown unknown;
    const auto goal = find_goal(n, unknown);
    if (!goal)
        return 0;
    const Base base = find_base(*goal);
    return count_steps(*goal, base) + (base.origin != Origin::live && live_ ? switch_cost : 0);
}

std::optional<Sequencer::Goal> Sequencer::find_goal(int n, Unknown &unknown) {
    const auto run = config_.preview ? find_preview_run(n, *config_.preview, unknown) : timeline_.find_run(n, unknown);
    if (!run)
        return std::nullopt;
    const auto kept = timeline_.find_kept(n, *run, unknown);
    if (!kept)
        return std::nullopt;
    return Goal{.run = *run, .kept = *kept};
}

// Return the exact run to frame n if its last steps are few; else an approximate one that starts at least `reach`
// frames before frame n. If the frame behind was previewed last, the run shows some frames before frame n too, so that
// further steps back find them.
std::optional<Run> Sequencer::find_preview_run(int n, int reach, Unknown &unknown) const {
    const bool steps_back = live_ && live_->run.approximate && live_->frame >= n && live_->run.start >= n &&
                            live_->run.start - n <= most_steps_back(reach) + 1;
    const int more = steps_back ? most_steps_back(reach) : 0;
    Unknown ignored;
    auto run = timeline_.find_run(n, ignored);
    if (!run)
        run = timeline_.find_near_run(n, reach + more, unknown);
    if (!run)
        return std::nullopt;
    const Goal goal{.run = *run, .kept = n};
    if (!run->approximate && count_steps(goal, find_base(goal)) <= reach + config_.preroll + 1)
        return run;
    if (const auto begun = find_run_to_continue(n, reach))
        return begun;
    const int first = std::max(run->approximate ? run->first : run->first + 1, n - reach - more);
    return Run{.first = first, .start = first + reach, .at_anchor = false, .approximate = true};
}

// Return the approximate run of the latest state that may go on to frame n: it is near, or the run was made to show n.
std::optional<Run> Sequencer::find_run_to_continue(int n, int reach) const {
    std::optional<Position> latest;
    const auto consider = [&](const Position &position) {
        const bool is_near = position.frame >= n - reach || n - position.run.start <= most_steps_back(reach);
        if (position.run.approximate && position.run.start <= n && position.frame < n && is_near &&
            (!latest || position.frame > latest->frame))
            latest = position;
    };
    if (live_)
        consider(*live_);
    for (const auto &state : checkpoints_.states())
        consider(state.position);
    return latest ? std::optional(latest->run) : std::nullopt;
}

// Return the latest state on the way to a goal, or the start of its run. One saved state may be left out.
Sequencer::Base Sequencer::find_base(const Goal &goal, int64_t without) const {
    Base best{.origin = Origin::reset, .run = goal.run, .frame = goal.run.first - 1, .saved = 0};
    const auto consider = [&](const Position &position, Origin origin, int64_t saved) {
        if (position.run == goal.run && position.frame < goal.kept && position.frame > best.frame)
            best = {.origin = origin, .run = position.run, .frame = position.frame, .saved = saved};
    };
    if (live_)
        consider(*live_, Origin::live, 0);
    for (const auto &state : checkpoints_.states())
        if (state.handle != without)
            consider(state.position, Origin::saved, state.handle);
    return best;
}

// Return what the saved states are worth to the open requests.
Checkpoints::Worth Sequencer::value_states() {
    Checkpoints::Worth worth;
    for (int n : requests_.frames()) {
        Unknown unknown;
        const auto goal = find_goal(n, unknown);
        if (!goal || live_ == Position{.run = goal->run, .frame = goal->kept}) // its result has just been made
            continue;
        const Base base = find_base(*goal);
        if (base.origin != Origin::saved)
            continue;
        int &most = worth[base.saved];
        most = std::max(most, count_steps(*goal, find_base(*goal, base.saved)) - count_steps(*goal, base));
    }
    return worth;
}

int Sequencer::count_steps(const Goal &goal, const Base &base) const {
    return goal.kept - base.frame + (base.origin == Origin::reset ? config_.preroll : 0);
}

std::optional<Step> Sequencer::make_step(int k, const Run &run, Unknown &unknown) const {
    const auto next = timeline_.find_next(k, run, unknown);
    if (!next)
        return std::nullopt;
    const int longest_hold = config_.timeline.skip_held ? config_.timeline.longest_hold : 1;
    return Step{.prev = timeline_.find_prev(k, run),
                .cur = k,
                .next = *next,
                .last = *next > k ? *next - 1 : k + longest_hold - 1,
                .output = k >= run.start};
}

// Plan the next step, after the pre-roll if it is the first of its run. If the request does not hold its frames, list
// those of the next steps to request.
void Sequencer::plan_steps(int n, const Goal &goal, const Holdings &holdings, Plan &plan) const {
    const Base base = find_base(goal);
    plan.run = base.run;
    plan.origin = base.origin;
    plan.saved = base.saved;
    int cur = base.frame;
    for (int i = 0; i < config_.chunk && cur < goal.kept; ++i) {
        Unknown unknown;
        // The frames of a run up to its goal are known; the one after it may not be.
        cur = cur < base.run.start ? cur + 1 : timeline_.find_next(cur, base.run, unknown).value();
        const auto step = make_step(cur, base.run, unknown);
        if (!step) {
            if (i == 0)
                plan_unknown(unknown, n, holdings, plan);
            break;
        }
        for (int frame : {step->prev, step->cur, step->next})
            if (!holdings.pixels(frame) && std::ranges::find(plan.pixels, frame) == plan.pixels.end())
                plan.pixels.push_back(frame);
        if (i == 0 && plan.pixels.empty()) {
            if (base.origin == Origin::reset)
                plan.steps.assign(config_.preroll,
                                  {.prev = cur, .cur = cur, .next = cur, .last = cur, .output = false});
            plan.steps.push_back(*step);
            plan.save = should_save({.run = base.run, .frame = cur}, goal.kept);
            return;
        }
    }
    std::ranges::sort(plan.pixels);
}

// Return whether to save a state on the way to a frame. Between the frames that are kept on the way and the run's
// start, a step back finds states at doubling distances.
bool Sequencer::should_save(const Position &position, int target) const {
    if (checkpoints_.capacity() == 0 || checkpoints_.contains(position))
        return false;
    if (position.frame % save_interval == 0)
        return true;
    const int left = target - position.frame;
    for (int64_t distance = config_.reach; distance <= left; distance *= 2)
        if (distance == left)
            return true;
    return false;
}

// Plan what makes something known: properties, or a comparison. If the request does not hold the frames to compare,
// list them. The frames up to frame n are going to be compared too.
void Sequencer::plan_unknown(const Unknown &unknown, int n, const Holdings &holdings, Plan &plan) const {
    plan.props = unknown.props;
    if (!unknown.comparison)
        return;
    const auto [kept, frame] = *unknown.comparison;
    if (holdings.source(kept) && holdings.source(frame)) {
        plan.comparison = unknown.comparison;
        return;
    }
    if (!holdings.source(kept))
        plan.sources.push_back(kept);
    for (int k = frame; k <= std::max(frame, std::min(n, frame + config_.chunk - 1)); ++k)
        if (!holdings.source(k))
            plan.sources.push_back(k);
}

bool Sequencer::should_park(const Plan &plan) {
    if (plan.origin == Origin::live || !live_ || checkpoints_.contains(*live_))
        return false;
    Unknown unknown;
    const auto next = timeline_.find_next(live_->frame, live_->run, unknown);
    if (!next || live_->run.approximate)
        return true;
    // The run of a frame on the way may be unknown: a request looks for its anchor in blocks that its own number gives.
    return *next > live_->frame &&
           (*next <= live_->run.start || timeline_.find_run(*next, unknown).value_or(live_->run) == live_->run);
}

std::vector<int64_t> Sequencer::complete(const Plan &plan, int64_t parked, int64_t saved) {
    if (parked)
        checkpoints_.add({.position = live_.value(), .handle = parked});
    live_ = Position{.run = plan.run, .frame = plan.steps.back().cur};
    if (saved)
        checkpoints_.add({.position = *live_, .handle = saved});
    std::vector<int64_t> dropped;
    dropped.reserve(2); // before a state is dropped: see Checkpoints::add
    while (checkpoints_.is_overfull())
        dropped.push_back(checkpoints_.drop(*live_, value_states()));
    return dropped;
}

std::vector<int64_t> Sequencer::invalidate() {
    live_.reset();
    return checkpoints_.clear();
}

} // namespace animesr
