// Smart pointers for VapourSynth's handles.
#pragma once

#include <VapourSynth4.h>

#include <memory>

namespace animesr {

struct Release {
    const VSAPI *vsapi;
    void operator()(VSNode *node) const { vsapi->freeNode(node); }
    void operator()(const VSFrame *frame) const { vsapi->freeFrame(frame); }
    void operator()(VSMap *map) const { vsapi->freeMap(map); }
};

using Node = std::unique_ptr<VSNode, Release>;
using Frame = std::unique_ptr<const VSFrame, Release>;
using Map = std::unique_ptr<VSMap, Release>;

} // namespace animesr
