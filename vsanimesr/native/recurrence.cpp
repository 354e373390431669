#include "recurrence.h"

#include "filter.h"
#include "holds.h"
#include "output.h"
#include "output_cache.h"
#include "requests.h"
#include "sequencer.h"

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <exception>
#include <map>
#include <mutex>
#include <set>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#ifdef __GLIBC__
#include <malloc.h>
#endif

namespace animesr {

namespace {

using Clock = std::chrono::steady_clock;

constexpr const char *anchor_property = "AnimeSRAnchor";
constexpr const char *approximate_property = "AnimeSRApproximate";
constexpr const char *held_property = "AnimeSRHeld";

constexpr int64_t mebibyte = int64_t{1} << 20;
constexpr int64_t trim_interval = 256 * mebibyte; // of frames
constexpr int largest_capacity = 256;             // SR frames to keep, however small they are
constexpr int largest_checkpoints = 64;           // states to keep
constexpr int largest_reach = 16;                 // SR frames to keep on the way to a frame
constexpr auto long_walk = std::chrono::seconds(5);
constexpr int long_walk_steps = 16; // a request of a linear run takes fewer, however slow they are

// A request for one output frame. It exists until the frame is delivered or fails.
struct Request {
    int n;
    int64_t opened_at; // steps that the filter had run
    // Frames requested from VapourSynth and not yet received, and frames received, by number.
    std::vector<int> pixels{}, props{}, sources{};
    std::map<int, Frame> frames{}, source{}; // for steps, and for comparisons
    Clock::time_point started{};             // its first step
    int steps = 0;                           // turns that this request had
    bool logged = false;
    bool tried_again = false; // after the failure of an older step
};

// Calls a function at the end of a scope, however it is left.
template <class Function> struct AtEnd {
    Function function;
    ~AtEnd() { function(); }
};

// Return the bytes of a frame, without padding.
int64_t count_bytes(const VSVideoInfo &video) {
    const VSVideoFormat &format = video.format;
    const int64_t first = int64_t{video.width} * video.height;
    const int64_t others = (format.numPlanes - 1) * (first >> (format.subSamplingW + format.subSamplingH));
    return (first + others) * format.bytesPerSample;
}

class Recurrence {
public:
    Recurrence(Node input, Node source, std::unique_ptr<BridgeSession> session, const Colours &colours,
               const Target &target, VSCore *core, const VSAPI *vsapi);

    const VSVideoInfo &video() const { return video_; }
    bool uses_source() const { return uses_props() || settings().skip_held; }
    VSNode *input() const { return input_.get(); }
    VSNode *source() const { return source_.get(); }

    std::unique_ptr<Request> open_request(int n);

    // Start a request; continue it. Return the frame, or null after requesting more source frames.
    void start_request(Request &request, VSFrameContext *context);
    const VSFrame *continue_request(Request &request, VSFrameContext *context);
    void close_request(int n);

private:
    using SharedOutput = std::shared_ptr<Output>;
    using Lock = std::unique_lock<std::mutex>;

    // What the session did during a turn.
    struct Turn {
        int64_t parked = 0, saved = 0; // handles of states; 0: none
        SharedOutput output;
        bool succeeded = false;
        std::exception_ptr failure;
    };

