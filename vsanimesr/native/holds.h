// Compares two source frames: does the second show what the first shows, but for the noise of its encoding?
#pragma once

#include <cstddef>

namespace animesr {

// A plane in memory. Rows are `stride` bytes apart; samples are aligned.
struct PlaneView {
    const void *data;
    std::ptrdiff_t stride;
    int width, height; // at least 1
};

// A frame in the clip's own format: integers of 8 to 16 bits, half or single precision.
struct FrameView {
    PlaneView planes[3];
    int count;       // of planes: 1 or 3
    bool has_chroma; // YUV: planes 1 and 2 are chroma
    bool is_float;
    int bytes_per_sample;
    int bits; // of an integer
};

// How two frames differ, in code values of 8 bits: one of 10 bits counts 1/4, 1.0 of a float counts 255.
//
// A block has 8x8 samples; blocks overlap by half. A region has 64x64 samples, or the whole plane where that is
// smaller. Each number is the largest of the planes that it covers, and NaN if one of their samples is NaN or infinite.
struct Difference {
    float peak;     // the largest root mean square of a block: mouths, lines, pans
    float unmasked; // the largest of those, each less what the contrast of its block masks
    float chroma;   // the largest absolute mean of a block of a chroma plane: a blush; 0 without chroma
    float drift;    // the largest absolute mean of a region: fades, changes of light
    float typical;  // the median of the root mean squares of blocks of the first plane that do not overlap: the noise
};

Difference measure_difference(const FrameView &kept, const FrameView &frame);

// The largest distance, in samples, that a region of the first plane has moved. It is meant for less than one sample.
float measure_shift(const FrameView &kept, const FrameView &frame);

// Return whether `frame` shows what `kept` shows (docs/design.md, 2). Both have the same format and size. A frame with
// a sample that is NaN or infinite is never held.
bool is_held(const FrameView &kept, const FrameView &frame);

} // namespace animesr
