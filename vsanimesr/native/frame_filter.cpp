#include "frame_filter.h"

#include <memory>
#include <stdexcept>
#include <string>
#include <utility>

namespace animesr {

namespace {

struct FrameFilter {
    Node clip;
    EditFrame edit;
};

const VSFrame *VS_CC get_frame(int n, int reason, void *instance, void **, VSFrameContext *context, VSCore *,
                               const VSAPI *vsapi) noexcept {
    const auto *filter = static_cast<const FrameFilter *>(instance);
    if (reason == arInitial)
        vsapi->requestFrameFilter(n, filter->clip.get(), context);
    if (reason != arAllFramesReady)
        return nullptr;
    try {
        Frame frame(vsapi->getFrameFilter(n, filter->clip.get(), context), Release{vsapi});
        return filter->edit(n, std::move(frame)).release();
    } catch (const std::exception &failure) {
        vsapi->setFilterError((std::string("Upscale: ") + failure.what()).c_str(), context);
        return nullptr;
    }
}

void VS_CC free_frame_filter(void *instance, VSCore *, const VSAPI *) noexcept {
    std::unique_ptr<FrameFilter>(static_cast<FrameFilter *>(instance)).reset();
}

} // namespace

Node create_frame_filter(Node clip, EditFrame edit, VSCore *core, const VSAPI *vsapi) {
    auto filter = std::make_unique<FrameFilter>(FrameFilter{std::move(clip), std::move(edit)});
    const VSFilterDependency dependency{filter->clip.get(), rpStrictSpatial};
    VSNode *node = vsapi->createVideoFilter2("UpscaleSource", vsapi->getVideoInfo(filter->clip.get()), get_frame,
                                             free_frame_filter, fmParallel, &dependency, 1, filter.get(), core);
    if (!node)
        throw std::runtime_error("VapourSynth could not create the filter");
    filter.release(); // the node owns it now
    return Node(node, Release{vsapi});
}

} // namespace animesr
