#include "source.h"

#include "filter.h"

#include <VSConstants4.h>
#include <VSHelper4.h>

#include <atomic>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>

namespace animesr {

namespace {

constexpr int max_integer_bits = 16;
constexpr const char *alpha = "_Alpha";

bool is_matrix(int64_t value, VSColorFamily family) {
    const bool is_of_yuv = value == VSC_MATRIX_BT709 || (value >= VSC_MATRIX_FCC && value <= VSC_MATRIX_BT2020_NCL);
    const bool is_of_rgb = value == VSC_MATRIX_RGB;
    return value == VSC_MATRIX_UNSPECIFIED || (family != cfRGB && is_of_yuv) || (family != cfYUV && is_of_rgb);
}

// A property that `resize` reads, and the values that it takes. `resize` takes some more matrices together with certain
// transfer functions. They do not give R'G'B' by a matrix alone, so they are left out.
struct Rule {
    const char *property;
    bool (*accepts)(int64_t value, VSColorFamily family);
    const char *advice;
};

constexpr Rule rules[] = {
    {"_FieldBased", [](int64_t value, VSColorFamily) { return value == VSC_FIELD_PROGRESSIVE; },
     "which means that it is interlaced: deinterlace the clip or undo its telecine first; or, if it is progressive, "
     "say so with core.std.SetFieldBased(clip, 0)"},
    {"_Matrix", is_matrix,
     "which cannot be converted to RGB: set the right matrix, for example core.std.SetFrameProps(clip, _Matrix=1) for "
     "BT.709 (0 for RGB); or, if it is right, convert the clip to RGB first"},
    {"_Range", [](int64_t value, VSColorFamily) { return value == limited_range || value == full_range; },
     "which is no range: set 0 (limited) or 1 (full) with core.std.SetFrameProps(clip, _Range=0)"},
    {"_ChromaLocation", [](int64_t value, VSColorFamily) { return value >= unset && value <= VSC_CHROMA_BOTTOM; },
     "which is no chroma location: set the right one, for example core.std.SetFrameProps(clip, _ChromaLocation=0) for "
     "left"},
    {"_Transfer",
     [](int64_t value, VSColorFamily) {
         return value >= VSC_TRANSFER_BT709 && value <= VSC_TRANSFER_ARIB_B67 && value != 3;
     },
     "which is no transfer function: set the right one, for example core.std.SetFrameProps(clip, _Transfer=1) for "
     "BT.709"},
    {"_Primaries",
     [](int64_t value, VSColorFamily) {
         return (value >= VSC_PRIMARIES_BT709 && value <= VSC_PRIMARIES_ST432_1 && value != 3) ||
                value == VSC_PRIMARIES_EBU3213_E;
     },
     "which are no primaries: set the right ones, for example core.std.SetFrameProps(clip, _Primaries=1) for BT.709"},
    {"_Field", [](int64_t value, VSColorFamily) { return value == 0 || value == 1; },
     "which is no field: remove it with core.std.RemoveFrameProps(clip, \"_Field\")"},
};

// Throw std::runtime_error if `resize` would refuse frame n, or the frame is interlaced.
void check_frame(int n, const VSFrame *frame, const VSAPI *vsapi) {
    const VSMap *properties = vsapi->getFramePropertiesRO(frame);
    const auto family = static_cast<VSColorFamily>(vsapi->getVideoFrameFormat(frame)->colorFamily);
    for (const Rule &rule : rules) {
        int missing = 0;
        const int64_t value = vsapi->mapGetInt(properties, rule.property, 0, &missing);
        if (!missing && !rule.accepts(value, family))
            throw std::runtime_error("frame " + std::to_string(n) + " of the clip has " + rule.property + "=" +
                                     std::to_string(value) + ", " + rule.advice);
    }
}

// The frames of a clip, checked, without transparency, and with the sample aspect ratio that the result needs.
struct Source {
    Node clip;
    SourceEdits edits;
    std::atomic_flag told_of_alpha{};

    Source(Node clip, const SourceEdits &edits) : clip(std::move(clip)), edits(edits) {}

