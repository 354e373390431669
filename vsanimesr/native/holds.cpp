#include "holds.h"

#include "half.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <numeric>
#include <vector>

namespace animesr {

namespace {

// The limits, measured: docs/reports/holds.md.
constexpr float peak_limit = 7.0F, chroma_limit = 2.0F;
constexpr float drift_limit = 0.35F, drift_of_noise = 0.04F; // the mean of a region follows the noise
constexpr float shift_limit = 0.15F;

// Encoders refine strong edges after a motion. A block masks this share of its contrast above a least one.
constexpr float masked_share = 0.15F, least_contrast = 15.0F;
constexpr float least_slope = 2.0F; // in code values per sample: regions of less are too flat to tell that they move

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

// Call a function with a sample of the type that a frame has.
template <class Function> auto call_with_sample(const FrameView &frame, Function function) {
    if (frame.is_float)
        return frame.bytes_per_sample == 2 ? function(Half{}) : function(0.0F);
    return frame.bytes_per_sample == 1 ? function(std::uint8_t{}) : function(std::uint16_t{});
}

// Return the code values of 8 bits that a unit of a sample counts.
float get_unit(const FrameView &frame) {
    return frame.is_float ? 255.0F : 1 / static_cast<float>(1 << (frame.bits - 8));
}

// Replace `largest` by `value` if that is larger, or NaN, which stays.
void raise(float &largest, float value) {
    if (value > largest || std::isnan(value))
        largest = value;
}

// Call `visit` with the mean over each block of `sums` of cells, or over those at every second cell only, and with its
// first cell.
template <class Visit> void visit_blocks(const Cells &cells, const std::vector<float> &sums, int step, Visit visit) {
    for (int j = 0; j < std::max(cells.down - 1, 1); j += step) {
        const float *upper = &sums[cells.at(0, j)], *lower = &sums[cells.at(0, j + 1)];
        const int rows = std::min(2 * cell, cells.height - j * cell);
        for (int i = 0; i < std::max(cells.across - 1, 1); i += step) {
            const int samples = rows * std::min(2 * cell, cells.width - i * cell);
            visit((upper[i] + upper[i + 1] + lower[i] + lower[i + 1]) / static_cast<float>(samples), i, j);
        }
    }
}

float find_peak(const Cells &cells) {
    float peak = 0;
    visit_blocks(cells, cells.squares, 1, [&](float square, int, int) { raise(peak, square); });
    return std::sqrt(peak);
}

// Return the standard deviation of the samples of a block.
template <class Sample> float measure_contrast(const PlaneView &plane, int i, int j) {
    const int right = std::min(i * cell + 2 * cell, plane.width), bottom = std::min(j * cell + 2 * cell, plane.height);
    double sum = 0, squares = 0, count = 0;
    for (int y = j * cell; y < bottom; ++y)
        for (int x = i * cell; x < right; ++x, ++count) {
            const double sample = widen(get_row<Sample>(plane, y)[x]);
            sum += sample;
            squares += sample * sample;
        }
    const double mean = sum / count;
    return static_cast<float>(std::sqrt(std::max(squares / count - mean * mean, 0.0)));
}

float find_unmasked(const Cells &cells, const FrameView &kept, const FrameView &frame, int plane) {
    float unmasked = 0;
    visit_blocks(cells, cells.squares, 1, [&](float square, int i, int j) {
        const float change = get_unit(kept) * std::sqrt(square);
        if (change <= unmasked) // it cannot be the largest
            return;
        const float contrast = call_with_sample(kept, [&](auto sample) {
            using Sample = decltype(sample);
            return std::min(measure_contrast<Sample>(kept.planes[plane], i, j),
                            measure_contrast<Sample>(frame.planes[plane], i, j));
        });
        raise(unmasked, change - masked_share * std::max(get_unit(kept) * contrast - least_contrast, 0.0F));
    });
    return unmasked;
}

float find_chroma(const Cells &cells) {
    float chroma = 0;
    visit_blocks(cells, cells.changes, 1, [&](float change, int, int) { raise(chroma, std::abs(change)); });
    return chroma;
}

float find_typical(const Cells &cells) {
    std::vector<float> blocks;
    visit_blocks(cells, cells.squares, 2, [&](float square, int, int) { blocks.push_back(square); });
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

// Sums over the samples of each column: products of the slope across, the slope down and the change.
struct Slopes {
    explicit Slopes(int width)
        : width(width), across(width), both(width), down(width), change_across(width), change_down(width) {}

    int width, rows = 0;
    std::vector<float> across, both, down, change_across, change_down;
};

// Add row y of two frames, but its ends. Slopes are means of both frames.
template <class Sample> void add_slopes(const PlaneView &kept, const PlaneView &frame, int y, Slopes &sums) {
    const Sample *a = get_row<Sample>(kept, y), *b = get_row<Sample>(frame, y);
    const Sample *above_a = get_row<Sample>(kept, y - 1), *above_b = get_row<Sample>(frame, y - 1);
    const Sample *below_a = get_row<Sample>(kept, y + 1), *below_b = get_row<Sample>(frame, y + 1);
    float *__restrict across = sums.across.data(), *__restrict both = sums.both.data();
    float *__restrict down = sums.down.data(), *__restrict change_across = sums.change_across.data();
    float *__restrict change_down = sums.change_down.data();
    for (int x = 1; x < sums.width - 1; ++x) {
        const auto dx = (widen(a[x + 1]) - widen(a[x - 1])) + (widen(b[x + 1]) - widen(b[x - 1]));
        const auto dy = (widen(below_a[x]) - widen(above_a[x])) + (widen(below_b[x]) - widen(above_b[x]));
        const float slope = 0.25F * static_cast<float>(dx), slope_down = 0.25F * static_cast<float>(dy);
        const float change = static_cast<float>(widen(b[x]) - widen(a[x]));
        across[x] += slope * slope;
        both[x] += slope * slope_down;
        down[x] += slope_down * slope_down;
        change_across[x] += slope * change;
        change_down[x] += slope_down * change;
    }
    ++sums.rows;
}

// Return the length of the shift that explains the changes in these columns best: least squares. What is flatter than
// `least_slope`, in units of a sample, hardly counts as moved.
float solve_shift(const Slopes &sums, int left, int right, float least_slope) {
    const auto add = [&](const std::vector<float> &column) {
        return std::accumulate(column.begin() + left, column.begin() + right, 0.0);
    };
    const double least = std::pow(least_slope, 2.0) * sums.rows * (right - left);
    const double across = add(sums.across) + least, both = add(sums.both), down = add(sums.down) + least;
    const double x = add(sums.change_across), y = add(sums.change_down);
    return static_cast<float>(std::hypot(down * x - both * y, across * y - both * x) / (across * down - both * both));
}

// Every second row is enough. Regions are those of find_drift, but for sides that are no multiples of a cell.
template <class Sample> float find_shift(const PlaneView &kept, const PlaneView &frame, float least_slope) {
    const int side = region * cell;
    float shift = 0;
    for (int top = 0; top < kept.height; top += side) {
        const int first = std::max(std::min(top, kept.height - side), 0);
        Slopes sums(kept.width);
        for (int y = first + 1; y < std::min(first + side, kept.height - 1); y += 2)
            add_slopes<Sample>(kept, frame, y, sums);
        for (int left = 0; left < kept.width && sums.rows > 0; left += side) {
            const int begin = std::max(std::min(left, kept.width - side), 0);
            raise(shift, solve_shift(sums, begin, std::min(begin + side, kept.width), least_slope));
        }
    }
    return shift;
}

} // namespace

Difference measure_difference(const FrameView &kept, const FrameView &frame) {
    const float unit = get_unit(kept);
    Difference difference{};
    for (int plane = 0; plane < kept.count; ++plane) {
        const Cells cells = call_with_sample(
            kept, [&](auto sample) { return sum_cells<decltype(sample)>(kept.planes[plane], frame.planes[plane]); });
        const float peak = unit * find_peak(cells);
        raise(difference.peak, peak);
        raise(difference.unmasked, find_unmasked(cells, kept, frame, plane));
        if (plane > 0 && kept.has_chroma)
            raise(difference.chroma, unit * find_chroma(cells));
        raise(difference.drift, unit * find_drift(cells));
        if (plane == 0) // NaN has no place in an order
            difference.typical = std::isnan(peak) ? peak : unit * find_typical(cells);
    }
    return difference;
}

float measure_shift(const FrameView &kept, const FrameView &frame) {
    return call_with_sample(kept, [&](auto sample) {
        return find_shift<decltype(sample)>(kept.planes[0], frame.planes[0], least_slope / get_unit(kept));
    });
}

bool is_held(const FrameView &kept, const FrameView &frame) {
    const Difference difference = measure_difference(kept, frame);
    if (!(difference.unmasked <= peak_limit && difference.chroma <= chroma_limit &&
          difference.drift <= drift_limit + drift_of_noise * difference.typical))
        return false;
    return difference.peak <= peak_limit || measure_shift(kept, frame) <= shift_limit;
}

} // namespace animesr
