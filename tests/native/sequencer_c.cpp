// The sequencer and the output cache behind a C interface, so that Python can drive them with generated schedules.
#include "outputs.h"
#include "requests.h"
#include "sequencer.h"

#include <algorithm>
#include <utility>
#include <vector>

using animesr::Outputs;
using animesr::Plan;
using animesr::Requests;
using animesr::Sequencer;
using animesr::Step;

namespace {

struct Driven {
    Driven(Sequencer::Config config, int capacity) : sequencer(std::move(config), requests), outputs(requests, capacity) {}

    Requests requests;
    Sequencer sequencer;
    Outputs<long> outputs;
};

int *put(int *out, const std::vector<int> &values) {
    *out++ = static_cast<int>(values.size());
    return std::copy(values.begin(), values.end(), out);
}

} // namespace

extern "C" {

// anchors == nullptr: to be learned
Driven *driven_new(int frames, const int *anchors, int count, int preroll, bool preview, int warmup, int chunk, int capacity) {
    Sequencer::Config config{.frames = frames, .anchors = std::nullopt};
    if (anchors)
        config.anchors.emplace(anchors, anchors + count);
    config.preroll = preroll;
    config.preview = preview;
    config.warmup = warmup;
    config.chunk = chunk;
    return new Driven(std::move(config), capacity);
}

void driven_free(Driven *driven) { delete driven; }
void driven_learn(Driven *driven, int n, bool anchor) { driven->sequencer.learn(n, anchor); }

// Writes: target, number of steps, six numbers each, number of pixels, pixels, number of props, props.
void driven_plan(Driven *driven, int n, const int *held, int count, int *out) {
    const Plan plan = driven->sequencer.plan(n, [&](int k) { return std::find(held, held + count, k) != held + count; });
    *out++ = plan.target;
    *out++ = static_cast<int>(plan.steps.size());
    for (const Step &s : plan.steps)
        for (int value : {s.prev, s.cur, s.next, int{s.reset}, int{s.output}, int{s.approximate}})
            *out++ = value;
    put(put(out, plan.pixels), plan.props);
}

void driven_done(Driven *driven, const int *step) {
    driven->sequencer.done({step[0], step[1], step[2], step[3] != 0, step[4] != 0, step[5] != 0});
}

void driven_fail(Driven *driven) {
    driven->sequencer.invalidate();
    driven->outputs.clear();
}

void driven_open(Driven *driven, int n) { driven->requests.open(n); }

void driven_close(Driven *driven, int n) {
    driven->requests.close(n);
    driven->outputs.trim();
}

bool driven_wants(const Driven *driven, int n, int target) { return driven->outputs.wants(n, target); }
void driven_put(Driven *driven, int n, long value) { driven->outputs.put(n, value); }

// -1: not there
long driven_get(Driven *driven, int n) { return driven->outputs.get(n).value_or(-1); }
}
