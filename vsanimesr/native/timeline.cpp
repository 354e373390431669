#include "timeline.h"

#include <algorithm>
#include <utility>

namespace animesr {

namespace {
// Properties are asked for in blocks that grow up to this size: a source reads forwards faster than backwards.
constexpr int largest_block = 32;
constexpr int not_known = -1;
} // namespace

Timeline::Timeline(Config config) : config_(std::move(config)) {
    anchors_.assign(config_.frames, config_.anchors ? Anchor::no : Anchor::unknown);
    anchors_[0] = Anchor::yes;
    for (int n : config_.anchors.value_or(std::vector<int>{}))
        anchors_.at(n) = Anchor::yes;
    if (config_.skip_held)
        kept_.assign(config_.frames, not_known);
}

void Timeline::record_anchor(int n, bool is_anchor) {
    if (anchors_[n] == Anchor::unknown)
        anchors_[n] = is_anchor ? Anchor::yes : Anchor::no;
}

void Timeline::record_comparison(const Comparison &comparison, bool is_held) {
    kept_[comparison.frame] = is_held ? comparison.kept : comparison.frame;
}

// Return the last anchor from frame `lowest` up to frame n, or -1. Look backwards in blocks of 1, 1, 2, 4, ... frames.
// A block counts as a whole: all its properties are needed, though an anchor at its end would be enough.
std::optional<int> Timeline::find_anchor(int n, int lowest, Unknown &unknown) const {
    int size = 1;
    for (int end = n + 1; end > lowest;) {
        const int begin = std::max(lowest, end - size);
        for (int k = begin; k < end; ++k)
            if (anchors_[k] == Anchor::unknown)
                unknown.props.push_back(k);
        if (unknown)
            return std::nullopt;
        for (int k = end - 1; k >= begin; --k)
            if (is_anchor(k))
                return k;
        size = std::min(largest_block, n + 1 - begin);
        end = begin;
    }
    return -1;
}

// A scene is cut `segment` frames behind its anchor, and from there on at every multiple of `segment`. So a scene of
// `segment` frames is whole, no segment is longer, and no search for the anchor goes back further than two segments.
std::optional<Run> Timeline::find_run(int n, Unknown &unknown) const {
    if (const auto known = runs_.find(n); known != runs_.end())
        return known->second;
    const int length = config_.segment;
    const int multiple = length ? n / length * length : 0;
    const auto anchor = find_anchor(n, length ? std::max(0, multiple - length + 1) : 0, unknown);
    if (!anchor)
        return std::nullopt;
    const int start = *anchor >= 0 ? *anchor + length : multiple;
    const Run run =
        *anchor >= 0 && (!length || n - *anchor < length)
            ? Run{.first = *anchor, .start = *anchor, .at_anchor = true, .approximate = false}
            : Run{.first = start - config_.warmup, .start = start, .at_anchor = false, .approximate = false};
    return runs_[n] = run;
}

std::optional<Run> Timeline::find_near_run(int n, int reach, Unknown &unknown) const {
    const int first = std::max(0, n - reach);
    const auto anchor = find_anchor(n, first, unknown);
    if (!anchor)
        return std::nullopt;
    if (*anchor >= 0)
        return find_run(n, unknown);
    return Run{.first = first, .start = n, .at_anchor = false, .approximate = true};
}

std::optional<int> Timeline::find_kept(int n, const Run &run, Unknown &unknown) {
    if (!skips_at(n, run))
        return n;
    kept_[run.start] = run.start;
    int k = n;
    while (kept_[k] == not_known)
        --k;
    for (int kept = kept_[k]; k < n; kept = kept_[k]) {
        ++k;
        if (starts_group(k, kept))
            kept_[k] = k;
        if (kept_[k] == not_known) {
            unknown.comparison = Comparison{kept, k};
            return std::nullopt;
        }
    }
    return kept_[n];
}

int Timeline::find_prev(int k, const Run &run) const {
    if (run.at_anchor && k == run.first)
        return k;
    return skips_at(k, run) && k > run.start ? kept_[k - 1] : k - 1;
}

std::optional<int> Timeline::find_next(int k, const Run &run, Unknown &unknown) const {
    for (int n = k + 1; n < config_.frames; ++n) {
        if (anchors_[n] == Anchor::unknown) {
            unknown.props.push_back(n);
            return std::nullopt;
        }
        if (is_anchor(n))
            return k;
        const int length = config_.segment;
        const bool starts_segment = length && (run.at_anchor ? n - run.start == length : n % length == 0);
        if (!skips_at(k, run) || starts_segment || starts_group(n, k))
            return n;
        if (kept_[n] == not_known) {
            unknown.comparison = Comparison{k, n};
            return std::nullopt;
        }
        if (kept_[n] != k)
            return n;
    }
    return k;
}

} // namespace animesr
