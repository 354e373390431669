#include "scenes.h"

#include "cuts.h"
#include "filter.h"
#include "half.h"

#include <VSHelper4.h>

#include <algorithm>
#include <cstring>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>

namespace animesr {

namespace {

constexpr const char *scene_property = "_SceneChangePrev";
constexpr const char *brightness_property = "AnimeSRBrightness";
constexpr float white = 255;

// Three filters in a row: thumbnails of the frames; the changes between thumbnails; the decision. VapourSynth keeps the
// frames of the first two, so that each is computed once although ten decisions need it.
class Filter {
public:
    Filter(VSVideoInfo video, VSCore *core, const VSAPI *vsapi) : video_(video), core_(core), vsapi_(vsapi) {}
    virtual ~Filter() = default;
    Filter(const Filter &) = delete;
    Filter &operator=(const Filter &) = delete;

    const VSVideoInfo &video() const { return video_; }
    virtual std::vector<VSFilterDependency> dependencies() const = 0;

    // Request what frame n needs first.
    virtual void request(int n, VSFrameContext *context) const = 0;

    // Return frame n, or null after requesting more. `asked` is false in the first call for a frame.
    virtual const VSFrame *make(int n, bool asked, VSFrameContext *context) const = 0;

protected:
    Frame receive(int n, const Node &node, VSFrameContext *context) const {
        return Frame(vsapi_->getFrameFilter(n, node.get(), context), Release{vsapi_});
    }

    VSFrame *create() const {
        return vsapi_->newVideoFrame(&video_.format, video_.width, video_.height, nullptr, core_);
    }

    VSVideoInfo video_;
    VSCore *core_;
    const VSAPI *vsapi_;
};

VSVideoInfo describe(VSVideoInfo video, VSSampleType type, int bits, int width, int height, VSCore *core,
                     const VSAPI *vsapi) {
    vsapi->queryVideoFormat(&video.format, cfGray, type, bits, 0, 0, core);
    video.width = width;
    video.height = height;
    return video;
}

// Samples of each type, as luma of 0 to 255. NaN is black.
float clamp_sample(float value) { return value > 0 ? std::min(value, 1.0F) * white : 0; }

float clamp_half(Half value) { return clamp_sample(widen(value)); }

// Return a plane scaled down to luma of 0 to 255: each pixel is the mean of those that it covers. A plane that is
// smaller than the result is enlarged. `read` turns a sample into a summand.
template <class Sample, class Sum, class Read>
std::vector<float> shrink(const uint8_t *plane, ptrdiff_t stride, int width, int height, const VSVideoInfo &thumbnail,
                          float scale, Read read) {
    std::vector<float> luma;
    luma.reserve(static_cast<size_t>(thumbnail.width) * thumbnail.height);
    std::vector<Sum> columns(width);
    for (int y = 0; y < thumbnail.height; ++y) {
        const int top = static_cast<int>(int64_t{y} * height / thumbnail.height);
        const int bottom = std::max(top + 1, static_cast<int>((y + int64_t{1}) * height / thumbnail.height));
        std::fill(columns.begin(), columns.end(), Sum{0});
        for (int row = top; row < bottom; ++row) {
            const auto *samples = reinterpret_cast<const Sample *>(plane + row * stride);
            for (int x = 0; x < width; ++x)
                columns[x] += read(samples[x]);
        }
        for (int x = 0; x < thumbnail.width; ++x) {
            const int left = static_cast<int>(int64_t{x} * width / thumbnail.width);
            const int right = std::max(left + 1, static_cast<int>((x + int64_t{1}) * width / thumbnail.width));
            double sum = 0;
            for (int column = left; column < right; ++column)
                sum += columns[column];
            luma.push_back(static_cast<float>(sum * scale / (int64_t{bottom - top} * (right - left))));
        }
    }
    return luma;
}

// Frame n is the detail of the clip's frame n, with its brightness as a property.
class Thumbnails : public Filter {
public:
    Thumbnails(Node clip, VSCore *core, const VSAPI *vsapi)
        : Filter(*vsapi->getVideoInfo(clip.get()), core, vsapi), clip_(std::move(clip)), source_(video_) {
        const auto [width, height] = thumbnail_size(source_.width, source_.height);
        video_ = describe(source_, stInteger, 8, width, height, core, vsapi);
    }

