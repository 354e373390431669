#include "output.h"

#include "colours.h"

#include <algorithm>
#include <cstring>
#include <utility>

namespace animesr {

namespace {

// Return whether the picture has neither NaN nor infinity. One NaN would spread over the picture until the scene ends.
bool is_finite(const animesr_picture &picture, const VSVideoInfo &video) {
    constexpr uint32_t infinity = 0x7f800000;
    uint32_t largest = 0; // the bits of positive floats have the order of their values; NaN is above infinity
    for (int plane = 0; plane < 3; ++plane)
        for (int y = 0; y < video.height; ++y) {
            const char *row = static_cast<const char *>(picture.planes[plane]) + y * picture.strides[plane];
            for (int x = 0; x < video.width; ++x) {
                uint32_t bits;
                std::memcpy(&bits, row + x * sizeof bits, sizeof bits);
                largest = std::max(largest, bits & 0x7fffffff);
            }
        }
    return largest < infinity;
}

} // namespace

const VSFrame *Output::wait() {
    const std::scoped_lock lock(mutex_);
    if (!std::exchange(finished_, true))
        try {
            const bool has_finite_sr = session_.wait(ticket_, picture_);
            if (!has_finite_sr || (is_rgbs(video_.format) && !is_finite(picture_, video_)))
                error_ =
                    "SR frame " + std::to_string(n_) +
                    " holds NaN or infinity; if the clip has none itself, use precision=\"fp32\", or other weights";
        } catch (const std::exception &failure) {
            step_failed_ = true;
            error_ = failure.what();
        }
    if (step_failed_)
        throw StepFailure(error_);
    if (!error_.empty())
        throw std::runtime_error(error_);
    return frame_.get();
}

void Output::settle() {
    if (ticket_ == 0)
        return;
    try {
        wait();
    } catch (const StepFailure &) {
        throw;
    } catch (const std::runtime_error &) {
        // The request for this frame gets the error. The step itself has been run.
    }
}

} // namespace animesr
