// What is known about the frames of a clip: where scenes start, and which frames are held.
#pragma once

#include <optional>
#include <unordered_map>
#include <vector>

namespace animesr {

// A run of the recurrence: reset and pre-roll at `first`, then every frame from there. Frames before `start` are the
// warm-up; their results are not shown.
struct Run {
    int first;
    int start;
    bool at_anchor;   // `first` is an anchor; then `start` is `first`
    bool approximate; // a run of seek="preview" that starts nowhere in particular

    bool operator==(const Run &) const = default;
};

// Two source frames to compare: whether `frame` shows the same picture as the kept frame.
struct Comparison {
    int kept, frame;
};

// What has to be known before a question can be answered: frames whose properties are unknown, or one comparison.
struct Unknown {
    std::vector<int> props;
    std::optional<Comparison> comparison;

    explicit operator bool() const { return !props.empty() || comparison; }
};

// Answers are pure functions of what has been recorded. A question whose answer is not known yet is answered with
// nothing, and what it needs is written into its argument `unknown`. Calls must not overlap.
//
// The definitions are in docs/design.md, 2. Which properties a frame needs depends on its number and the clip only, so
// a source frame that cannot be read fails the same frames in every order of requests.
class Timeline {
public:
    struct Config {
        int frames;                              // length of the clip
        std::optional<std::vector<int>> anchors; // besides frame 0; nullopt: `record_anchor` gives them
        int segment = 0;                         // the most frames that a run shows; 0: no limit
        int warmup = 0;                          // frames before a segment that does not start at an anchor
        bool skip_held = false;
        int longest_hold = 12; // frames that one kept frame stands for (docs/reports/holds.md)
    };

    explicit Timeline(Config config);

    // Record whether frame n is an anchor, once its properties have been read. Only the first record counts.
    void record_anchor(int n, bool is_anchor);

    // Record the result of a comparison that `find_kept` or `find_next` asked for.
    void record_comparison(const Comparison &comparison, bool is_held);

    // Return the run that shows frame n.
    std::optional<Run> find_run(int n, Unknown &unknown) const;

    // Return the run to a frame near its start, looking only at the `reach` frames before it: the exact one, if it
    // starts at an anchor there; else an approximate one that starts `reach` frames before frame n.
    std::optional<Run> find_near_run(int n, int reach, Unknown &unknown) const;

    // Return the frame that stands for frame n of its run: itself, or the one that it repeats.
    std::optional<int> find_kept(int n, const Run &run, Unknown &unknown);

    // Return the frame of a run before its frame k, and the frame after it. They are k itself at the ends of a scene.
    int find_prev(int k, const Run &run) const;
    std::optional<int> find_next(int k, const Run &run, Unknown &unknown) const;

private:
    enum class Anchor : char { unknown, no, yes };

    bool is_anchor(int n) const { return anchors_[n] == Anchor::yes; }
    bool skips_at(int k, const Run &run) const { return config_.skip_held && !run.approximate && k >= run.start; }
    std::optional<int> find_anchor(int n, int lowest, Unknown &unknown) const;
    bool starts_group(int k, int kept) const { return k - kept >= config_.longest_hold; }

    Config config_;
    std::vector<Anchor> anchors_;
    std::vector<int> kept_;                     // for each frame, the frame that stands for it; -1: not known
    mutable std::unordered_map<int, Run> runs_; // answers of `find_run`: a scene may be long, and it is asked often
};

} // namespace animesr
