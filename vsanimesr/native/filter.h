// Creating a node for a filter object.
#pragma once

#include "handles.h"

#include <memory>
#include <stdexcept>
#include <vector>

namespace animesr {

template <class Filter> void VS_CC free_filter(void *instance, VSCore *, const VSAPI *) noexcept {
    std::unique_ptr<Filter>(static_cast<Filter *>(instance)).reset();
}

// Create a node that owns `filter` and gets its frames from `get_frame`, on several threads at once. Throws
// std::runtime_error.
template <class Filter>
Node create_filter(const char *name, std::unique_ptr<Filter> filter, const VSVideoInfo &video,
                   VSFilterGetFrame get_frame, const std::vector<VSFilterDependency> &dependencies, VSCore *core,
                   const VSAPI *vsapi) {
    VSNode *node =
        vsapi->createVideoFilter2(name, &video, get_frame, free_filter<Filter>, fmParallel, dependencies.data(),
                                  static_cast<int>(dependencies.size()), filter.get(), core);
    if (!node)
        throw std::runtime_error("VapourSynth could not create the filter");
    filter.release(); // the node owns it now
    return Node(node, Release{vsapi});
}

} // namespace animesr