    const animesr_settings &settings() const { return session_->settings(); }
    bool uses_props() const { return settings().anchor_source != ANIMESR_ANCHORS_LIST; }
    VSVideoInfo output_info(VSVideoInfo video) const;
    Sequencer::Config sequencer_config() const;
    int64_t find_cache_bytes() const;
    int64_t frame_bytes() const { return count_bytes(video_); }
    int count_in_cache(int64_t bytes, int limit) const;
    int output_capacity() const { return std::max(1, count_in_cache(frame_bytes(), largest_capacity)); }
    int reach() const { return std::min(largest_reach, output_capacity()); }
    Holdings holdings_of(const Request &request) const;
    void request_frames(const Request &request, VSFrameContext *context) const;
    void receive_frames(Request &request, VSFrameContext *context);
    void await_turn(Lock &lock, const Request &request, int kept);
    bool is_first_in_line(const Request &request);
    void run_steps(Lock &lock, const Plan &plan, Request &request);
    void take_turn(const Plan &plan, const Request &request, bool parks, bool shown, Turn &turn);
    void record_turn(const Plan &plan, Turn turn);
    void discard_states(const Turn &turn);
    void drop_states(const std::vector<int64_t> &handles);
    void settle_older_steps();
    SharedOutput create_output(const Step &step, const Run &run, const Request &request);
    void set_properties(VSMap *map, int64_t anchor, bool approximate) const;
    const VSFrame *wait_and_deliver(const SharedOutput &output, int kept, const Request &request);
    const VSFrame *repeat_frame(const VSFrame *output, int kept, const Request &request) const;
    static void trim_heap();
    void log_long_walk(Request &request, const Plan &plan) const;
    animesr_frame view_frame(int n, const Request &request) const;
    FrameView view_source(int n, const Request &request) const;
    bool is_scene_start(const VSFrame *frame) const;

    const VSAPI *vsapi_;
    VSCore *core_;
    Node input_, source_;
    std::unique_ptr<BridgeSession> session_;
    const Colours colours_;
    const Target target_;
    VSVideoInfo video_;
    int64_t cache_bytes_; // for what is kept without need: one half for SR frames, one for saved states

    // Protects the members below. It is locked before the GIL, which the bridge takes, and never while holding the GIL.
    std::mutex mutex_;
    Requests requests_;
    Sequencer sequencer_;
    OutputCache<SharedOutput> outputs_;
    int64_t steps_run_ = 0;
    int64_t bytes_since_trim_ = 0; // of source frames received and SR frames made
    bool state_lost_ = false; // the backend has failed, or a turn is not recorded: the next turn discards all states

    // One request at a time has its turn: it alone calls the session, but for waiting, and it alone changes the states
    // of the sequencer. The mutex is not held meanwhile. All requests that wait for their turn hold the frames of their
    // next step, so the turn passes on whatever VapourSynth's other threads do.
    bool turn_taken_ = false;
    std::set<const Request *> line_; // waiting for their turn
    std::condition_variable turn_passed_;

