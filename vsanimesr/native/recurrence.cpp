#include "recurrence.h"

#include "outputs.h"
#include "requests.h"
#include "sequencer.h"

#include <algorithm>
#include <cstring>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <utility>

#ifdef __GLIBC__
#include <malloc.h>
#endif

namespace animesr {

namespace {

constexpr const char *approximate_property = "AnimeSRApproximate";
constexpr int64_t tidy_after = int64_t{256} << 20; // bytes of SR frames

// Is every sample a number? A NaN in an encode costs the picture from there to the end of the scene.
bool is_finite(const animesr_picture &picture, int width, int height) {
    constexpr uint32_t infinity = 0x7f800000;
    uint32_t largest = 0; // the bits of a float's magnitude are ordered as it is, with NaN on top
    for (const float *plane : picture.planes)
        for (int y = 0; y < height; ++y) {
            const char *row = reinterpret_cast<const char *>(plane) + y * picture.stride;
            for (int x = 0; x < width; ++x) {
                uint32_t bits;
                std::memcpy(&bits, row + x * sizeof bits, sizeof bits);
                largest = std::max(largest, bits & 0x7fffffff);
            }
        }
    return largest < infinity;
}

// An SR frame whose step has been submitted. Whoever needs it first waits for it.
class Result {
public:
    Result(Session &session, int n, int64_t ticket, Frame frame, const animesr_picture &picture, const VSVideoInfo &video)
        : session_(session), n_(n), ticket_(ticket), frame_(std::move(frame)), picture_(picture), video_(video) {}

    const VSFrame *finish() {
        const std::scoped_lock lock(mutex_);
        if (!finished_) {
            finished_ = true;
            try {
                session_.wait(ticket_, picture_);
                if (!is_finite(picture_, video_.width, video_.height))
                    throw std::runtime_error("SR frame " + std::to_string(n_) + " holds NaN or infinity; if the clip has none " +
                                             "itself, use precision=\"fp32\", or other weights");
            } catch (const std::exception &failure) {
                error_ = failure.what();
            }
        }
        if (!error_.empty())
            throw std::runtime_error(error_);
        return frame_.get();
    }

private:
    Session &session_;
    int n_;
    int64_t ticket_;
    Frame frame_;
    animesr_picture picture_;
    const VSVideoInfo &video_; // the filter's, which outlives its frames
    std::mutex mutex_;
    bool finished_ = false;
    std::string error_;
};

// What the request for one output frame has asked for and holds.
struct Request {
    std::vector<int> pixels, props; // asked for
    std::map<int, Frame> held;      // RGB frames by number
};

class Recurrence {
public:
    Recurrence(Node rgb, Node source, const std::vector<Argument> &arguments, VSCore *core, const VSAPI *vsapi);

    const VSVideoInfo &video() const { return video_; }
    bool uses_props() const { return session_.settings().use_props; }
    VSNode *rgb() const { return rgb_.get(); }
    VSNode *source() const { return source_.get(); }

    const VSFrame *initial(int n, Request &request, VSFrameContext *context);
    const VSFrame *ready(int n, Request &request, VSFrameContext *context);
    void end(int n);

private:
    using Shared = std::shared_ptr<Result>;

    Sequencer::Config sequence() const;
    int capacity() const;
    int64_t bytes() const { return int64_t{video_.width} * video_.height * 3 * sizeof(float); }
    void ask(Request &request, VSFrameContext *context) const;
    void collect(Request &request, VSFrameContext *context);
    void run(const Plan &plan, Request &request);
    int64_t submit(const Step &step, const Request &request, bool output);
    Shared result(const Step &step, const Request &request, int64_t ticket);
    const VSFrame *deliver(const Shared &result);
    void finish_older();
    void fail();
    void tidy();
    animesr_frame view(int n, const Request &request) const;
    bool starts_scene(const VSFrame *frame) const;

    const VSAPI *vsapi_;
    VSCore *core_;
    Node rgb_, source_;
    VSVideoInfo video_;
    Session session_;

