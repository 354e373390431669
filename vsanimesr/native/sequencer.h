// Which steps of the recurrence to run for which frame. Frames are integers here: no VapourSynth, no pixels, no locks.
//
// The promise (design, section 2): frame n is the result of one run, from the last anchor at or before n up to n, and of
// nothing else. Requests may come in any order; whatever the order, the steps that this class hands out for a frame are
// those of that run. Calls must not overlap.
#pragma once

#include "requests.h"

#include <functional>
#include <optional>
#include <vector>

namespace animesr {

struct Step {
    int prev, cur, next; // the window, as frame numbers
    bool reset;          // zero the recurrent state before this step
    bool output;         // false: the result is never shown (pre-roll, or not warm yet after a preview seek)
    bool approximate;    // the run did not start at an anchor (preview seeks only)
};

// What a request has to do next: run `steps`, or get frames and ask again. Exactly one of the three is not empty.
struct Plan {
    int target;              // the frame that this leads to
    std::vector<Step> steps; // in order; all their frames are held
    std::vector<int> pixels; // frames to request, ascending
    std::vector<int> props;  // frames of which only the properties are wanted, ascending
};

class Sequencer {
public:
    using Held = std::function<bool(int)>;

    struct Config {
        int frames;                              // length of the clip
        std::optional<std::vector<int>> anchors; // besides frame 0; nullopt: to be learned frame by frame
        int preroll = 2;
        bool preview = false;
        int warmup = 8;
        int chunk = 8; // on the way to a frame, steps of at most so many frames are planned at once
    };

    Sequencer(Config config, const Requests &requests);

    // Frame n's properties have been read: does a scene start there?
    void learn(int n, bool anchor);

    // What to do next for frame n, given the source frames that its request holds (and that were learned).
    //
    // Where frame n would throw the state away although another open request still needs it, or lies on the way, the plan
    // serves that one: requests are taken in ascending order from where the recurrence stands, like floors by a lift.
    // So a linear run costs every step once however its requests are shuffled, and of two seeks far apart both arrive.
    Plan plan(int n, const Held &held);

    void done(const Step &step); // a step has been run
    void invalidate();           // a step has failed, and the state with it

private:
    enum class Cut : char { unknown, no, yes };

    // Where the recurrence stands, or starts.
    struct Position {
        int frame; // of the last step run, or of the first to run
        bool reset;
        bool approximate;
        int warm; // results before this frame are not shown
    };

    bool anchor(int n) const { return cuts_[n] == Cut::yes; }
    std::optional<Position> start(int n) const;
    int turn(int n, const Position &start) const;
    std::vector<int> unknown(int n) const;
    int earliest(int n) const { return config_.preview && n > config_.warmup ? n - config_.warmup : 0; }
    void append(Plan &plan, const Position &start, const Step &step) const;
    Plan walk(const Position &start, int target, const Held &held) const;

    Config config_;
    std::vector<Cut> cuts_;
    const Requests &requests_;
    std::optional<Position> at_;
};

} // namespace animesr
