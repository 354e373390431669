// From any clip to the network's RGB and back, with VapourSynth's own resize.
#pragma once

#include "handles.h"

namespace animesr {

class Colours {
public:
    // Reads the properties of the clip's first frame. Throws std::runtime_error.
    Colours(VSNode *clip, VSCore *core, const VSAPI *vsapi);

    // The clip as RGBS, every frame by its own properties. A YUV frame that names no matrix is taken as BT.709 from 720
    // lines up, else as BT.601; the log says so once.
    Node to_rgb() const;

    // `rgb` in `format`, with the clip's matrix, range and chroma location. Integers are dithered.
    Node from_rgb(Node rgb, const VSVideoFormat &format) const;

private:
    int read(const VSMap *properties, const char *name) const;
    bool full_range(const VSVideoFormat &format) const;

    VSNode *clip_;
    VSCore *core_;
    const VSAPI *vsapi_;
    VSVideoFormat format_;
    int lines_;
    int matrix_, range_, chroma_location_; // `unsaid` where the first frame does not say
};

} // namespace animesr
