#include "sequencer.h"

#include <algorithm>
#include <utility>

namespace animesr {

namespace {
// Properties are cheap, and a walk back to the start of a scene asks for those of so many frames at once.
constexpr int block = 32;
} // namespace

Sequencer::Sequencer(Config config, const Requests &requests) : config_(std::move(config)), requests_(requests) {
    cuts_.assign(config_.frames, config_.anchors ? Cut::no : Cut::unknown);
    cuts_[0] = Cut::yes;
    for (int n : config_.anchors.value_or(std::vector<int>{}))
        if (n < config_.frames)
            cuts_[n] = Cut::yes;
}

void Sequencer::learn(int n, bool anchor) {
    if (cuts_[n] == Cut::unknown)
        cuts_[n] = anchor ? Cut::yes : Cut::no;
}

Plan Sequencer::plan(int n, const Held &held) {
    int target = n;
    auto from = start(target);
    while (from) {
        const int other = turn(target, *from);
        if (other == target)
            return walk(*from, target, held);
        target = other;
        from = start(target);
    }
    return {.target = target, .steps = {}, .pixels = {}, .props = unknown(target)};
}

// Whose turn it is when frame n, which starts at `start`, wants to run: n's, or that of a frame before it.
int Sequencer::turn(int n, const Position &start) const {
    if (!start.reset)
        return n;
    const int at = at_ ? at_->frame : -1;
    if (const auto ahead = requests_.first_after(at); ahead && *ahead != n) {
        const auto theirs = this->start(*ahead);
        if (!theirs || !theirs->reset || *ahead < n)
            return *ahead;
    }
    // The end of this scene is near and n is in the next one: somebody is about to ask for it.
    if (const int end = start.frame - 1; !start.approximate && at_ && at < end && end - at <= config_.chunk) {
        const auto theirs = this->start(end);
        if (!theirs || !theirs->reset)
            return end;
    }
    return n;
}

// The latest place to run from: the last anchor, or where the recurrence stands if that is closer. Nothing where it takes
// frames that are not known yet.
std::optional<Sequencer::Position> Sequencer::start(int n) const {
    for (int k = n;; --k) {
        if (cuts_[k] == Cut::unknown)
            return std::nullopt;
        if (anchor(k))
            return Position{.frame = k, .reset = true, .approximate = false, .warm = k};
        if (at_ && at_->frame == k - 1 && at_->warm <= n)
            return Position{.frame = k, .reset = false, .approximate = at_->approximate, .warm = at_->warm};
        if (k == earliest(n))
            return Position{.frame = k, .reset = true, .approximate = true, .warm = k + config_.warmup};
    }
}

std::vector<int> Sequencer::unknown(int n) const {
    int last = n;
    while (cuts_[last] != Cut::unknown)
        --last;
    std::vector<int> frames;
    for (int k = std::max(earliest(n), last - block + 1); k <= last; ++k)
        if (cuts_[k] == Cut::unknown)
            frames.push_back(k);
    return frames;
}

Plan Sequencer::walk(const Position &start, int target, const Held &held) const {
    Plan plan{.target = target, .steps = {}, .pixels = {}, .props = {}};
    std::vector<int> missing;
    const int last = std::min(target, start.frame + config_.chunk - 1);
    for (int k = start.frame; k <= last; ++k) {
        const int prev = anchor(k) ? k : k - 1;
        const int next = k + 1 < config_.frames && !anchor(k + 1) ? k + 1 : k;
        for (int frame : {prev, k, next})
            if (!held(frame) && (missing.empty() || missing.back() < frame))
                missing.push_back(frame);
        if (missing.empty())
            append(plan, start, {.prev = prev, .cur = k, .next = next, .reset = false, .output = k >= start.warm,
                                 .approximate = start.approximate});
    }
    if (plan.steps.empty())
        plan.pixels = std::move(missing);
    return plan;
}

// The first step of a run comes after the pre-roll, and the reset before both.
void Sequencer::append(Plan &plan, const Position &start, const Step &step) const {
    const bool begins = start.reset && step.cur == start.frame;
    const size_t first = plan.steps.size();
    if (begins)
        plan.steps.insert(plan.steps.end(), config_.preroll,
                          {.prev = step.cur, .cur = step.cur, .next = step.cur, .reset = false, .output = false,
                           .approximate = step.approximate});
    plan.steps.push_back(step);
    plan.steps[first].reset = begins;
}

void Sequencer::done(const Step &step) {
    if (step.reset)
        at_ = Position{.frame = step.cur, .reset = true, .approximate = step.approximate,
                       .warm = step.approximate ? step.cur + config_.warmup : step.cur};
    at_->frame = step.cur;
}

void Sequencer::invalidate() { at_.reset(); }

} // namespace animesr