    std::vector<VSFilterDependency> dependencies() const override { return {{clip_.get(), rpStrictSpatial}}; }
    void request(int n, VSFrameContext *context) const override { vsapi_->requestFrameFilter(n, clip_.get(), context); }

    const VSFrame *make(int n, bool, VSFrameContext *context) const override {
        const Frame source = receive(n, clip_, context);
        const Thumbnail thumbnail = make_thumbnail(read_luma(source.get()), video_.width, video_.height);
        VSFrame *frame = create();
        vsh::bitblt(vsapi_->getWritePtr(frame, 0), vsapi_->getStride(frame, 0), thumbnail.detail.data(), video_.width,
                    video_.width, video_.height);
        vsapi_->mapSetFloat(vsapi_->getFramePropertiesRW(frame), brightness_property, thumbnail.brightness, maReplace);
        return frame;
    }

private:
    // The luma of YUV and GRAY, the G of RGB.
    std::vector<float> read_luma(const VSFrame *frame) const {
        const int plane = source_.format.colorFamily == cfRGB ? 1 : 0;
        const uint8_t *samples = vsapi_->getReadPtr(frame, plane);
        const ptrdiff_t stride = vsapi_->getStride(frame, plane);
        const int width = source_.width, height = source_.height;
        const float scale = white / static_cast<float>((1 << std::min(source_.format.bitsPerSample, 16)) - 1);
        const auto same = [](auto sample) { return sample; };
        if (source_.format.sampleType == stFloat)
            return source_.format.bytesPerSample == 2
                       ? shrink<Half, float>(samples, stride, width, height, video_, 1, clamp_half)
                       : shrink<float, float>(samples, stride, width, height, video_, 1, clamp_sample);
        return source_.format.bytesPerSample == 1
                   ? shrink<uint8_t, uint32_t>(samples, stride, width, height, video_, scale, same)
                   : shrink<uint16_t, uint32_t>(samples, stride, width, height, video_, scale, same);
    }

    Node clip_;
    VSVideoInfo source_;
};

// Frame n has two pixels: what changes from frame n - 1 to frame n. Those of frame 0 are 0.
class Changes : public Filter {
public:
    Changes(Node thumbnails, VSCore *core, const VSAPI *vsapi)
        : Filter(describe(*vsapi->getVideoInfo(thumbnails.get()), stFloat, 32, 2, 1, core, vsapi), core, vsapi),
          thumbnails_(std::move(thumbnails)) {}

    std::vector<VSFilterDependency> dependencies() const override { return {{thumbnails_.get(), rpGeneral}}; }

    void request(int n, VSFrameContext *context) const override {
        for (int k = std::max(0, n - 1); k <= n; ++k)
            vsapi_->requestFrameFilter(k, thumbnails_.get(), context);
    }

    const VSFrame *make(int n, bool, VSFrameContext *context) const override {
        const Change change = n ? compare(read(n - 1, context), read(n, context)) : Change{};
        VSFrame *frame = create();
        auto *pixels = reinterpret_cast<float *>(vsapi_->getWritePtr(frame, 0));
        pixels[0] = change.structure;
        pixels[1] = change.brightness;
        return frame;
    }

private:
    Thumbnail read(int n, VSFrameContext *context) const {
        const Frame frame = receive(n, thumbnails_, context);
        const int width = vsapi_->getFrameWidth(frame.get(), 0), height = vsapi_->getFrameHeight(frame.get(), 0);
        Thumbnail thumbnail{width, height, std::vector<uint8_t>(static_cast<size_t>(width) * height), 0};
        vsh::bitblt(thumbnail.detail.data(), width, vsapi_->getReadPtr(frame.get(), 0),
                    vsapi_->getStride(frame.get(), 0), width, height);
        thumbnail.brightness = static_cast<float>(
            vsapi_->mapGetFloat(vsapi_->getFramePropertiesRO(frame.get()), brightness_property, 0, nullptr));
        return thumbnail;
    }

