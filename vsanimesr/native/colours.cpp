#include "colours.h"

#include <VSConstants4.h>
#include <VSHelper4.h>

#include <stdexcept>
#include <string>

namespace animesr {

namespace {

constexpr int unsaid = -1;
constexpr int hd_lines = 720;
constexpr int full = 1; // of the property _Range

int usual_matrix(int lines) { return lines >= hd_lines ? VSC_MATRIX_BT709 : VSC_MATRIX_ST170_M; }

bool is_rgb(const VSVideoFormat &format) { return format.colorFamily == cfRGB; }

bool is_rgbs(const VSVideoFormat &format) {
    return is_rgb(format) && format.sampleType == stFloat && format.bitsPerSample == 32;
}

class Arguments {
public:
    explicit Arguments(const VSAPI *vsapi) : vsapi_(vsapi), map_(vsapi->createMap(), Release{vsapi}) {}

    Arguments &set(const char *name, VSNode *node) { return vsapi_->mapSetNode(map_.get(), name, node, maReplace), *this; }
    Arguments &set(const char *name, int value) { return vsapi_->mapSetInt(map_.get(), name, value, maReplace), *this; }
    Arguments &set(const char *name, const char *text) {
        return vsapi_->mapSetData(map_.get(), name, text, -1, dtUtf8, maReplace), *this;
    }

    Node invoke(const char *plugin, const char *function, VSCore *core) const {
        const Map result(vsapi_->invoke(vsapi_->getPluginByID(plugin, core), function, map_.get()), Release{vsapi_});
        if (const char *error = vsapi_->mapGetError(result.get()))
            throw std::runtime_error(error);
        return Node(vsapi_->mapGetNode(result.get(), "clip", 0, nullptr), Release{vsapi_});
    }

private:
    const VSAPI *vsapi_;
    Map map_;
};

} // namespace

Colours::Colours(VSNode *clip, VSCore *core, const VSAPI *vsapi)
    : clip_(clip), core_(core), vsapi_(vsapi), format_(vsapi->getVideoInfo(clip)->format),
      lines_(vsapi->getVideoInfo(clip)->height) {
    char error[1024] = "";
    const Frame frame(vsapi->getFrame(0, clip, error, sizeof error), Release{vsapi});
    if (!frame)
        throw std::runtime_error(std::string("frame 0 of the clip could not be read: ") + error);
    const VSMap *properties = vsapi->getFramePropertiesRO(frame.get());
    matrix_ = read(properties, "_Matrix");
    if (matrix_ == VSC_MATRIX_UNSPECIFIED || (matrix_ == VSC_MATRIX_RGB && format_.colorFamily == cfGray))
        matrix_ = unsaid;
    if (matrix_ == VSC_MATRIX_RGB && format_.colorFamily == cfYUV)
        throw std::runtime_error("the clip is YUV, yet its property _Matrix is 0 (RGB); set the true one, for example with "
                                 "core.std.SetFrameProps(clip, _Matrix=1) for BT.709");
    range_ = read(properties, "_Range");
    chroma_location_ = read(properties, "_ChromaLocation");
}

int Colours::read(const VSMap *properties, const char *name) const {
    int missing = 0;
    const int value = vsapi_->mapGetIntSaturated(properties, name, 0, &missing);
    return missing ? unsaid : value;
}

Node Colours::to_rgb() const {
    if (is_rgbs(format_))
        return Node(vsapi_->addNodeRef(clip_), Release{vsapi_});
    Arguments arguments(vsapi_);
    arguments.set("clip", clip_).set("format", pfRGBS);
    if (!is_rgb(format_))
        arguments.set("matrix_in", usual_matrix(lines_)); // for frames that do not say
    if (format_.colorFamily == cfYUV && matrix_ == unsaid) {
        const std::string note = "Upscale: the clip does not say its matrix; taken as BT." +
                                 std::string(lines_ >= hd_lines ? "709" : "601") + " for its " + std::to_string(lines_) +
                                 " lines. If that is wrong, set it: core.std.SetFrameProps(clip, _Matrix=...)";
        vsapi_->logMessage(mtInformation, note.c_str(), core_);
    }
    if (format_.colorFamily == cfGray) {
        // A plane taken out of an RGB clip still says "RGB", which resize refuses; grey needs no matrix to become RGB.
        const Node grey = Arguments(vsapi_).set("clip", clip_).set("props", "_Matrix").invoke(VSH_STD_PLUGIN_ID, "RemoveFrameProps", core_);
        return arguments.set("clip", grey.get()).invoke(VSH_RESIZE_PLUGIN_ID, "Bicubic", core_);
    }
    return arguments.invoke(VSH_RESIZE_PLUGIN_ID, "Bicubic", core_);
}

// The clip's range where `format` is of its kind, else what is usual for `format`.
bool Colours::full_range(const VSVideoFormat &format) const {
    if (range_ != unsaid && is_rgb(format) == is_rgb(format_))
        return range_ == full;
    return is_rgb(format);
}

Node Colours::from_rgb(Node rgb, const VSVideoFormat &format) const {
    if (is_rgbs(format))
        return rgb;
    Arguments arguments(vsapi_);
    arguments.set("clip", rgb.get());
    arguments.set("format", static_cast<int>(vsapi_->queryVideoFormatID(format.colorFamily, format.sampleType, format.bitsPerSample,
                                                                      format.subSamplingW, format.subSamplingH, core_)));
    arguments.set("range_s", full_range(format) ? "full" : "limited");
    if (!is_rgb(format)) {
        const int lines = is_rgb(format_) ? vsapi_->getVideoInfo(rgb.get())->height : lines_;
        arguments.set("matrix", matrix_ == unsaid || is_rgb(format_) ? usual_matrix(lines) : matrix_);
    }
    if (chroma_location_ != unsaid && (format.subSamplingW || format.subSamplingH))
        arguments.set("chromaloc", chroma_location_);
    if (format.sampleType == stInteger)
        arguments.set("dither_type", "error_diffusion");
    return arguments.invoke(VSH_RESIZE_PLUGIN_ID, "Bicubic", core_);
}

} // namespace animesr