    // Return frame n, or an edited copy. Throws std::runtime_error to refuse the frame.
    Frame edit(int n, Frame frame, VSCore *core, const VSAPI *vsapi) {
        check_frame(n, frame.get(), vsapi);
        const Properties found = read_properties(frame.get(), vsapi);
        if (edits.refuses_fields && found.is_field)
            throw std::runtime_error("frame " + std::to_string(n) +
                                     " of the clip has _Field, and frame 0 has not: remove it with "
                                     "core.std.RemoveFrameProps(clip, \"_Field\"); or, if it is right, first convert "
                                     "the clip with core.resize.Bicubic(clip, format=vs.RGBS)");
        const bool has_alpha = vsapi->mapNumElements(vsapi->getFramePropertiesRO(frame.get()), alpha) >= 0;
        const bool has_new_sar = edits.sar_num && found.has_sar_of(edits.first);
        if (!has_alpha && !has_new_sar)
            return frame;
        VSFrame *copy = vsapi->copyFrame(frame.get(), core);
        VSMap *properties = vsapi->getFramePropertiesRW(copy);
        if (has_new_sar) {
            vsapi->mapSetInt(properties, "_SARNum", edits.sar_num, maReplace);
            vsapi->mapSetInt(properties, "_SARDen", edits.sar_den, maReplace);
        }
        vsapi->mapDeleteKey(properties, alpha);
        if (has_alpha && !told_of_alpha.test_and_set())
            vsapi->logMessage(mtInformation,
                              "Upscale: the property _Alpha (transparency) is left out of the result. To keep it, "
                              "enlarge core.std.PropToClip(clip) with resize, and put it back with "
                              "core.std.ClipToProp",
                              core);
        return Frame(copy, Release{vsapi});
    }
};

const VSFrame *VS_CC get_frame(int n, int reason, void *instance, void **, VSFrameContext *context, VSCore *core,
                               const VSAPI *vsapi) noexcept {
    auto *source = static_cast<Source *>(instance);
    if (reason == arInitial)
        vsapi->requestFrameFilter(n, source->clip.get(), context);
    if (reason != arAllFramesReady)
        return nullptr;
    try {
        Frame frame(vsapi->getFrameFilter(n, source->clip.get(), context), Release{vsapi});
        return source->edit(n, std::move(frame), core, vsapi).release();
    } catch (const std::exception &failure) {
        vsapi->setFilterError((std::string("Upscale: ") + failure.what()).c_str(), context);
        return nullptr;
    }
}

} // namespace

Properties read_properties(const VSFrame *frame, const VSAPI *vsapi) {
    const VSMap *properties = vsapi->getFramePropertiesRO(frame);
    const auto read = [&](const char *name, int64_t otherwise) {
        int missing = 0;
        const int64_t value = vsapi->mapGetInt(properties, name, 0, &missing);
        return missing ? otherwise : value;
    };
    Properties found{static_cast<int>(read("_Matrix", unset)),
                     static_cast<int>(read("_Range", unset)),
                     static_cast<int>(read("_ChromaLocation", unset)),
                     read("_SARNum", 0),
                     read("_SARDen", 0),
                     read("_Field", unset) != unset};
    if (found.sar_num <= 0 || found.sar_den <= 0)
        found.sar_num = found.sar_den = 0;
    return found;
}

bool has_too_many_bits(const VSVideoFormat &format) {
    return format.sampleType == stInteger && format.bitsPerSample > max_integer_bits;
}

void check_clip(const VSVideoInfo &video) {
    if (!vsh::isConstantVideoFormat(&video))
        throw std::runtime_error("the clip changes its size or format; make it constant first, for example with "
                                 "core.resize.Bicubic(clip, width, height, format=...)");
    if (has_too_many_bits(video.format))
        throw std::runtime_error("the clip has " + std::to_string(video.format.bitsPerSample) +
                                 " bits per sample; convert it to 16 or fewer");
}

Properties read_first_frame(VSNode *clip, const VSAPI *vsapi) {
    char error[1024] = "";
    const Frame frame(vsapi->getFrame(0, clip, error, sizeof error), Release{vsapi});
    if (!frame)
        throw std::runtime_error(std::string("frame 0 of the clip could not be read: ") + error);
    check_frame(0, frame.get(), vsapi);
    return read_properties(frame.get(), vsapi);
}

Node create_source(Node clip, const SourceEdits &edits, VSCore *core, const VSAPI *vsapi) {
    const VSVideoInfo video = *vsapi->getVideoInfo(clip.get());
    const VSFilterDependency dependency{clip.get(), rpStrictSpatial};
    auto source = std::make_unique<Source>(std::move(clip), edits);
    return create_filter("UpscaleSource", std::move(source), video, get_frame, {dependency}, core, vsapi);
}

} // namespace animesr