    // Steps are submitted in order, under this lock; waiting for their results happens outside. It is taken before the
    // GIL (inside a call of the bridge), never while holding it.
    std::mutex order_;
    Requests requests_;
    Sequencer sequencer_;
    Outputs<Shared> outputs_;
    int64_t submitted_ = 0;
    int64_t untidied_ = 0; // bytes
    std::deque<std::pair<int64_t, Shared>> unfinished_; // with the number of the step
};

VSVideoInfo enlarged(VSVideoInfo video) {
    video.width *= scale;
    video.height *= scale;
    return video;
}

Recurrence::Recurrence(Node rgb, Node source, const std::vector<Argument> &arguments, VSCore *core, const VSAPI *vsapi)
    : vsapi_(vsapi), core_(core), rgb_(std::move(rgb)), source_(std::move(source)),
      video_(enlarged(*vsapi->getVideoInfo(rgb_.get()))),
      session_(arguments, video_.width / scale, video_.height / scale, core, vsapi), sequencer_(sequence(), requests_),
      outputs_(requests_, capacity()) {}

Sequencer::Config Recurrence::sequence() const {
    const animesr_settings &settings = session_.settings();
    Sequencer::Config config{.frames = video_.numFrames, .anchors = std::nullopt};
    if (!settings.use_props)
        config.anchors.emplace(settings.anchors, settings.anchors + settings.anchor_count);
    config.preroll = settings.preroll;
    config.preview = settings.preview;
    config.warmup = settings.warmup;
    return config;
}

// Frames kept beyond those asked for: what a run passes on its way to a frame that came too early, or stepping back in a
// previewer. As many as threads can be ahead, within an eighth of the memory that the core is allowed.
int Recurrence::capacity() const {
    VSCoreInfo info;
    vsapi_->getCoreInfo(core_, &info);
    return static_cast<int>(std::clamp<int64_t>(info.maxFramebufferSize / 8 / bytes(), 1, info.numThreads));
}

const VSFrame *Recurrence::initial(int n, Request &request, VSFrameContext *context) {
    {
        std::unique_lock lock(order_);
        requests_.open(n);
        if (auto known = outputs_.get(n)) {
            lock.unlock();
            return deliver(*known);
        }
    }
    for (int k = std::max(0, n - 1); k <= std::min(n + 1, video_.numFrames - 1); ++k)
        request.pixels.push_back(k);
    ask(request, context);
    return nullptr;
}

const VSFrame *Recurrence::ready(int n, Request &request, VSFrameContext *context) {
    std::unique_lock lock(order_);
    collect(request, context);
    for (;;) {
        if (auto known = outputs_.get(n)) {
            lock.unlock();
            return deliver(*known);
        }
        Plan plan = sequencer_.plan(n, [&](int k) { return request.held.contains(k); });
        if (plan.steps.empty()) {
            request.pixels = std::move(plan.pixels);
            request.props = std::move(plan.props);
            ask(request, context);
            return nullptr;
        }
        run(plan, request);
        // Of a long way only what is still ahead is held, besides the frame's own window.
        const int reached = plan.steps.back().cur;
        std::erase_if(request.held, [&](const auto &entry) {
            const int k = entry.first;
            return (k < reached || k > plan.target + 1) && (k < n - 1 || k > n + 1);
        });
    }
}

void Recurrence::end(int n) {
    const std::scoped_lock lock(order_);
    requests_.close(n);
    outputs_.trim();
}

void Recurrence::ask(Request &request, VSFrameContext *context) const {
    for (int k : request.props)
        vsapi_->requestFrameFilter(k, source_.get(), context);
    for (int k : request.pixels)
        vsapi_->requestFrameFilter(k, rgb_.get(), context);
}

void Recurrence::collect(Request &request, VSFrameContext *context) {
    for (int k : std::exchange(request.props, {})) {
        const Frame frame(vsapi_->getFrameFilter(k, source_.get(), context), Release{vsapi_});
        sequencer_.learn(k, starts_scene(frame.get()));
        vsapi_->releaseFrameEarly(source_.get(), k, context);
    }
    for (int k : std::exchange(request.pixels, {})) {
        Frame frame(vsapi_->getFrameFilter(k, rgb_.get(), context), Release{vsapi_});
        sequencer_.learn(k, starts_scene(frame.get()));
        request.held.insert_or_assign(k, std::move(frame));
        vsapi_->releaseFrameEarly(rgb_.get(), k, context);
    }
}

void Recurrence::run(const Plan &plan, Request &request) {
    for (const Step &step : plan.steps) {
        const bool output = step.output && outputs_.wants(step.cur, plan.target);
        int64_t ticket;
        try {
            finish_older();
            ticket = submit(step, request, output);
            ++submitted_;
        } catch (...) {
            fail();
            throw;
        }
        sequencer_.done(step);
        if (output) {
            auto made = result(step, request, ticket);
            unfinished_.emplace_back(submitted_, made);
            outputs_.put(step.cur, std::move(made));
            tidy();
        }
    }
}

int64_t Recurrence::submit(const Step &step, const Request &request, bool output) {
    return session_.submit(view(step.prev, request), view(step.cur, request), view(step.next, request), step.reset, output);
}

// The engine may have `depth` steps unfinished, counting the one to come.
void Recurrence::finish_older() {
    while (!unfinished_.empty() && unfinished_.front().first + session_.settings().depth <= submitted_ + 1) {
        const Shared oldest = std::move(unfinished_.front().second);
        unfinished_.pop_front();
        oldest->finish();
    }
}

Recurrence::Shared Recurrence::result(const Step &step, const Request &request, int64_t ticket) {
    const VSFrame *properties = request.held.at(step.cur).get();
    VSFrame *frame = vsapi_->newVideoFrame(&video_.format, video_.width, video_.height, properties, core_);
    Frame owner(frame, Release{vsapi_});
    if (step.approximate)
        vsapi_->mapSetInt(vsapi_->getFramePropertiesRW(frame), approximate_property, 1, maReplace);
    animesr_picture picture{{}, vsapi_->getStride(frame, 0)};
    for (int plane = 0; plane < 3; ++plane)
        picture.planes[plane] = reinterpret_cast<float *>(vsapi_->getWritePtr(frame, plane));
    return std::make_shared<Result>(session_, step.cur, ticket, std::move(owner), picture, video_);
}

const VSFrame *Recurrence::deliver(const Shared &result) {
    try {
        return vsapi_->addFrameRef(result->finish());
    } catch (...) {
        const std::scoped_lock lock(order_);
        fail();
        throw;
    }
}

// glibc's heap does not find room for an aligned frame in the gap that one of the same size has left, and grows for as
// long as an encode runs. Now and then it is asked to give back what it does not use.
void Recurrence::tidy() {
#ifdef __GLIBC__
    untidied_ += bytes();
    if (untidied_ >= tidy_after) {
        malloc_trim(0);
        untidied_ = 0;
    }
#endif
}

// Nothing that came of a failed step, or after it, is used again: the next request starts from its anchor.
void Recurrence::fail() {
    for (const auto &[step, result] : std::exchange(unfinished_, {}))
        try {
            result->finish();
        } catch (const std::runtime_error &) {
            // Whoever asked for it is told.
        }
    sequencer_.invalidate();
    outputs_.clear();
}

animesr_frame Recurrence::view(int n, const Request &request) const {
    const VSFrame *frame = request.held.at(n).get();
    animesr_frame view{n, {}, vsapi_->getStride(frame, 0)};
    for (int plane = 0; plane < 3; ++plane)
        view.planes[plane] = reinterpret_cast<const float *>(vsapi_->getReadPtr(frame, plane));
    return view;
}

bool Recurrence::starts_scene(const VSFrame *frame) const {
    int missing = 0;
    return vsapi_->mapGetInt(vsapi_->getFramePropertiesRO(frame), "_SceneChangePrev", 0, &missing) == 1 && !missing;
}

const VSFrame *VS_CC get_frame(int n, int reason, void *instance, void **frame_data, VSFrameContext *context, VSCore *,
                               const VSAPI *vsapi) noexcept {
    auto *recurrence = static_cast<Recurrence *>(instance);
    if (reason == arInitial)
        *frame_data = new Request;
    auto *request = static_cast<Request *>(*frame_data);
    const VSFrame *frame = nullptr;
    bool ended = reason == arError;
    try {
        if (reason == arInitial)
            frame = recurrence->initial(n, *request, context);
        else if (reason == arAllFramesReady)
            frame = recurrence->ready(n, *request, context);
        ended = ended || frame;
    } catch (const std::exception &failure) {
        const std::string message = "Upscale: frame " + std::to_string(n) + ": " + failure.what();
        vsapi->setFilterError(message.c_str(), context);
        ended = true;
    }
    if (ended) {
        recurrence->end(n);
        delete request;
        *frame_data = nullptr;
    }
    return frame;
}

void VS_CC free_recurrence(void *instance, VSCore *, const VSAPI *) noexcept { delete static_cast<Recurrence *>(instance); }

} // namespace

Node create_recurrence(Node rgb, Node source, const std::vector<Argument> &arguments, VSCore *core, const VSAPI *vsapi) {
    auto recurrence = std::make_unique<Recurrence>(std::move(rgb), std::move(source), arguments, core, vsapi);
    const VSFilterDependency dependencies[] = {{recurrence->rgb(), rpGeneral}, {recurrence->source(), rpGeneral}};
    VSNode *node = vsapi->createVideoFilter2("Upscale", &recurrence->video(), get_frame, free_recurrence, fmParallel, dependencies,
                                             recurrence->uses_props() ? 2 : 1, recurrence.get(), core);
    if (!node)
        throw std::runtime_error("VapourSynth could not create the filter");
    recurrence.release();
    return Node(node, Release{vsapi});
}

} // namespace animesr
