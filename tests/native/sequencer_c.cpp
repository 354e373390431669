// A C interface of the sequencer and the output cache, so that Python can drive them with generated schedules.
#include "output_cache.h"
#include "requests.h"
#include "sequencer.h"

#include <algorithm>
#include <utility>
#include <vector>

using animesr::OutputCache;
using animesr::Plan;
using animesr::Requests;
using animesr::Sequencer;
using animesr::Step;

namespace {

// The part of the filter that decides, without VapourSynth.
struct Filter {
    Filter(Sequencer::Config config, int capacity)
        : sequencer(std::move(config), requests), outputs(requests, capacity) {}

    Requests requests;
    Sequencer sequencer;
    OutputCache<long> outputs;
};

// Write the length of a list and its values. Return the position after them.
int *write_list(int *out, const std::vector<int> &values) {
    *out++ = static_cast<int>(values.size());
    return std::copy(values.begin(), values.end(), out);
}

} // namespace

extern "C" {

// anchors == nullptr: `filter_record_anchor` gives them
Filter *filter_new(int frames, const int *anchors, int count, int preroll, bool preview, int warmup, int chunk,
                   int capacity) {
    Sequencer::Config config{.frames = frames, .anchors = std::nullopt};
    if (anchors)
        config.anchors.emplace(anchors, anchors + count);
    config.preroll = preroll;
    config.preview = preview;
    config.warmup = warmup;
    config.chunk = chunk;
    return new Filter(std::move(config), capacity);
}

void filter_free(Filter *filter) { delete filter; }
void filter_record_anchor(Filter *filter, int n, bool is_anchor) { filter->sequencer.record_anchor(n, is_anchor); }

// Writes: target, number of steps, six numbers for each, number of pixels, pixels, number of props, props.
void filter_plan(const Filter *filter, int n, const int *frames, int count, int *out) {
    const auto has_frame = [&](int k) { return std::find(frames, frames + count, k) != frames + count; };
    const Plan plan = filter->sequencer.plan(n, has_frame);
    *out++ = plan.target;
    *out++ = static_cast<int>(plan.steps.size());
    for (const Step &s : plan.steps)
        for (int value : {s.prev, s.cur, s.next, int{s.reset}, int{s.output}, int{s.approximate}})
            *out++ = value;
    write_list(write_list(out, plan.pixels), plan.props);
}

void filter_complete(Filter *filter, const int *step) {
    filter->sequencer.complete({step[0], step[1], step[2], step[3] != 0, step[4] != 0, step[5] != 0});
}

void filter_discard_state(Filter *filter) {
    filter->sequencer.invalidate();
    filter->outputs.clear();
}

void filter_open_request(Filter *filter, int n) { filter->requests.open(n); }

void filter_close_request(Filter *filter, int n) {
    filter->requests.close(n);
    filter->outputs.trim();
}

bool filter_should_keep(const Filter *filter, int n, int target) { return filter->outputs.should_keep(n, target); }
void filter_put(Filter *filter, int n, long value) { filter->outputs.put(n, value); }

// -1: not in the cache
long filter_get(Filter *filter, int n) { return filter->outputs.get(n).value_or(-1); }
}