    // Used only by the request that has its turn.
    int64_t submitted_ = 0;                                // steps
    std::deque<std::pair<int64_t, SharedOutput>> pending_; // outputs not known to be finished, by number of the step
};

Recurrence::Recurrence(Node input, Node source, std::unique_ptr<BridgeSession> session, const Colours &colours,
                       const Target &target, VSCore *core, const VSAPI *vsapi)
    : vsapi_(vsapi), core_(core), input_(std::move(input)), source_(std::move(source)), session_(std::move(session)),
      colours_(colours), target_(target), video_(output_info(*vsapi->getVideoInfo(input_.get()))),
      cache_bytes_(find_cache_bytes()), sequencer_(sequencer_config(), requests_),
      outputs_(requests_, output_capacity()) {}

VSVideoInfo Recurrence::output_info(VSVideoInfo video) const {
    if (settings().own_formats)
        return target_.video_info(video);
    video.width *= scale;
    video.height *= scale;
    return video;
}

Sequencer::Config Recurrence::sequencer_config() const {
    const animesr_settings &from = settings();
    Sequencer::Config config{.timeline = {.frames = video_.numFrames, .anchors = std::nullopt}};
    if (!uses_props())
        config.timeline.anchors.emplace(from.anchors, from.anchors + from.anchor_count);
    config.timeline.segment = from.segment;
    config.timeline.warmup = from.warmup;
    config.timeline.skip_held = from.skip_held;
    config.preroll = from.preroll;
    if (from.preview >= 0)
        config.preview = from.preview;
    config.reach = reach();
    config.checkpoints = count_in_cache(from.state_bytes, largest_checkpoints);
    return config;
}

// VapourSynth's limit may change later; what is kept is planned for one size.
int64_t Recurrence::find_cache_bytes() const {
    if (settings().cache_bytes >= 0)
        return settings().cache_bytes;
    VSCoreInfo info;
    vsapi_->getCoreInfo(core_, &info);
    return info.maxFramebufferSize / 4;
}

// Return how many things of a size there may be in one half of the cache.
int Recurrence::count_in_cache(int64_t bytes, int limit) const {
    return static_cast<int>(std::min<int64_t>(cache_bytes_ / 2 / std::max<int64_t>(1, bytes), limit));
}

std::unique_ptr<Request> Recurrence::open_request(int n) {
    const std::scoped_lock lock(mutex_);
    requests_.open(n);
    return std::make_unique<Request>(Request{.n = n, .opened_at = steps_run_});
}

void Recurrence::start_request(Request &request, VSFrameContext *context) {
    // The frame itself, for its pixels or its properties, and whether it or the next one is an anchor.
    request.pixels = {request.n};
    if (uses_props())
        for (int k = request.n; k <= std::min(request.n + 1, video_.numFrames - 1); ++k)
            request.props.push_back(k);
    request_frames(request, context);
}

const VSFrame *Recurrence::continue_request(Request &request, VSFrameContext *context) {
    Lock lock(mutex_);
    receive_frames(request, context);
    if (settings().preview >= 0)
        turn_passed_.notify_all(); // what becomes known may change the runs of others, and so who is first in line
    const Holdings holdings = holdings_of(request);
    for (bool has_turn = false;;) {
        Plan plan = sequencer_.plan(request.n, holdings);
        if (plan.comparison) {
            const auto [kept, frame] = *plan.comparison;
            const bool held = is_held(view_source(kept, request), view_source(frame, request));
            sequencer_.timeline().record_comparison(*plan.comparison, held);
            std::erase_if(request.source, [&](const auto &entry) { return entry.first < (held ? kept : frame); });
            continue;
        }
        if (plan.needs_frames()) {
            request.pixels = std::move(plan.pixels);
            request.props = std::move(plan.props);
            request.sources = std::move(plan.sources);
            request_frames(request, context);
            return nullptr;
        }
        if (auto output = outputs_.get(plan.kept)) {
            lock.unlock();
            return wait_and_deliver(*output, plan.kept, request);
        }
        if (!has_turn) {
            await_turn(lock, request, plan.kept);
            has_turn = true; // the plan may have changed meanwhile
            continue;
        }
        log_long_walk(request, plan);
        run_steps(lock, plan, request);
        // Frames before the one just run are in no later window.
        const int reached = plan.steps.back().cur;
        std::erase_if(request.frames,
                      [&](const auto &entry) { return entry.first < reached && entry.first != request.n; });
        has_turn = false;
    }
}

void Recurrence::close_request(int n) {
    const std::scoped_lock lock(mutex_);
    requests_.close(n);
    outputs_.trim();
}

Holdings Recurrence::holdings_of(const Request &request) const {
    return {.pixels = [&](int n) { return request.frames.contains(n); },
            .source = [&](int n) { return request.source.contains(n); },
            .output = [this](int n) { return outputs_.contains(n); }};
}

void Recurrence::request_frames(const Request &request, VSFrameContext *context) const {
    for (const auto *frames : {&request.props, &request.sources})
        for (int k : *frames)
            vsapi_->requestFrameFilter(k, source_.get(), context);
    for (int k : request.pixels)
        vsapi_->requestFrameFilter(k, input_.get(), context);
}

void Recurrence::receive_frames(Request &request, VSFrameContext *context) {
    const auto props = std::exchange(request.props, {});
    const auto sources = std::exchange(request.sources, {});
    const auto pixels = std::exchange(request.pixels, {});
    for (int k : props) {
        const Frame frame(vsapi_->getFrameFilter(k, source_.get(), context), Release{vsapi_});
        sequencer_.timeline().record_anchor(k, is_scene_start(frame.get()));
    }
    for (int k : sources)
        request.source.insert_or_assign(k, Frame(vsapi_->getFrameFilter(k, source_.get(), context), Release{vsapi_}));
    for (int k : pixels) {
        request.frames.insert_or_assign(k, Frame(vsapi_->getFrameFilter(k, input_.get(), context), Release{vsapi_}));
        vsapi_->releaseFrameEarly(input_.get(), k, context);
    }
    for (const auto *frames : {&props, &sources})
        for (int k : *frames)
            vsapi_->releaseFrameEarly(source_.get(), k, context);
    bytes_since_trim_ += count_bytes(*vsapi_->getVideoInfo(input_.get())) * static_cast<int64_t>(pixels.size());
}

// Wait until it is this request's turn, or its result exists.
void Recurrence::await_turn(Lock &lock, const Request &request, int kept) {
    line_.insert(&request);
    const AtEnd leave{[&] {
        line_.erase(&request);
        turn_passed_.notify_all(); // this request may leave without a turn
    }};
    turn_passed_.wait(lock, [&] { return outputs_.contains(kept) || (!turn_taken_ && is_first_in_line(request)); });
}

// The request with the shortest way comes first. Each step of others shortens the way of those that wait: so a request
// is overtaken by about as many steps as its own way has, whatever else is asked for.
bool Recurrence::is_first_in_line(const Request &request) {
    const auto rank = [&](const Request *other) {
        const int64_t waited = steps_run_ - other->opened_at;
        return std::pair(sequencer_.distance(other->n) - waited, other->n);
    };
    const auto own = rank(&request);
    return std::ranges::none_of(line_, [&](const Request *other) { return rank(other) < own; });
}

// Run the steps of a plan. If the backend has failed, discard all states instead, and throw if it failed here. Whatever
// is thrown, the turn passes on.
void Recurrence::run_steps(Lock &lock, const Plan &plan, Request &request) {
    const Step &last = plan.steps.back();
    const bool shown = last.output && (requests_.contains(last.cur, last.last) || plan.kept - last.cur < reach());
    const bool parks = sequencer_.should_park(plan);
    const bool trims = bytes_since_trim_ >= trim_interval;
    turn_taken_ = true;
    const AtEnd pass{[&] {
        if (!lock.owns_lock())
            lock.lock();
        turn_taken_ = false;
        turn_passed_.notify_all();
    }};
    lock.unlock();

    Turn turn;
    try {
        if (trims)
            trim_heap();
        take_turn(plan, request, parks, shown, turn);
        turn.succeeded = true;
    } catch (const StepFailure &) { // of an older step, which may be another request's
        if (std::exchange(request.tried_again, true))
            turn.failure = std::current_exception();
    } catch (...) {
        turn.failure = std::current_exception();
    }

    lock.lock();
    steps_run_ += static_cast<int64_t>(plan.steps.size());
    bytes_since_trim_ = (trims ? 0 : bytes_since_trim_) + (turn.output ? frame_bytes() : 0);
    const bool lost = std::exchange(state_lost_, true); // until what was done is recorded
    if (turn.succeeded && !lost)
        record_turn(plan, std::move(turn));
    else
        discard_states(turn);
    state_lost_ = false;
    if (turn.failure)
        std::rethrow_exception(turn.failure);
}

// Call the session: save the state that others need, load the one that the plan continues from, submit its steps.
void Recurrence::take_turn(const Plan &plan, const Request &request, bool parks, bool shown, Turn &turn) {
    settle_older_steps();
    if (parks)
        turn.parked = session_->save();
    if (plan.origin == Origin::saved)
        session_->restore(plan.saved);
    const Step &last = plan.steps.back();
    for (const Step &step : plan.steps) {
        settle_older_steps();
        const bool reset = plan.origin == Origin::reset && &step == &plan.steps.front();
        const bool has_output = shown && &step == &last;
        if (has_output) { // before the step: a ticket must be waited for, so nothing may fail once there is one
            turn.output = create_output(step, plan.run, request);
            pending_.emplace_back(submitted_ + 1, turn.output);
        }
        const int64_t ticket = session_->submit(view_frame(step.prev, request), view_frame(step.cur, request),
                                                view_frame(step.next, request), reset, has_output);
        ++submitted_;
        if (has_output)
            turn.output->set_ticket(ticket);
    }
    if (plan.save)
        turn.saved = session_->save();
}

void Recurrence::record_turn(const Plan &plan, Turn turn) {
    const Step &last = plan.steps.back();
    drop_states(sequencer_.complete(plan, turn.parked, turn.saved));
    if (turn.output)
        outputs_.put(last.cur, last.last, std::move(turn.output));
}

// The backend has failed: the next turn starts from zero. What is kept may have come of the failure.
void Recurrence::discard_states(const Turn &turn) {
    for (const auto &[step, output] : std::exchange(pending_, {}))
        try {
            output->settle();
        } catch (const StepFailure &) {
            // The request for this output gets the error.
        }
    drop_states(sequencer_.invalidate());
    drop_states({turn.parked, turn.saved});
    outputs_.clear();
}

void Recurrence::drop_states(const std::vector<int64_t> &handles) {
    for (int64_t handle : handles)
        if (handle)
            session_->drop(handle);
}

// Wait until `depth` - 1 steps are unfinished at most, so that the next one can be submitted. Throws StepFailure.
void Recurrence::settle_older_steps() {
    while (!pending_.empty() && pending_.front().first + settings().depth <= submitted_ + 1) {
        const SharedOutput oldest = std::move(pending_.front().second);
        pending_.pop_front();
        oldest->settle();
    }
}

// Create the output frame of a step, with the properties of its source frame.
Recurrence::SharedOutput Recurrence::create_output(const Step &step, const Run &run, const Request &request) {
    const VSFrame *properties = request.frames.at(step.cur).get();
    VSFrame *frame = vsapi_->newVideoFrame(&video_.format, video_.width, video_.height, properties, core_);
    Frame owner(frame, Release{vsapi_});
    VSMap *map = vsapi_->getFramePropertiesRW(frame);
    set_properties(map, run.start, run.approximate);
    animesr_picture picture{};
    for (int plane = 0; plane < video_.format.numPlanes; ++plane) {
        picture.planes[plane] = vsapi_->getWritePtr(frame, plane);
        picture.strides[plane] = vsapi_->getStride(frame, plane);
    }
    return std::make_shared<Output>(*session_, step.cur, std::move(owner), picture, video_);
}

// Set the properties that tell how a frame was made, and if nothing converts it afterwards, how to read it.
void Recurrence::set_properties(VSMap *map, int64_t anchor, bool approximate) const {
    for (const char *name : {held_property, approximate_property}) // of a source that was upscaled before
        vsapi_->mapDeleteKey(map, name);
    if (settings().own_formats)
        colours_.convert_properties(map, target_);
    vsapi_->mapSetInt(map, anchor_property, anchor, maReplace);
    if (approximate)
        vsapi_->mapSetInt(map, approximate_property, 1, maReplace);
    for (const auto &[name, text] :
         {std::pair("AnimeSRModel", settings().model), std::pair("AnimeSRBackend", settings().backend),
          std::pair("AnimeSRPrecision", settings().precision)})
        vsapi_->mapSetData(map, name, text, -1, dtUtf8, maReplace);
}

const VSFrame *Recurrence::wait_and_deliver(const SharedOutput &output, int kept, const Request &request) {
    try {
        const VSFrame *frame = output->wait();
        return kept == request.n ? vsapi_->addFrameRef(frame) : repeat_frame(frame, kept, request);
    } catch (const StepFailure &) {
        const std::scoped_lock lock(mutex_);
        state_lost_ = true;
        outputs_.clear();
        throw;
    }
}

// Return the SR frame of a kept frame with the properties of a held one.
const VSFrame *Recurrence::repeat_frame(const VSFrame *output, int kept, const Request &request) const {
    VSFrame *frame = vsapi_->copyFrame(output, core_);
    VSMap *map = vsapi_->getFramePropertiesRW(frame);
    const int64_t anchor = vsapi_->mapGetInt(map, anchor_property, 0, nullptr);
    const bool approximate = vsapi_->mapNumElements(map, approximate_property) > 0;
    vsapi_->clearMap(map);
    vsapi_->copyMap(vsapi_->getFramePropertiesRO(request.frames.at(request.n).get()), map);
    set_properties(map, anchor, approximate);
    vsapi_->mapSetInt(map, held_property, kept, maReplace);
    return frame;
}

// Give unused memory of the heap back from time to time. glibc does not place an aligned frame in the gap that a freed
// frame of the same size has left, so the heap would grow during the whole encode, or a long seek.
void Recurrence::trim_heap() {
#ifdef __GLIBC__
    malloc_trim(0);
#endif
}

// Tell once why a request takes so long, and what would make it shorter.
void Recurrence::log_long_walk(Request &request, const Plan &plan) const {
    const auto now = Clock::now();
    if (request.steps++ == 0)
        request.started = now;
    const auto elapsed = std::chrono::duration<double>(now - request.started).count();
    const int left = plan.kept - plan.steps.back().cur;
    if (request.logged || request.steps <= long_walk_steps || now - request.started < long_walk || left == 0)
        return;
    request.logged = true;
    const double rate = (request.steps - 1) / elapsed;
    const std::string text = "Upscale: frame " + std::to_string(request.n) + " needs every frame from " +
                             std::to_string(plan.run.first) + " on; " + std::to_string(left) +
                             " steps are left, about " + std::to_string(static_cast<int>(left / rate) + 1) +
                             " s. To shorten this, use seek=\"preview\" in a previewer, or " +
                             (settings().segment ? "a smaller segment" : "segment=[240, 8]") +
                             (settings().anchor_source == ANIMESR_ANCHORS_DETECT
                                  ? "."
                                  : "; or scene_change=\"auto\", which starts anew at each cut.");
    vsapi_->logMessage(mtInformation, text.c_str(), core_);
}

animesr_frame Recurrence::view_frame(int n, const Request &request) const {
    const VSFrame *frame = request.frames.at(n).get();
    animesr_frame view{n, {}, {}, colours_.colours_of(frame)};
    for (int plane = 0; plane < vsapi_->getVideoFrameFormat(frame)->numPlanes; ++plane) {
        view.planes[plane] = vsapi_->getReadPtr(frame, plane);
        view.strides[plane] = vsapi_->getStride(frame, plane);
    }
    return view;
}

FrameView Recurrence::view_source(int n, const Request &request) const {
    const VSFrame *frame = request.source.at(n).get();
    const VSVideoFormat &format = *vsapi_->getVideoFrameFormat(frame);
    FrameView view{.planes = {},
                   .count = format.numPlanes,
                   .has_chroma = format.colorFamily == cfYUV,
                   .is_float = format.sampleType == stFloat,
                   .bytes_per_sample = format.bytesPerSample,
                   .bits = format.bitsPerSample};
    for (int plane = 0; plane < format.numPlanes; ++plane)
        view.planes[plane] = {vsapi_->getReadPtr(frame, plane), vsapi_->getStride(frame, plane),
                              vsapi_->getFrameWidth(frame, plane), vsapi_->getFrameHeight(frame, plane)};
    return view;
}

bool Recurrence::is_scene_start(const VSFrame *frame) const {
    int missing = 0;
    return vsapi_->mapGetInt(vsapi_->getFramePropertiesRO(frame), settings().anchor_property, 0, &missing) == 1 &&
           !missing;
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
            request = recurrence->open_request(n);
            recurrence->start_request(*request, context);
        } else if (reason == arAllFramesReady)
            frame = recurrence->continue_request(*request, context);
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

} // namespace

Node create_recurrence(Node input, Node source, std::unique_ptr<BridgeSession> session, const Colours &colours,
                       const Target &target, VSCore *core, const VSAPI *vsapi) {
    auto recurrence = std::make_unique<Recurrence>(std::move(input), std::move(source), std::move(session), colours,
                                                   target, core, vsapi);
    const VSVideoInfo video = recurrence->video();
    std::vector<VSFilterDependency> dependencies{{recurrence->input(), rpGeneral}};
    if (recurrence->uses_source())
        dependencies.push_back({recurrence->source(), rpGeneral});
    return create_filter("Upscale", std::move(recurrence), video, get_frame, dependencies, core, vsapi);
}

} // namespace animesr
