#include "sequencer.h"

#include <algorithm>
#include <utility>

namespace animesr {

namespace {
// Number of frames whose properties one plan requests. Properties cost little, and the search for an anchor needs many.
constexpr int props_per_plan = 32;
} // namespace

Sequencer::Sequencer(Config config, const Requests &requests) : config_(std::move(config)), requests_(requests) {
    anchors_.assign(config_.frames, config_.anchors ? Anchor::no : Anchor::unknown);
    anchors_[0] = Anchor::yes;
    for (int n : config_.anchors.value_or(std::vector<int>{}))
        if (n < config_.frames)
            anchors_[n] = Anchor::yes;
}

void Sequencer::record_anchor(int n, bool is_anchor) {
    if (anchors_[n] == Anchor::unknown)
        anchors_[n] = is_anchor ? Anchor::yes : Anchor::no;
}

Plan Sequencer::plan(int n, const HasFrame &has_frame) const {
    int target = n;
    auto run = find_run(target);
    while (run) {
        const int other = choose_target(target, *run);
        if (other == target)
            return plan_steps(*run, target, has_frame);
        target = other;
        run = find_run(target);
    }
    return {.target = target, .steps = {}, .pixels = {}, .props = list_unknown(target)};
}

// Return the frame to serve when frame n is requested: n, or a frame that needs the present state.
int Sequencer::choose_target(int n, const Run &run) const {
    if (!run.reset)
        return n;
    const int last = state_ ? state_->frame : -1;
    if (const auto ahead = requests_.first_after(last); ahead && *ahead != n) {
        const auto other = find_run(*ahead);
        if (!other || !other->reset || *ahead < n)
            return *ahead;
    }
    // n is in a later scene, and the present scene ends soon: requests for the rest of it are about to come.
    if (const int end = run.first - 1; !run.approximate && state_ && last < end && end - last <= config_.chunk) {
        const auto other = find_run(end);
        if (!other || !other->reset)
            return end;
    }
    return n;
}

// Return the shortest run to frame n: from the last anchor, or on from the present state if that is closer. Return
// nothing if the search meets a frame that may be an anchor.
std::optional<Sequencer::Run> Sequencer::find_run(int n) const {
    for (int k = n;; --k) {
        if (anchors_[k] == Anchor::unknown)
            return std::nullopt;
        if (is_anchor(k))
            return Run{.first = k, .reset = true, .approximate = false, .first_output = k};
        if (state_ && state_->frame == k - 1 && state_->first_output <= n)
            return Run{
                .first = k, .reset = false, .approximate = state_->approximate, .first_output = state_->first_output};
        if (k == earliest_start(n))
            return Run{.first = k, .reset = true, .approximate = true, .first_output = k + config_.warmup};
    }
}

// Return the frames whose properties the search for the run to frame n needs next.
std::vector<int> Sequencer::list_unknown(int n) const {
    int last = n;
    while (anchors_[last] != Anchor::unknown)
        --last;
    std::vector<int> frames;
    for (int k = std::max(earliest_start(n), last - props_per_plan + 1); k <= last; ++k)
        if (anchors_[k] == Anchor::unknown)
            frames.push_back(k);
    return frames;
}

// Return the step of frame n. The window does not reach into the scenes before and after.
Step Sequencer::make_step(int n, const Run &run) const {
    const bool has_next = n + 1 < config_.frames && !is_anchor(n + 1);
    return {.prev = is_anchor(n) ? n : n - 1,
            .cur = n,
            .next = has_next ? n + 1 : n,
            .reset = false,
            .output = n >= run.first_output,
            .approximate = run.approximate};
}

// Plan the first steps of a run, up to the first frame that the request does not hold. If it holds none of the first
// window's, list the frames to request.
Plan Sequencer::plan_steps(const Run &run, int target, const HasFrame &has_frame) const {
    Plan plan{.target = target, .steps = {}, .pixels = {}, .props = {}};
    std::vector<int> missing;
    const int last = std::min(target, run.first + config_.chunk - 1);
    for (int k = run.first; k <= last; ++k) {
        const Step step = make_step(k, run);
        for (int frame : {step.prev, step.cur, step.next})
            if (!has_frame(frame) && (missing.empty() || missing.back() < frame))
                missing.push_back(frame);
        if (!missing.empty())
            continue;
        if (run.reset && k == run.first) {
            Step preroll = step;
            preroll.prev = preroll.next = k;
            preroll.output = false;
            plan.steps.assign(config_.preroll, preroll);
        }
        plan.steps.push_back(step);
    }
    if (plan.steps.empty())
        plan.pixels = std::move(missing);
    else
        plan.steps.front().reset = run.reset; // before the pre-roll
    return plan;
}

void Sequencer::complete(const Step &step) {
    if (step.reset) {
        const int first_output = step.approximate ? step.cur + config_.warmup : step.cur;
        state_ = State{.frame = step.cur, .approximate = step.approximate, .first_output = first_output};
    }
    state_->frame = step.cur;
}

void Sequencer::invalidate() { state_.reset(); }

} // namespace animesr
