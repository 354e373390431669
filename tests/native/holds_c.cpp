// A C interface of the comparison of two frames, so that Python can drive it.
#include "holds.h"

#include <algorithm>
#include <iterator>

extern "C" {

void holds_measure(const animesr::FrameView *kept, const animesr::FrameView *frame, float *numbers) {
    const animesr::Difference difference = animesr::measure_difference(*kept, *frame);
    const float values[] = {difference.peak,  difference.unmasked, difference.chroma,
                            difference.drift, difference.typical,  animesr::measure_shift(*kept, *frame)};
    std::copy(std::begin(values), std::end(values), numbers);
}

bool holds_is_held(const animesr::FrameView *kept, const animesr::FrameView *frame) {
    return animesr::is_held(*kept, *frame);
}
}
