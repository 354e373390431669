#include "recurrence.h"

#include "output_cache.h"
#include "requests.h"
#include "sequencer.h"

#include <algorithm>
#include <cstring>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <stdexcept>
#include <string>
#include <utility>

#ifdef __GLIBC__
#include <malloc.h>
#endif

namespace animesr {

namespace {

constexpr const char *approximate_property = "AnimeSRApproximate";
constexpr int64_t trim_interval = int64_t{256} << 20; // bytes of SR frames

// Return whether the picture has neither NaN nor infinity. One NaN would spread over the picture until the scene ends.
bool is_finite(const animesr_picture &picture, int width, int height) {
    constexpr uint32_t infinity = 0x7f800000;
    uint32_t largest = 0; // the bits of positive floats have the order of their values; NaN is above infinity
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

// The SR frame of a submitted step.
class Output {
public:
    Output(BridgeSession &session, int n, int64_t ticket, Frame frame, const animesr_picture &picture,
           const VSVideoInfo &video)
        : session_(session), n_(n), ticket_(ticket), frame_(std::move(frame)), picture_(picture), video_(video) {}

    // Return the finished frame. The first caller waits for the step; every caller gets the same frame, or the same
    // error as std::runtime_error.
    const VSFrame *wait() {
        const std::scoped_lock lock(mutex_);
        if (!std::exchange(finished_, true))
            try {
                session_.wait(ticket_, picture_);
                if (!is_finite(picture_, video_.width, video_.height))
                    throw std::runtime_error("SR frame " + std::to_string(n_) +
                                             " holds NaN or infinity; if the clip has none itself, use "
                                             "precision=\"fp32\", or other weights");
            } catch (const std::exception &failure) {
                error_ = failure.what();
            }
        if (!error_.empty())
            throw std::runtime_error(error_);
        return frame_.get();
    }

private:
    BridgeSession &session_;
    int n_;
    int64_t ticket_;
    Frame frame_;
    animesr_picture picture_;
    const VSVideoInfo &video_; // the filter's; the filter exists longer than its outputs
    std::mutex mutex_;
    bool finished_ = false;
    std::string error_;
};

// A request for one output frame. It exists until the frame is delivered or fails.
struct Request {
    std::vector<int> pixels, props; // source frames requested from VapourSynth and not yet received
    std::map<int, Frame> frames;    // RGB frames received, by number
};

class Recurrence {
public:
    Recurrence(Node rgb, Node source, const std::vector<Argument> &arguments, VSCore *core, const VSAPI *vsapi);

    const VSVideoInfo &video() const { return video_; }
    bool uses_props() const { return session_.settings().use_props; }
    VSNode *rgb() const { return rgb_.get(); }
    VSNode *source() const { return source_.get(); }

    // Start or continue a request for frame n. Return the frame, or null after requesting more source frames.
    const VSFrame *start_request(int n, Request &request, VSFrameContext *context);
    const VSFrame *continue_request(int n, Request &request, VSFrameContext *context);
    void close_request(int n);

private:
    using SharedOutput = std::shared_ptr<Output>;

    Sequencer::Config sequencer_config() const;
    int cache_capacity() const;
    int64_t frame_bytes() const { return int64_t{video_.width} * video_.height * 3 * sizeof(float); }
    void request_frames(const Request &request, VSFrameContext *context) const;
    void receive_frames(Request &request, VSFrameContext *context);
    void run_steps(const Plan &plan, const Request &request);
    int64_t submit_step(const Step &step, const Request &request, bool output);
    SharedOutput create_output(const Step &step, const Request &request, int64_t ticket);
    const VSFrame *wait_and_deliver(const SharedOutput &output);
    void wait_for_older_steps();
    void discard_state();
    void trim_heap();
    animesr_frame view_frame(int n, const Request &request) const;
    bool is_scene_start(const VSFrame *frame) const;

    const VSAPI *vsapi_;
    VSCore *core_;
    Node rgb_, source_;
    VSVideoInfo video_;
    BridgeSession session_;

    // Protects the members below. Steps are submitted in order while it is held; requests wait for their own output
    // without it. It is locked before the GIL, which the bridge takes, and never while holding the GIL.
    std::mutex order_;
    Requests requests_;
    Sequencer sequencer_;
    OutputCache<SharedOutput> outputs_;
    int64_t submitted_ = 0;                                // steps
    std::deque<std::pair<int64_t, SharedOutput>> pending_; // outputs not known to be finished, by number of the step
    int64_t bytes_since_trim_ = 0;
};

VSVideoInfo upscale_info(VSVideoInfo video) {
    video.width *= scale;
    video.height *= scale;
    return video;
}

Recurrence::Recurrence(Node rgb, Node source, const std::vector<Argument> &arguments, VSCore *core, const VSAPI *vsapi)
    : vsapi_(vsapi), core_(core), rgb_(std::move(rgb)), source_(std::move(source)),
      video_(upscale_info(*vsapi->getVideoInfo(rgb_.get()))),
      session_(arguments, video_.width / scale, video_.height / scale, core, vsapi),
      sequencer_(sequencer_config(), requests_), outputs_(requests_, cache_capacity()) {}

Sequencer::Config Recurrence::sequencer_config() const {
    const animesr_settings &settings = session_.settings();
    Sequencer::Config config{.frames = video_.numFrames, .anchors = std::nullopt};
    if (!settings.use_props)
        config.anchors.emplace(settings.anchors, settings.anchors + settings.anchor_count);
    config.preroll = settings.preroll;
    config.preview = settings.preview;
    config.warmup = settings.warmup;
    return config;
}

// Return the number of output frames to keep without an open request. They serve requests that come late, and steps
// back in a previewer. One per thread, as threads can be ahead by that many, within an eighth of the core's memory.
int Recurrence::cache_capacity() const {
    VSCoreInfo info;
    vsapi_->getCoreInfo(core_, &info);
    return static_cast<int>(std::clamp<int64_t>(info.maxFramebufferSize / 8 / frame_bytes(), 1, info.numThreads));
}

const VSFrame *Recurrence::start_request(int n, Request &request, VSFrameContext *context) {
    {
        std::unique_lock lock(order_);
        requests_.open(n);
        if (auto output = outputs_.get(n)) {
            lock.unlock();
            return wait_and_deliver(*output);
        }
    }
    for (int k = std::max(0, n - 1); k <= std::min(n + 1, video_.numFrames - 1); ++k)
        request.pixels.push_back(k);
    request_frames(request, context);
    return nullptr;
}

const VSFrame *Recurrence::continue_request(int n, Request &request, VSFrameContext *context) {
    std::unique_lock lock(order_);
    receive_frames(request, context);
    for (;;) {
        if (auto output = outputs_.get(n)) {
            lock.unlock();
            return wait_and_deliver(*output);
        }
        Plan plan = sequencer_.plan(n, [&](int k) { return request.frames.contains(k); });
        if (plan.steps.empty()) {
            request.pixels = std::move(plan.pixels);
            request.props = std::move(plan.props);
            request_frames(request, context);
            return nullptr;
        }
        run_steps(plan, request);
        // Keep only the frames of later steps and the request's own window, so a long run needs little memory.
        const int reached = plan.steps.back().cur;
        std::erase_if(request.frames, [&](const auto &entry) {
            const int k = entry.first;
            return (k < reached || k > plan.target + 1) && (k < n - 1 || k > n + 1);
        });
    }
}

void Recurrence::close_request(int n) {
    const std::scoped_lock lock(order_);
    requests_.close(n);
    outputs_.trim();
}

void Recurrence::request_frames(const Request &request, VSFrameContext *context) const {
    for (int k : request.props)
        vsapi_->requestFrameFilter(k, source_.get(), context);
    for (int k : request.pixels)
        vsapi_->requestFrameFilter(k, rgb_.get(), context);
}

void Recurrence::receive_frames(Request &request, VSFrameContext *context) {
    for (int k : std::exchange(request.props, {})) {
        const Frame frame(vsapi_->getFrameFilter(k, source_.get(), context), Release{vsapi_});
        sequencer_.record_anchor(k, is_scene_start(frame.get()));
        vsapi_->releaseFrameEarly(source_.get(), k, context);
    }
    for (int k : std::exchange(request.pixels, {})) {
        Frame frame(vsapi_->getFrameFilter(k, rgb_.get(), context), Release{vsapi_});
        sequencer_.record_anchor(k, is_scene_start(frame.get()));
        request.frames.insert_or_assign(k, std::move(frame));
        vsapi_->releaseFrameEarly(rgb_.get(), k, context);
    }
}

void Recurrence::run_steps(const Plan &plan, const Request &request) {
    for (const Step &step : plan.steps) {
        const bool has_output = step.output && outputs_.should_keep(step.cur, plan.target);
        int64_t ticket;
        try {
            wait_for_older_steps();
            ticket = submit_step(step, request, has_output);
            ++submitted_;
        } catch (...) {
            discard_state();
            throw;
        }
        sequencer_.complete(step);
        if (has_output) {
            auto output = create_output(step, request, ticket);
            pending_.emplace_back(submitted_, output);
            outputs_.put(step.cur, std::move(output));
            trim_heap();
        }
    }
}

int64_t Recurrence::submit_step(const Step &step, const Request &request, bool output) {
    return session_.submit(view_frame(step.prev, request), view_frame(step.cur, request),
                           view_frame(step.next, request), step.reset, output);
}

// Wait until `depth` - 1 steps are unfinished at most, so that the next one can be submitted.
void Recurrence::wait_for_older_steps() {
    while (!pending_.empty() && pending_.front().first + session_.settings().depth <= submitted_ + 1) {
        const SharedOutput oldest = std::move(pending_.front().second);
        pending_.pop_front();
        oldest->wait();
    }
}

// Create the output frame of a step, with the properties of its source frame.
Recurrence::SharedOutput Recurrence::create_output(const Step &step, const Request &request, int64_t ticket) {
    const VSFrame *properties = request.frames.at(step.cur).get();
    VSFrame *frame = vsapi_->newVideoFrame(&video_.format, video_.width, video_.height, properties, core_);
    Frame owner(frame, Release{vsapi_});
    if (step.approximate)
        vsapi_->mapSetInt(vsapi_->getFramePropertiesRW(frame), approximate_property, 1, maReplace);
    animesr_picture picture{{}, vsapi_->getStride(frame, 0)};
    for (int plane = 0; plane < 3; ++plane)
        picture.planes[plane] = reinterpret_cast<float *>(vsapi_->getWritePtr(frame, plane));
    return std::make_shared<Output>(session_, step.cur, ticket, std::move(owner), picture, video_);
}

const VSFrame *Recurrence::wait_and_deliver(const SharedOutput &output) {
    try {
        return vsapi_->addFrameRef(output->wait());
    } catch (...) {
        const std::scoped_lock lock(order_);
        discard_state();
        throw;
    }
}

// Give unused memory of the heap back from time to time. glibc does not place an aligned frame in the gap that a freed
// frame of the same size has left, so the heap would grow during the whole encode.
void Recurrence::trim_heap() {
#ifdef __GLIBC__
    bytes_since_trim_ += frame_bytes();
    if (bytes_since_trim_ >= trim_interval) {
        malloc_trim(0);
        bytes_since_trim_ = 0;
    }
#endif
}

// After a failed step, discard the recurrent state and every output. The next request starts from its anchor.
void Recurrence::discard_state() {
    for (const auto &[step, output] : std::exchange(pending_, {}))
        try {
            output->wait();
        } catch (const std::runtime_error &) {
            // The request for this output gets the error.
        }
    sequencer_.invalidate();
    outputs_.clear();
}

animesr_frame Recurrence::view_frame(int n, const Request &request) const {
    const VSFrame *frame = request.frames.at(n).get();
    animesr_frame view{n, {}, vsapi_->getStride(frame, 0)};
    for (int plane = 0; plane < 3; ++plane)
        view.planes[plane] = reinterpret_cast<const float *>(vsapi_->getReadPtr(frame, plane));
    return view;
}

bool Recurrence::is_scene_start(const VSFrame *frame) const {
    int missing = 0;
    return vsapi_->mapGetInt(vsapi_->getFramePropertiesRO(frame), "_SceneChangePrev", 0, &missing) == 1 && !missing;
}

const VSFrame *VS_CC get_frame(int n, int reason, void *instance, void **frame_data, VSFrameContext *context, VSCore *,
                               const VSAPI *vsapi) noexcept {
    auto *recurrence = static_cast<Recurrence *>(instance);
    // VapourSynth keeps the request from one call for this frame to the next.
    std::unique_ptr<Request> request;
    if (reason != arInitial)
        request.reset(static_cast<Request *>(std::exchange(*frame_data, nullptr)));
    const VSFrame *frame = nullptr;
    bool failed = reason == arError;
    try {
        if (reason == arInitial) {
            request = std::make_unique<Request>();
            frame = recurrence->start_request(n, *request, context);
        } else if (reason == arAllFramesReady)
            frame = recurrence->continue_request(n, *request, context);
    } catch (const std::exception &failure) {
        const std::string message = "Upscale: frame " + std::to_string(n) + ": " + failure.what();
        vsapi->setFilterError(message.c_str(), context);
        failed = true;
    }
    if (frame || failed)
        recurrence->close_request(n);
    else
        *frame_data = request.release();
    return frame;
}

void VS_CC free_recurrence(void *instance, VSCore *, const VSAPI *) noexcept {
    std::unique_ptr<Recurrence>(static_cast<Recurrence *>(instance)).reset();
}

} // namespace

Node create_recurrence(Node rgb, Node source, const std::vector<Argument> &arguments, VSCore *core,
                       const VSAPI *vsapi) {
    auto recurrence = std::make_unique<Recurrence>(std::move(rgb), std::move(source), arguments, core, vsapi);
    const VSFilterDependency dependencies[] = {{recurrence->rgb(), rpGeneral}, {recurrence->source(), rpGeneral}};
    VSNode *node = vsapi->createVideoFilter2("Upscale", &recurrence->video(), get_frame, free_recurrence, fmParallel,
                                             dependencies, recurrence->uses_props() ? 2 : 1, recurrence.get(), core);
    if (!node)
        throw std::runtime_error("VapourSynth could not create the filter");
    recurrence.release(); // the node owns it now
    return Node(node, Release{vsapi});
}

} // namespace animesr
