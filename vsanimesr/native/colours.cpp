#include "colours.h"

#include <VSConstants4.h>
#include <VSHelper4.h>

#include <cctype>
#include <stdexcept>
#include <string>
#include <utility>

namespace animesr {

namespace {

constexpr int hd_lines = 720;

int default_matrix(int lines) { return lines >= hd_lines ? VSC_MATRIX_BT709 : VSC_MATRIX_ST170_M; }

bool is_rgb(const VSVideoFormat &format) { return format.colorFamily == cfRGB; }

bool has_subsampling(const VSVideoFormat &format) { return format.subSamplingW || format.subSamplingH; }

// A call of a function of another plugin: first set its arguments, then invoke it.
class Invocation {
public:
    explicit Invocation(const VSAPI *vsapi) : vsapi_(vsapi), arguments_(vsapi->createMap(), Release{vsapi}) {}

    Invocation &set(const char *name, VSNode *node) {
        vsapi_->mapSetNode(arguments_.get(), name, node, maReplace);
        return *this;
    }

    Invocation &set(const char *name, int value) {
        vsapi_->mapSetInt(arguments_.get(), name, value, maReplace);
        return *this;
    }

    Invocation &set(const char *name, const char *text) {
        vsapi_->mapSetData(arguments_.get(), name, text, -1, dtUtf8, maReplace);
        return *this;
    }

