#include "cuts.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>

namespace animesr {

namespace {

constexpr int block = 8;               // side of a block of a thumbnail
constexpr int thumbnail_pixels = 2400; // about 60x40
constexpr int surroundings = 4;        // radius of the mean that is taken away
constexpr int middle = 128;            // detail of a flat surface
constexpr float gain = 2;              // levels of detail for a level of luma
constexpr int search_x = 6, search_y = 4;
constexpr float noise = 1; // levels of luma that are no detail

// docs/reports/scenes.md tells how these were chosen.
constexpr float least_structure = 0.52F, structure_rise = 0.45F;
constexpr float least_brightness = 12, brightness_ratio = 3;

// A thumbnail's detail in an order in which every block is a run of 64 bytes.
class Strips {
public:
    explicit Strips(const Thumbnail &thumbnail) : height_(thumbnail.height) {
        const int columns = thumbnail.width - block + 1;
        bytes_.resize(static_cast<size_t>(columns) * height_ * block);
        uint8_t *out = bytes_.data();
        for (int x = 0; x < columns; ++x)
            for (int y = 0; y < height_; ++y, out += block)
                std::copy_n(&thumbnail.detail[static_cast<size_t>(y) * thumbnail.width + x], block, out);
    }

    const uint8_t *at(int x, int y) const { return &bytes_[(static_cast<size_t>(x) * height_ + y) * block]; }

private:
    int height_;
    std::vector<uint8_t> bytes_;
};

int sum_of_differences(const uint8_t *one, const uint8_t *other) {
    int sum = 0;
    for (int i = 0; i < block * block; ++i)
        sum += std::abs(one[i] - other[i]);
    return sum;
}

// Return the smallest difference between the block `wanted`, at (x, y), and the blocks of `other` around that place.
int search(const uint8_t *wanted, const Strips &other, int x, int y, const Thumbnail &size) {
    int best = sum_of_differences(wanted, other.at(x, y));
    for (int column = std::max(0, x - search_x); column <= std::min(size.width - block, x + search_x); ++column)
        for (int row = std::max(0, y - search_y); row <= std::min(size.height - block, y + search_y); ++row)
            best = std::min(best, sum_of_differences(wanted, other.at(column, row)));
    return best;
}

// Return the share of the blocks of `one` that are not found in `other`. Blocks with little detail count less.
float share_of_new(const Strips &one, const Strips &other, const Thumbnail &size) {
    static const std::vector<uint8_t> flat(block * block, middle);
    constexpr float levels = gain * block * block;
    float missing = 0, total = 0;
    for (int y = 0; y < size.height; y += block)
        for (int x = 0; x < size.width; x += block) {
            // The last blocks end with the thumbnail, and may overlap those before.
            const int left = std::min(x, size.width - block), top = std::min(y, size.height - block);
            const uint8_t *wanted = one.at(left, top);
            const float detail = sum_of_differences(wanted, flat.data()) / levels;
            const float residue = search(wanted, other, left, top, size) / levels;
            const float weight = detail / (detail + noise);
            missing += weight * std::min(1.0F, residue / (detail + noise));
            total += weight;
        }
    return total > 0 ? missing / total : 0;
}

// Return the second largest of the values around the middle one: the largest may belong to the other end of a flash.
template <class Value> float second_largest(const std::array<Change, 2 * neighbours + 1> &changes, Value value) {
    float first = 0, second = 0;
    for (int i = 0; i < 2 * neighbours + 1; ++i)
        if (i != neighbours) {
            const float each = value(changes[i]);
            second = std::max(second, std::min(first, each));
            first = std::max(first, each);
        }
    return second;
}

} // namespace

std::array<int, 2> thumbnail_size(int width, int height) {
    const double shrink = std::max(1.0, std::round(std::sqrt(static_cast<double>(width) * height / thumbnail_pixels)));
    return {std::max(block, static_cast<int>(width / shrink)), std::max(block, static_cast<int>(height / shrink))};
}

Thumbnail make_thumbnail(const std::vector<float> &luma, int width, int height) {
    // sums[y][x]: sum of all pixels above and to the left
    const size_t stride = width + 1;
    std::vector<double> sums(stride * (height + 1), 0);
    for (int y = 0; y < height; ++y)
        for (int x = 0; x < width; ++x)
            sums[(y + 1) * stride + x + 1] = luma[static_cast<size_t>(y) * width + x] + sums[y * stride + x + 1] +
                                             sums[(y + 1) * stride + x] - sums[y * stride + x];
    Thumbnail thumbnail{width, height, {}, static_cast<float>(sums.back() / (static_cast<double>(width) * height))};
    thumbnail.detail.reserve(luma.size());
    for (int y = 0; y < height; ++y)
        for (int x = 0; x < width; ++x) {
            const int left = std::max(0, x - surroundings), right = std::min(width, x + surroundings + 1);
            const int top = std::max(0, y - surroundings), bottom = std::min(height, y + surroundings + 1);
            const double sum = sums[bottom * stride + right] - sums[top * stride + right] -
                               sums[bottom * stride + left] + sums[top * stride + left];
            const double mean = sum / ((right - left) * (bottom - top));
            const double detail = middle + gain * (luma[static_cast<size_t>(y) * width + x] - mean);
            thumbnail.detail.push_back(static_cast<uint8_t>(std::lround(std::clamp(detail, 0.0, 255.0))));
        }
    return thumbnail;
}

Change compare(const Thumbnail &before, const Thumbnail &after) {
    const Strips one(before), other(after);
    const float structure = std::min(share_of_new(other, one, after), share_of_new(one, other, after));
    return {structure, after.brightness - before.brightness};
}

bool is_cut(const std::array<Change, 2 * neighbours + 1> &changes) {
    const Change &change = changes[neighbours];
    const float structure = second_largest(changes, [](const Change &each) { return each.structure; });
    if (change.structure >= least_structure + structure_rise * structure)
        return true;
    // A fade changes the brightness in one direction for many frames; a flash does it once, and then goes back.
    const float sign = change.brightness < 0 ? -1.0F : 1.0F;
    const float brightness = second_largest(changes, [=](const Change &each) { return sign * each.brightness; });
    const float jump = sign * change.brightness;
    return jump >= least_brightness && jump >= brightness_ratio * brightness;
}

} // namespace animesr
