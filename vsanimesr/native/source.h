// The source clip: what its first frame says, and its frames, checked and ready for the conversion to RGB.
#pragma once

#include "handles.h"

#include <cstdint>

namespace animesr {

constexpr int unset = -1;
// Values of the property _Range. VapourSynth's header has those of the older _ColorRange.
constexpr int limited_range = 0, full_range = 1;

// Properties of a frame that say how to read it.
struct Properties {
    int matrix, range, chroma_location; // `unset` if the frame does not have the property
    int64_t sar_num, sar_den;           // sample aspect ratio, 0 and 0 if unknown
    bool is_field;                      // of SeparateFields

    bool has_sar() const { return sar_num != 0; }
    bool has_sar_of(const Properties &other) const { return sar_num == other.sar_num && sar_den == other.sar_den; }
};

Properties read_properties(const VSFrame *frame, const VSAPI *vsapi);

bool has_too_many_bits(const VSVideoFormat &format);

// Throws std::runtime_error if the filter cannot take a clip of this size and format.
void check_clip(const VSVideoInfo &video);

// Return the properties of the clip's first frame. Throws std::runtime_error if the frame cannot be read or converted.
Properties read_first_frame(VSNode *clip, const VSAPI *vsapi);

// What happens to a frame before it is converted to RGB.
struct SourceEdits {
    // With a sample aspect ratio (not 0 and 0): a frame with the sample aspect ratio of `first` gets this one.
    Properties first;
    int64_t sar_num, sar_den;
    bool refuses_fields = false; // nobody who knows where the chroma of a field lies converts the frames
};

// Create a node with the frames of `clip`, without what cannot be enlarged (the property _Alpha; the log says so once).
// A frame that cannot be converted, or is interlaced, is an error of that frame. Throws std::runtime_error.
Node create_source(Node clip, const SourceEdits &edits, VSCore *core, const VSAPI *vsapi);

} // namespace animesr