    Node invoke(const char *plugin, const char *function, VSCore *core) const {
        const Map result(vsapi_->invoke(vsapi_->getPluginByID(plugin, core), function, arguments_.get()),
                         Release{vsapi_});
        if (const char *error = vsapi_->mapGetError(result.get()))
            throw std::runtime_error(error);
        return Node(vsapi_->mapGetNode(result.get(), "clip", 0, nullptr), Release{vsapi_});
    }

private:
    const VSAPI *vsapi_;
    Map arguments_;
};

} // namespace

bool is_rgbs(const VSVideoFormat &format) {
    return is_rgb(format) && format.sampleType == stFloat && format.bitsPerSample == 32;
}

Colours::Colours(const VSVideoInfo &clip, const Properties &first, VSCore *core, const VSAPI *vsapi)
    : core_(core), vsapi_(vsapi), format_(clip.format), width_(clip.width), lines_(clip.height), first_(first) {
    if (is_rgb(format_) || first_.matrix == VSC_MATRIX_UNSPECIFIED || first_.matrix == VSC_MATRIX_RGB)
        first_.matrix = unset;
}

Node Colours::to_rgb(Node clip) const {
    if (is_rgbs(format_))
        return clip;
    Invocation resize(vsapi_);
    resize.set("clip", clip.get()).set("format", pfRGBS);
    if (!is_rgb(format_))
        resize.set("matrix_in", default_matrix(lines_)); // for frames without a matrix
    if (format_.colorFamily == cfGray) {
        // A plane taken from an RGB clip keeps the matrix "RGB", which resize refuses. Grey needs no matrix.
        Invocation remove_matrix(vsapi_);
        remove_matrix.set("clip", clip.get()).set("props", "_Matrix");
        const Node grey = remove_matrix.invoke(VSH_STD_PLUGIN_ID, "RemoveFrameProps", core_);
        resize.set("clip", grey.get());
    }
    return resize.invoke(VSH_RESIZE_PLUGIN_ID, "Bicubic", core_);
}

void Colours::log_assumptions() const {
    if (is_rgb(format_))
        return;
    const bool has_range = first_.range != unset || format_.sampleType == stFloat; // floats need none
    if (first_.matrix != unset && has_range)
        return;
    std::string missing, remedy;
    if (first_.matrix == unset) {
        missing = "no _Matrix (read as " + std::string(lines_ >= hd_lines ? "BT.709" : "BT.601") + ", because it has " +
                  std::to_string(lines_) + " lines)";
        remedy = "_Matrix=...";
    }
    if (!has_range) {
        missing += std::string(missing.empty() ? "" : " and ") + "no _Range (read as limited)";
        remedy += std::string(remedy.empty() ? "" : ", ") + "_Range=...";
    }
    const std::string note =
        "Upscale: the clip has " + missing + ". If this is wrong, set it: core.std.SetFrameProps(clip, " + remedy + ")";
    vsapi_->logMessage(mtInformation, note.c_str(), core_);
}

// Return the clip's range if `format` is RGB like the clip or neither is, else the usual range of `format`.
bool Colours::is_full_range(const VSVideoFormat &format) const {
    if (first_.range != unset && is_rgb(format) == is_rgb(format_))
        return first_.range == full_range;
    return is_rgb(format);
}

int Colours::matrix_of(const Target &target) const {
    if (is_rgb(target.format))
        return VSC_MATRIX_RGB;
    return first_.matrix == unset ? default_matrix(is_rgb(format_) ? target.height : lines_) : first_.matrix;
}

Node Colours::from_rgb(Node rgb, const Target &target) const {
    const VSVideoFormat &format = target.format;
    const VSVideoInfo &sr = *vsapi_->getVideoInfo(rgb.get());
    const bool is_scaled = target.width != sr.width || target.height != sr.height;
    if (is_rgbs(format) && !is_scaled)
        return is_rgb(format_) && !is_rgbs(format_) ? with_range_of(std::move(rgb), format) : std::move(rgb);
    const bool grows = target.width > sr.width || target.height > sr.height;
    if (grows && format.sampleType == stInteger && format.bitsPerSample > 8) {
        // `resize` would round and clip the pixels before it makes more of them.
        Target floats = target;
        floats.format.sampleType = stFloat;
        floats.format.bitsPerSample = 32;
        rgb = from_rgb(std::move(rgb), floats);
    }
    const uint32_t id = vsapi_->queryVideoFormatID(format.colorFamily, format.sampleType, format.bitsPerSample,
                                                   format.subSamplingW, format.subSamplingH, core_);
    Invocation resize(vsapi_);
    resize.set("clip", rgb.get()).set("format", static_cast<int>(id));
    resize.set("width", target.width).set("height", target.height);
    resize.set("range_s", is_full_range(format) ? "full" : "limited");
    if (!is_rgb(format))
        resize.set("matrix", matrix_of(target));
    if (first_.chroma_location != unset && has_subsampling(format))
        resize.set("chromaloc", first_.chroma_location);
    if (format.sampleType == stInteger)
        resize.set("dither_type", "error_diffusion");
    std::string function = target.kernel;
    function[0] = static_cast<char>(std::toupper(function[0]));
    return resize.invoke(VSH_RESIZE_PLUGIN_ID, function.c_str(), core_);
}

// Return a clip that is in `format` already, with the range of its result. Floats are the same in each range.
Node Colours::with_range_of(Node clip, const VSVideoFormat &format) const {
    Invocation properties(vsapi_);
    properties.set("clip", clip.get()).set("_Range", is_full_range(format) ? full_range : limited_range);
    return properties.invoke(VSH_STD_PLUGIN_ID, "SetFrameProps", core_);
}

animesr_colours Colours::colours_of(const VSFrame *frame) const {
    const Properties own = read_properties(frame, vsapi_);
    const bool has_matrix = own.matrix != unset && own.matrix != VSC_MATRIX_UNSPECIFIED && own.matrix != VSC_MATRIX_RGB;
    return {is_rgb(format_) ? VSC_MATRIX_RGB
            : has_matrix    ? own.matrix
                            : default_matrix(lines_),
            own.range == unset ? is_rgb(format_) : own.range == full_range,
            own.chroma_location == unset ? VSC_CHROMA_LEFT : own.chroma_location};
}

animesr_colours Colours::colours_of(const Target &target) const {
    return {matrix_of(target), is_full_range(target.format),
            first_.chroma_location == unset ? VSC_CHROMA_LEFT : first_.chroma_location};
}

void Colours::convert_properties(VSMap *map, const Target &target) const {
    const animesr_colours colours = colours_of(target);
    vsapi_->mapSetInt(map, "_Matrix", colours.matrix, maReplace);
    vsapi_->mapSetInt(map, "_Range", colours.full_range ? full_range : limited_range, maReplace);
    if (has_subsampling(target.format))
        vsapi_->mapSetInt(map, "_ChromaLocation", colours.chroma_location, maReplace);
    else
        vsapi_->mapDeleteKey(map, "_ChromaLocation");
    int missing = 0;
    for (const auto &[name, unspecified] : {std::pair("_Transfer", int{VSC_TRANSFER_UNSPECIFIED}),
                                            std::pair("_Primaries", int{VSC_PRIMARIES_UNSPECIFIED})})
        if (vsapi_->mapNumElements(map, name) < 0)
            vsapi_->mapSetInt(map, name, unspecified, maReplace);
    int64_t num = vsapi_->mapGetInt(map, "_SARNum", 0, &missing);
    int64_t den = missing ? 0 : vsapi_->mapGetInt(map, "_SARDen", 0, &missing);
    if (missing || num <= 0 || den <= 0) {
        vsapi_->mapDeleteKey(map, "_SARNum");
        vsapi_->mapDeleteKey(map, "_SARDen");
        return;
    }
    vsh::muldivRational(&num, &den, width_, target.width);
    vsh::muldivRational(&num, &den, target.height, lines_);
    vsapi_->mapSetInt(map, "_SARNum", num, maReplace);
    vsapi_->mapSetInt(map, "_SARDen", den, maReplace);
}

} // namespace animesr
