// Finds cuts between scenes. It knows thumbnails of frames only, and uses no VapourSynth.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

namespace animesr {

// The detail of a frame: luma of 8 bits, less the mean of its surroundings. So brightness, fades and slow gradients
// have no part in it.
struct Thumbnail {
    int width, height;           // each at least 8
    std::vector<uint8_t> detail; // 128 + twice the difference, clamped
    float brightness;            // mean luma, 0 to 255
};

// Return the width and height of the thumbnail of a frame.
std::array<int, 2> thumbnail_size(int width, int height);

// Return the thumbnail of a small picture: luma of 0 to 255.
Thumbnail make_thumbnail(const std::vector<float> &luma, int width, int height);

// What is new in a frame, compared with the frame before it.
struct Change {
    float structure = 0;  // 0: all blocks of each frame are found in the other one, 1: none
    float brightness = 0; // difference of the mean luma, -255 to 255
};

Change compare(const Thumbnail &before, const Thumbnail &after);

// Number of changes on each side that a change is compared with.
constexpr int neighbours = 4;

// Return whether the change in the middle starts a scene: it is large, and it is a peak among the changes around it.
// Changes beyond the ends of the clip are 0.
bool is_cut(const std::array<Change, 2 * neighbours + 1> &changes);

} // namespace animesr
