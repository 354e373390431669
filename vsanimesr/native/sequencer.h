// Decides what to do next for a requested frame. It knows frames by number only: it uses no VapourSynth, no pixels and
// no locks.
#pragma once

#include "checkpoints.h"
#include "requests.h"
#include "timeline.h"

#include <algorithm>
#include <functional>
#include <optional>
#include <vector>

namespace animesr {

struct Step {
    int prev, cur, next; // the window, as frame numbers
    int last;            // the last frame that may show the result; the first one is `cur`
    bool output;         // false: the result is not shown (pre-roll or warm-up)
};

// The state that steps continue from.
enum class Origin { live, saved, reset };

// The next thing to do for a request. At most one of the parts is not empty; if all are empty, the result exists.
struct Plan {
    int kept = -1; // the frame whose result is that of the request; -1: not known yet

    std::vector<int> pixels, props, sources; // frames to run, properties, or source frames to request; each ascending
    std::optional<Comparison> comparison;    // of two source frames that the request holds

    std::vector<Step> steps; // to run without a break; the request holds their frames
    Run run{};               // of the steps
    Origin origin = Origin::live;
    int64_t saved = 0; // the handle of the state, if `origin` is `saved`
    bool save = false; // save the state after the steps

    bool needs_frames() const { return !pixels.empty() || !props.empty() || !sources.empty(); }
};

// What a request, or the filter, has at hand.
struct Holdings {
    std::function<bool(int)> pixels, source, output;
};

// Plans the runs of the recurrence, in any order of requests. Calls must not overlap.
//
// The promise (docs/design.md, 2): a frame is the result of its run up to the frame that stands for it, and depends on
// nothing else. Whatever the order of requests, the steps planned for a frame are those of this run. A request is
// planned with frames that its result depends on, and no others: so it fails only if one of them fails.
class Sequencer {
public:
    struct Config {
        Timeline::Config timeline;
        int preroll = 0;
        std::optional<int> preview{}; // seek="preview": approximate runs start this many frames before the request
        int chunk = 8;                // maximum number of steps whose frames a request asks for at once
        int reach = 1;                // outputs that are kept on the way to a frame
        int checkpoints = 0;          // states that may be saved for steps back
    };

    // `requests`: those that are open. A state that one of them needs is kept before others.
    Sequencer(Config config, const Requests &requests);

    Timeline &timeline() { return timeline_; }

    // Return what to do next for a request for frame n.
    Plan plan(int n, const Holdings &holdings);

    // Return the number of steps to frame n, roughly. A request that needs another state than the present one counts
    // some more: it would have to be loaded.
    int distance(int n);

    // Return whether to save the state after the last step before the steps of a plan replace it.
    bool should_park(const Plan &plan);

    // Record that the steps of a plan have been run, and the handles of the states that were saved before (`parked`)
    // and after them; 0 for none. Return the handles of states that are not kept any more.
    std::vector<int64_t> complete(const Plan &plan, int64_t parked, int64_t saved);

    std::vector<int64_t> invalidate(); // a step has failed: return the handles of all states

private:
    // What a request wants: a frame of a run.
    struct Goal {
        Run run;
        int kept;
    };

    // Where the steps to a goal begin.
    struct Base {
        Origin origin;
        Run run;
        int frame; // the last one that has been run; one before the first without one
        int64_t saved;
    };

    std::optional<Goal> find_goal(int n, Unknown &unknown);
    std::optional<Run> find_preview_run(int n, int reach, Unknown &unknown) const;
    std::optional<Run> find_run_to_continue(int n, int reach) const;
    // Return how many steps back the outputs and states that are kept of one run may serve.
    int most_steps_back(int reach) const { return std::min(reach, config_.reach - 1 + config_.checkpoints); }
    Base find_base(const Goal &goal, int64_t without = 0) const;
    Checkpoints::Worth value_states();
    int count_steps(const Goal &goal, const Base &base) const;
    std::optional<Step> make_step(int k, const Run &run, Unknown &unknown) const;
    void plan_steps(int n, const Goal &goal, const Holdings &holdings, Plan &plan) const;
    bool should_save(const Position &position, int target) const;
    void plan_unknown(const Unknown &unknown, int n, const Holdings &holdings, Plan &plan) const;

    Config config_;
    const Requests &requests_;
    Timeline timeline_;
    std::optional<Position> live_; // the state after the last step
    Checkpoints checkpoints_;
};

} // namespace animesr
