// Colour conversion from the clip to the network's RGB and back, with VapourSynth's own resize.
#pragma once

#include "handles.h"

namespace animesr {

class Colours {
public:
    // Reads the properties of the clip's first frame. Throws std::runtime_error.
    Colours(VSNode *clip, VSCore *core, const VSAPI *vsapi);

    // Return the clip as RGBS. Each frame is converted by its own properties. A YUV frame without a matrix counts as
    // BT.709 from 720 lines up, else as BT.601; one message in the log tells which.
    Node to_rgb() const;

    // Return `rgb` in `format`, with the clip's matrix, range and chroma location. Integers are dithered.
    Node from_rgb(Node rgb, const VSVideoFormat &format) const;

private:
    int read_property(const VSMap *properties, const char *name) const;
    bool is_full_range(const VSVideoFormat &format) const;
    void log_default_matrix() const;

    VSNode *clip_;
    VSCore *core_;
    const VSAPI *vsapi_;
    VSVideoFormat format_;
    int lines_;
    int matrix_, range_, chroma_location_; // `unset` if the first frame does not have the property
};

} // namespace animesr
