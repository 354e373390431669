// A C interface of the sequencer and the output cache, so that Python can drive them with generated schedules.
#include "output_cache.h"
#include "requests.h"
#include "sequencer.h"

#include <algorithm>
#include <utility>
#include <vector>

using animesr::Holdings;
using animesr::Origin;
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
    Plan plan;
};

// Write the length of a list and its values. Return the position after them.
template <class Values> int *write_list(int *out, const Values &values) {
    *out++ = static_cast<int>(values.size());
    return std::copy(values.begin(), values.end(), out);
}

} // namespace

extern "C" {

struct Settings {
    int frames, preroll, preview, segment, warmup, skip_held, longest_hold, chunk, reach, checkpoints, capacity;
};

// anchors == nullptr: `filter_record_anchor` gives them
Filter *filter_new(const Settings *settings, const int *anchors, int count) {
    Sequencer::Config config{.timeline = {.frames = settings->frames, .anchors = std::nullopt}};
    if (anchors)
        config.timeline.anchors.emplace(anchors, anchors + count);
    config.timeline.segment = settings->segment;
    config.timeline.warmup = settings->warmup;
    config.timeline.skip_held = settings->skip_held != 0;
    config.timeline.longest_hold = settings->longest_hold;
    config.preroll = settings->preroll;
    if (settings->preview >= 0)
        config.preview = settings->preview;
    config.chunk = settings->chunk;
    config.reach = settings->reach;
    config.checkpoints = settings->checkpoints;
    return new Filter(std::move(config), settings->capacity);
}

void filter_free(Filter *filter) { delete filter; }

void filter_record_anchor(Filter *filter, int n, bool is_anchor) {
    filter->sequencer.timeline().record_anchor(n, is_anchor);
}

void filter_record_comparison(Filter *filter, int kept, int frame, bool is_held) {
    filter->sequencer.timeline().record_comparison({kept, frame}, is_held);
}

// Writes: kept, pixels, props, sources, comparison (a list of none or two), steps (five numbers for each), run, origin,
// handle of the saved state, whether to save the state after the steps, whether to park the state before them.
void filter_plan(Filter *filter, int n, const int *pixels, int pixel_count, const int *sources, int source_count,
                 int *out) {
    const auto contains = [](const int *frames, int count, int k) {
        return std::find(frames, frames + count, k) != frames + count;
    };
    Plan &plan = filter->plan;
    plan = filter->sequencer.plan(n, {.pixels = [&](int k) { return contains(pixels, pixel_count, k); },
                                      .source = [&](int k) { return contains(sources, source_count, k); },
                                      .output = [&](int k) { return filter->outputs.contains(k); }});
    *out++ = plan.kept;
    out = write_list(write_list(write_list(out, plan.pixels), plan.props), plan.sources);
    std::vector<int> comparison;
    if (plan.comparison)
        comparison = {plan.comparison->kept, plan.comparison->frame};
    out = write_list(out, comparison);
    *out++ = static_cast<int>(plan.steps.size());
    for (const Step &s : plan.steps)
        for (int value : {s.prev, s.cur, s.next, s.last, int{s.output}})
            *out++ = value;
    const bool parks = !plan.steps.empty() && filter->sequencer.should_park(plan);
    for (int value : {plan.run.first, plan.run.start, int{plan.run.at_anchor}, int{plan.run.approximate},
                      static_cast<int>(plan.origin), static_cast<int>(plan.saved), int{plan.save}, int{parks}})
        *out++ = value;
}

// The steps of the last plan have been run. Writes the list of handles that are not kept.
void filter_complete(Filter *filter, int parked, int saved, int *out) {
    write_list(out, filter->sequencer.complete(filter->plan, parked, saved));
}

int filter_distance(Filter *filter, int n) { return filter->sequencer.distance(n); }

void filter_invalidate(Filter *filter, int *out) {
    write_list(out, filter->sequencer.invalidate());
    filter->outputs.clear();
}

void filter_open_request(Filter *filter, int n) { filter->requests.open(n); }

void filter_close_request(Filter *filter, int n) {
    filter->requests.close(n);
    filter->outputs.trim();
}

bool filter_is_requested(const Filter *filter, int first, int last) { return filter->requests.contains(first, last); }
void filter_put(Filter *filter, int n, int last, long value) { filter->outputs.put(n, last, value); }

// -1: not in the cache
long filter_get(Filter *filter, int n) { return filter->outputs.get(n).value_or(-1); }
}