    Node thumbnails_;
};

// Frame n is the clip's frame n with the property.
class Scenes : public Filter {
public:
    Scenes(Node clip, Node changes, VSCore *core, const VSAPI *vsapi)
        : Filter(*vsapi->getVideoInfo(clip.get()), core, vsapi), clip_(std::move(clip)), changes_(std::move(changes)) {}

    std::vector<VSFilterDependency> dependencies() const override {
        return {{clip_.get(), rpStrictSpatial}, {changes_.get(), rpGeneral}};
    }

    void request(int n, VSFrameContext *context) const override { vsapi_->requestFrameFilter(n, clip_.get(), context); }

    const VSFrame *make(int n, bool asked, VSFrameContext *context) const override {
        Frame frame = receive(n, clip_, context);
        if (!asked) {
            if (vsapi_->mapNumElements(vsapi_->getFramePropertiesRO(frame.get()), scene_property) >= 0)
                return frame.release();
            if (n > 0) {
                for (int k = first(n); k <= last(n); ++k)
                    vsapi_->requestFrameFilter(k, changes_.get(), context);
                return nullptr;
            }
        }
        VSFrame *marked = vsapi_->copyFrame(frame.get(), core_);
        const bool starts = n == 0 || decide(n, context);
        vsapi_->mapSetInt(vsapi_->getFramePropertiesRW(marked), scene_property, starts, maReplace);
        return marked;
    }

private:
    int first(int n) const { return std::max(1, n - neighbours); }
    int last(int n) const { return std::min(video_.numFrames - 1, n + neighbours); }

    bool decide(int n, VSFrameContext *context) const {
        std::array<Change, 2 * neighbours + 1> changes{};
        for (int k = first(n); k <= last(n); ++k) {
            const Frame frame = receive(k, changes_, context);
            const auto *pixels = reinterpret_cast<const float *>(vsapi_->getReadPtr(frame.get(), 0));
            changes[k - n + neighbours] = {pixels[0], pixels[1]};
        }
        return is_cut(changes);
    }

    Node clip_, changes_;
};

const VSFrame *VS_CC get_frame(int n, int reason, void *instance, void **frame_data, VSFrameContext *context, VSCore *,
                               const VSAPI *vsapi) noexcept {
    const auto *filter = static_cast<const Filter *>(instance);
    try {
        if (reason == arInitial)
            filter->request(n, context);
        else if (reason == arAllFramesReady) {
            const bool asked = std::exchange(*frame_data, instance) != nullptr; // any address means that it was asked
            const VSFrame *frame = filter->make(n, asked, context);
            if (frame)
                *frame_data = nullptr;
            return frame;
        } else
            *frame_data = nullptr;
    } catch (const std::exception &failure) {
        *frame_data = nullptr;
        vsapi->setFilterError(("Scenes: frame " + std::to_string(n) + ": " + failure.what()).c_str(), context);
    }
    return nullptr;
}

Node create_node(std::unique_ptr<Filter> filter, VSCore *core, const VSAPI *vsapi) {
    const VSVideoInfo video = filter->video();
    const auto dependencies = filter->dependencies();
    return create_filter("Scenes", std::move(filter), video, get_frame, dependencies, core, vsapi);
}

} // namespace

Node create_scenes(Node clip, VSCore *core, const VSAPI *vsapi) {
    Node same(vsapi->addNodeRef(clip.get()), Release{vsapi});
    Node thumbnails = create_node(std::make_unique<Thumbnails>(std::move(same), core, vsapi), core, vsapi);
    Node changes = create_node(std::make_unique<Changes>(std::move(thumbnails), core, vsapi), core, vsapi);
    return create_node(std::make_unique<Scenes>(std::move(clip), std::move(changes), core, vsapi), core, vsapi);
}

} // namespace animesr
