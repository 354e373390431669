#include "holds.h"

#include "half.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

namespace animesr {

namespace {

// The limits, measured: docs/reports/holds.md.
constexpr float peak_limit = 7.0F, chroma_limit = 2.0F;
constexpr float drift_limit = 0.35F, drift_of_noise = 0.04F; // the mean of a region follows the noise

constexpr int cell = 4;           // samples along a side; a block is 2x2 cells
constexpr int region = 64 / cell; // cells along a side

int widen(std::uint8_t sample) { return sample; }
float widen(std::uint16_t sample) { return sample; }
float widen(float sample) { return sample; }

// The differences of two planes, summed over cells, and their squares. Row by row, with an empty cell after each row
// and an empty row at the end: every cell has a neighbour to the right and below.
struct Cells {
    explicit Cells(const PlaneView &plane)
        : width(plane.width), height(plane.height), across((width + cell - 1) / cell), down((height + cell - 1) / cell),
          changes((across + 1) * (down + 1)), squares(changes.size()) {}

    int at(int i, int j) const { return j * (across + 1) + i; }

    int width, height; // in samples
    int across, down;  // in cells
    std::vector<float> changes, squares;
};

// Add the differences of two rows to the sums of their columns.
template <class Sample, class Sum>
void add_row(const Sample *kept, const Sample *frame, int width, Sum *__restrict changes, Sum *__restrict squares) {
    for (int x = 0; x < width; ++x) {
        const Sum change = widen(frame[x]) - widen(kept[x]);
        changes[x] += change;
        squares[x] += change * change;
    }
}

template <class Sum> float sum_cell(const Sum *columns) {
    return static_cast<float>((columns[0] + columns[1]) + (columns[2] + columns[3]));
}

template <class Sample> const Sample *get_row(const PlaneView &plane, int y) {
    return reinterpret_cast<const Sample *>(static_cast<const char *>(plane.data) + y * plane.stride);
}

template <class Sample> Cells sum_cells(const PlaneView &kept, const PlaneView &frame) {
    using Sum = decltype(widen(Sample{}));
    Cells cells(kept);
    std::vector<Sum> changes(cells.across * cell), squares(changes.size()); // of columns; 0 beyond the width
    for (int j = 0; j < cells.down; ++j) {
        std::fill(changes.begin(), changes.end(), Sum{});
        std::fill(squares.begin(), squares.end(), Sum{});
        for (int y = j * cell; y < std::min((j + 1) * cell, cells.height); ++y)
            add_row(get_row<Sample>(kept, y), get_row<Sample>(frame, y), cells.width, changes.data(), squares.data());
        for (int i = 0; i < cells.across; ++i) {
            cells.changes[cells.at(i, j)] = sum_cell(&changes[i * cell]);
            cells.squares[cells.at(i, j)] = sum_cell(&squares[i * cell]);
        }
    }
    return cells;
}

Cells sum_cells(const FrameView &kept, const FrameView &frame, int plane) {
    const PlaneView &a = kept.planes[plane], &b = frame.planes[plane];
    if (kept.is_float)
        return kept.bytes_per_sample == 2 ? sum_cells<Half>(a, b) : sum_cells<float>(a, b);
    return kept.bytes_per_sample == 1 ? sum_cells<std::uint8_t>(a, b) : sum_cells<std::uint16_t>(a, b);
}

// Replace `largest` by `value` if that is larger, or NaN, which stays.
void raise(float &largest, float value) {
    if (value > largest || std::isnan(value))
        largest = value;
}

// Call `visit` with the mean over each block of `sums` of cells, or over those at every second cell only.
template <class Visit> void visit_blocks(const Cells &cells, const std::vector<float> &sums, int step, Visit visit) {
    for (int j = 0; j < std::max(cells.down - 1, 1); j += step) {
        const float *upper = &sums[cells.at(0, j)], *lower = &sums[cells.at(0, j + 1)];
        const int rows = std::min(2 * cell, cells.height - j * cell);
        for (int i = 0; i < std::max(cells.across - 1, 1); i += step) {
            const int samples = rows * std::min(2 * cell, cells.width - i * cell);
            visit((upper[i] + upper[i + 1] + lower[i] + lower[i + 1]) / static_cast<float>(samples));
        }
    }
}

float find_peak(const Cells &cells) {
    float peak = 0;
    visit_blocks(cells, cells.squares, 1, [&](float square) { raise(peak, square); });
    return std::sqrt(peak);
}

float find_chroma(const Cells &cells) {
    float chroma = 0;
    visit_blocks(cells, cells.changes, 1, [&](float change) { raise(chroma, std::abs(change)); });
    return chroma;
}

float find_typical(const Cells &cells) {
    std::vector<float> blocks;
    visit_blocks(cells, cells.squares, 2, [&](float square) { blocks.push_back(square); });
    const auto middle = blocks.begin() + static_cast<std::ptrdiff_t>(blocks.size() / 2);
    std::nth_element(blocks.begin(), middle, blocks.end());
    return std::sqrt(*middle);
}

// The last regions of a row and of a column end at the edge, and overlap the ones before.
float find_drift(const Cells &cells) {
    const int across = std::min(region, cells.across), down = std::min(region, cells.down);
    float drift = 0;
    for (int top = 0; top < cells.down; top += region)
        for (int left = 0; left < cells.across; left += region) {
            const int i0 = std::min(left, cells.across - across), j0 = std::min(top, cells.down - down);
            float change = 0;
            for (int j = j0; j < j0 + down; ++j)
                for (int i = i0; i < i0 + across; ++i)
                    change += cells.changes[cells.at(i, j)];
            const int samples = (std::min((i0 + across) * cell, cells.width) - i0 * cell) *
                                (std::min((j0 + down) * cell, cells.height) - j0 * cell);
            raise(drift, std::abs(change) / static_cast<float>(samples));
        }
    return drift;
}

} // namespace

Difference measure_difference(const FrameView &kept, const FrameView &frame) {
    const float unit = kept.is_float ? 255.0F : 1 / static_cast<float>(1 << (kept.bits - 8));
    Difference difference{};
    for (int plane = 0; plane < kept.count; ++plane) {
        const Cells cells = sum_cells(kept, frame, plane);
        const float peak = unit * find_peak(cells);
        raise(difference.peak, peak);
        if (plane > 0 && kept.has_chroma)
            raise(difference.chroma, unit * find_chroma(cells));
        raise(difference.drift, unit * find_drift(cells));
        if (plane == 0) // NaN has no place in an order
            difference.typical = std::isnan(peak) ? peak : unit * find_typical(cells);
    }
    return difference;
}

bool is_held(const FrameView &kept, const FrameView &frame) {
    const Difference difference = measure_difference(kept, frame);
    return difference.peak <= peak_limit && difference.chroma <= chroma_limit &&
           difference.drift <= drift_limit + drift_of_noise * difference.typical;
}

} // namespace animesr
