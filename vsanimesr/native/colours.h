// Colour conversion from the clip to the network's RGB and back, with VapourSynth's own resize.
#pragma once

#include "source.h"
#include "target.h"

namespace animesr {

class Colours {
public:
    // `first`: the properties of the clip's first frame.
    Colours(const VSVideoInfo &clip, const Properties &first, VSCore *core, const VSAPI *vsapi);

    // Return the clip as RGBS. Each frame is converted by its own properties. A YUV frame without a matrix counts as
    // BT.709 from 720 lines up, else as BT.601. One message in the log tells what the first frame leaves open.
    Node to_rgb(Node clip) const;

    // Return `rgb` in the format and size of `target`, with the clip's matrix, range and chroma location. Integers are
    // dithered. Each frame keeps the shape of its picture: `resize` adapts the sample aspect ratio.
    Node from_rgb(Node rgb, const Target &target) const;

private:
    bool is_full_range(const VSVideoFormat &format) const;
    void log_assumptions() const;

    VSCore *core_;
    const VSAPI *vsapi_;
    VSVideoFormat format_;
    int lines_;
    Properties first_; // the matrix is `unset` unless it is one of YUV
};

} // namespace animesr
