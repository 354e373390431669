// Decides which steps of the recurrence to run for which frame. It knows frames by number only: it uses no VapourSynth,
// no pixels and no locks.
#pragma once

#include "requests.h"

#include <functional>
#include <optional>
#include <vector>

namespace animesr {

struct Step {
    int prev, cur, next; // the window, as frame numbers
    bool reset;          // set the recurrent state to zero before this step
    bool output;         // false: the result is not shown (pre-roll, or warm-up after a jump with seek="preview")
    bool approximate;    // the run did not start at an anchor (only with seek="preview")
};

// The next thing to do for a request: run `steps`, or get frames and ask for a plan again. Exactly one of the three
// lists is not empty.
struct Plan {
    int target;              // the frame that this plan leads to
    std::vector<Step> steps; // in order; the request holds all their frames
    std::vector<int> pixels; // frames to request, ascending
    std::vector<int> props;  // frames whose properties to request, ascending
};

// Plans the run of the recurrence for each request, in any order of requests. Calls must not overlap.
//
// The promise (docs/design.md, 2): frame n is the result of one run from the last anchor at or before n up to n, and
// depends on nothing else. Whatever the order of requests, the steps planned for a frame are those of this run.
class Sequencer {
public:
    // Return whether a request holds a source frame.
    using HasFrame = std::function<bool(int)>;

    struct Config {
        int frames;                              // length of the clip
        std::optional<std::vector<int>> anchors; // in addition to frame 0; nullopt: `record_anchor` gives them
        int preroll = 2;
        bool preview = false;
        int warmup = 8;
        int chunk = 8; // maximum number of frames whose steps one plan holds
    };

    Sequencer(Config config, const Requests &requests);

    // Record whether frame n is an anchor, once its properties have been read. Only the first record counts.
    void record_anchor(int n, bool is_anchor);

    // Return what to do next for a request for frame n. `has_frame` is true for source frames that the request holds;
    // they have been recorded.
    //
    // Frame n may need a reset while another open request still needs the present state, or may lie behind a requested
    // frame. The plan then serves the other request first: requests are served in ascending order from the present
    // frame on. So a linear run computes every step once, whatever the order of its requests, and of two requests far
    // apart neither blocks the other.
    Plan plan(int n, const HasFrame &has_frame) const;

    void complete(const Step &step); // `step` has been run
    void invalidate();               // a step has failed: the recurrent state cannot be used any more

private:
    enum class Anchor : char { unknown, no, yes };

    // The recurrent state after the last step.
    struct State {
        int frame; // of the last step
        bool approximate;
        int first_output; // first frame of the run with an output
    };

    // A run to a frame.
    struct Run {
        int first; // its first frame
        bool reset;
        bool approximate;
        int first_output;
    };

    bool is_anchor(int n) const { return anchors_[n] == Anchor::yes; }
    int earliest_start(int n) const { return config_.preview && n > config_.warmup ? n - config_.warmup : 0; }
    std::optional<Run> find_run(int n) const;
    int choose_target(int n, const Run &run) const;
    std::vector<int> list_unknown(int n) const;
    Step make_step(int n, const Run &run) const;
    Plan plan_steps(const Run &run, int target, const HasFrame &has_frame) const;

    Config config_;
    std::vector<Anchor> anchors_;
    const Requests &requests_;
    std::optional<State> state_;
};

} // namespace animesr
