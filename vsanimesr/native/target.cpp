#include "target.h"

#include "recurrence.h"

#include <VSHelper4.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <stdexcept>

namespace animesr {

namespace {

constexpr int max_side = 16384; // larger ones are typing errors, or need more memory than there is

// One side of the result: the number of pixels that the user gave, or 0, and what it must be a multiple of.
struct Side {
    const char *argument;
    int given;
    int step;

    // Return the possible length nearest to `length`. Throws if it is too large.
    int fit(double length, const Side &other) const {
        const double fitted = std::max(1.0, std::round(length / step)) * step;
        if (fitted > max_side)
            throw std::runtime_error(std::string(other.argument) + "=" + std::to_string(other.given) + " needs " +
                                     argument + "=" + std::to_string(std::llround(fitted)) +
                                     " to keep the shape of the picture; use at most " + std::to_string(max_side) +
                                     " for both");
        return static_cast<int>(fitted);
    }
};

// Return the format that the user asks for, or the clip's.
VSVideoFormat read_format(const VSMap *in, const VSVideoInfo &video, VSCore *core, const VSAPI *vsapi) {
    int missing = 0;
    const int64_t id = vsapi->mapGetInt(in, "format", 0, &missing);
    if (missing)
        return video.format;
    VSVideoFormat format;
    const bool is_known = id == static_cast<uint32_t>(id) &&
                          vsapi->getVideoFormatByID(&format, static_cast<uint32_t>(id), core) &&
                          format.colorFamily != cfUndefined;
    if (!is_known || has_too_many_bits(format))
        throw std::runtime_error("format=" + std::to_string(id) +
                                 " is no video format of 8 to 16 bits or float; use, for example, vs.YUV420P10");
    return format;
}

Side read_side(const VSMap *in, const char *argument, int subsampling, const VSAPI *vsapi) {
    Side side{argument, 0, 1 << subsampling};
    int missing = 0;
    const int64_t given = vsapi->mapGetInt(in, argument, 0, &missing);
    if (missing)
        return side;
    const std::string text = std::string(argument) + "=" + std::to_string(given);
    if (given < 1 || given > max_side)
        throw std::runtime_error(text + " is no size of a picture; use 1 to " + std::to_string(max_side));
    const int64_t below = given - given % side.step;
    if (given != below)
        throw std::runtime_error(text + " does not fit the chroma subsampling of the format; use " +
                                 (below ? std::to_string(below) + " or " : "") + std::to_string(below + side.step) +
                                 ", or a format with less subsampling");
    side.given = static_cast<int>(given);
    return side;
}

// Set the size that the user asks for. The picture is shaped as num : den.
void set_size(Target &target, const Side &width, const Side &height, double num, double den) {
    const auto width_for = [&](const Side &side) { return width.fit(side.given * num / den, side); };
    const auto height_for = [&](const Side &side) { return height.fit(side.given * den / num, side); };
    target.width = width.given ? width.given : width_for(height);
    target.height = height.given ? height.given : height_for(width);
    const bool keeps_shape =
        !width.given || !height.given || target.width == width_for(height) || target.height == height_for(width);
    if (target.square && !keeps_shape)
        throw std::runtime_error("width=" + std::to_string(width.given) +
                                 " and height=" + std::to_string(height.given) +
                                 " contradict square=1: with square pixels, the shape "
                                 "of this clip needs width=" +
                                 std::to_string(width_for(height)) + " for this height; leave one of the two out");
}

} // namespace

Target Target::of_sr(const VSVideoInfo &video, VSCore *core, const VSAPI *vsapi) {
    VSVideoFormat rgbs;
    vsapi->getVideoFormatByID(&rgbs, pfRGBS, core);
    return {rgbs, scale * video.width, scale * video.height, "bicubic", false};
}

VSVideoInfo Target::video_info(VSVideoInfo video) const {
    video.format = format;
    video.width = width;
    video.height = height;
    return video;
}

// With square pixels, the frames that are shaped like the first one get the sample aspect ratio that `resize` turns
// into 1:1. Its own result would be off by the rounding of the size, for example 1280:1281.
SourceEdits Target::source_edits(const VSVideoInfo &video, const Properties &first) const {
    if (!square)
        return {first, 0, 0};
    const int64_t num = int64_t{width} * video.height, den = int64_t{height} * video.width;
    const int64_t divisor = std::gcd(num, den);
    return {first, num / divisor, den / divisor};
}

Target read_target(const VSMap *in, const VSVideoInfo &video, const Properties &first, VSCore *core,
                   const VSAPI *vsapi) {
    int missing = 0;
    const char *kernel = vsapi->mapGetData(in, "kernel", 0, &missing);
    Target target{read_format(in, video, core, vsapi), scale * video.width, scale * video.height,
                  missing ? "bicubic" : kernel, vsapi->mapGetInt(in, "square", 0, &missing) == 1};
    const Side width = read_side(in, "width", target.format.subSamplingW, vsapi);
    Side height = read_side(in, "height", target.format.subSamplingH, vsapi);
    if (target.square && !first.has_sar())
        throw std::runtime_error("square=1 needs the shape of the clip's pixels, but frame 0 has no _SARNum and "
                                 "_SARDen; set them, for example core.std.SetFrameProps(clip, _SARNum=32, "
                                 "_SARDen=27) for a 16:9 NTSC DVD, or leave square out");
    if (target.square && !width.given && !height.given)
        height.given = target.height;
    const double sar_num = target.square ? static_cast<double>(first.sar_num) : 1;
    const double sar_den = target.square ? static_cast<double>(first.sar_den) : 1;
    if (width.given || height.given)
        set_size(target, width, height, video.width * sar_num, video.height * sar_den);
    if (target.width % width.step || target.height % height.step)
        throw std::runtime_error("format=" + std::to_string(vsapi->mapGetInt(in, "format", 0, &missing)) +
                                 " does not fit a picture of " + std::to_string(target.width) + "x" +
                                 std::to_string(target.height) + "; use one with less chroma subsampling");
    return target;
}

} // namespace animesr
