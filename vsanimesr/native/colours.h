// Colour conversion from the clip to the network's RGB and back, with VapourSynth's own resize; or what a backend has
// to know to do it.
#pragma once

#include "bridge.h"
#include "source.h"
#include "target.h"

namespace animesr {

bool is_rgbs(const VSVideoFormat &format);

class Colours {
public:
    // `first`: the properties of the clip's first frame.
    Colours(const VSVideoInfo &clip, const Properties &first, VSCore *core, const VSAPI *vsapi);

    // Return the clip as RGBS. Each frame is converted by its own properties. A YUV frame without a matrix counts as
    // BT.709 from 720 lines up, else as BT.601.
    Node to_rgb(Node clip) const;

    // Tell in the log, in one message, what the first frame leaves open.
    void log_assumptions() const;

    // Return `rgb` in the format and size of `target`, with the clip's matrix, range and chroma location. Integers are
    // dithered. Each frame keeps the shape of its picture: `resize` adapts the sample aspect ratio.
    Node from_rgb(Node rgb, const Target &target) const;

    // Return the colours with which `to_rgb` reads a frame of the clip, and those of the frames of `from_rgb`.
    animesr_colours colours_of(const VSFrame *frame) const;
    animesr_colours colours_of(const Target &target) const;

    // Change the properties of a source frame as `to_rgb` and `from_rgb` do.
    void convert_properties(VSMap *map, const Target &target) const;

private:
    bool is_full_range(const VSVideoFormat &format) const;
    int matrix_of(const Target &target) const;
    Node with_range_of(Node clip, const VSVideoFormat &format) const;

    VSCore *core_;
    const VSAPI *vsapi_;
    VSVideoFormat format_;
    int width_, lines_;
    Properties first_; // the matrix is `unset` unless it is one of YUV
};

} // namespace animesr
