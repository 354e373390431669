#include "colours.h"

#include <VSConstants4.h>
#include <VSHelper4.h>

#include <stdexcept>
#include <string>

namespace animesr {

namespace {

constexpr int unset = -1;
constexpr int hd_lines = 720;
constexpr int full_range = 1; // a value of the property _Range

int default_matrix(int lines) { return lines >= hd_lines ? VSC_MATRIX_BT709 : VSC_MATRIX_ST170_M; }

bool is_rgb(const VSVideoFormat &format) { return format.colorFamily == cfRGB; }

bool is_rgbs(const VSVideoFormat &format) {
    return is_rgb(format) && format.sampleType == stFloat && format.bitsPerSample == 32;
}

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

Colours::Colours(VSNode *clip, VSCore *core, const VSAPI *vsapi)
    : clip_(clip), core_(core), vsapi_(vsapi), format_(vsapi->getVideoInfo(clip)->format),
      lines_(vsapi->getVideoInfo(clip)->height) {
    char error[1024] = "";
    const Frame frame(vsapi->getFrame(0, clip, error, sizeof error), Release{vsapi});
    if (!frame)
        throw std::runtime_error(std::string("frame 0 of the clip could not be read: ") + error);
    const VSMap *properties = vsapi->getFramePropertiesRO(frame.get());
    matrix_ = read_property(properties, "_Matrix");
    if (matrix_ == VSC_MATRIX_UNSPECIFIED || (matrix_ == VSC_MATRIX_RGB && format_.colorFamily == cfGray))
        matrix_ = unset;
    if (matrix_ == VSC_MATRIX_RGB && format_.colorFamily == cfYUV)
        throw std::runtime_error("the clip is YUV, but its property _Matrix is 0 (RGB); set the right one, for "
                                 "example with core.std.SetFrameProps(clip, _Matrix=1) for BT.709");
    range_ = read_property(properties, "_Range");
    chroma_location_ = read_property(properties, "_ChromaLocation");
}

int Colours::read_property(const VSMap *properties, const char *name) const {
    int missing = 0;
    const int value = vsapi_->mapGetIntSaturated(properties, name, 0, &missing);
    return missing ? unset : value;
}

Node Colours::to_rgb() const {
    if (is_rgbs(format_))
        return Node(vsapi_->addNodeRef(clip_), Release{vsapi_});
    if (format_.colorFamily == cfYUV && matrix_ == unset)
        log_default_matrix();
    Invocation resize(vsapi_);
    resize.set("clip", clip_).set("format", pfRGBS);
    if (!is_rgb(format_))
        resize.set("matrix_in", default_matrix(lines_)); // for frames without a matrix
    if (format_.colorFamily == cfGray) {
        // A plane taken from an RGB clip keeps the matrix "RGB", which resize refuses. Grey needs no matrix.
        Invocation remove_matrix(vsapi_);
        remove_matrix.set("clip", clip_).set("props", "_Matrix");
        const Node grey = remove_matrix.invoke(VSH_STD_PLUGIN_ID, "RemoveFrameProps", core_);
        resize.set("clip", grey.get());
    }
    return resize.invoke(VSH_RESIZE_PLUGIN_ID, "Bicubic", core_);
}

void Colours::log_default_matrix() const {
    const std::string name = lines_ >= hd_lines ? "BT.709" : "BT.601";
    const std::string lines = std::to_string(lines_);
    const std::string note = "Upscale: the clip has no matrix; it is read as " + name + " because it has " + lines +
                             " lines. If this is wrong, set the matrix: core.std.SetFrameProps(clip, _Matrix=...)";
    vsapi_->logMessage(mtInformation, note.c_str(), core_);
}

// Return the clip's range if `format` is RGB like the clip or neither is, else the usual range of `format`.
bool Colours::is_full_range(const VSVideoFormat &format) const {
    if (range_ != unset && is_rgb(format) == is_rgb(format_))
        return range_ == full_range;
    return is_rgb(format);
}

Node Colours::from_rgb(Node rgb, const VSVideoFormat &format) const {
    if (is_rgbs(format))
        return rgb;
    const uint32_t id = vsapi_->queryVideoFormatID(format.colorFamily, format.sampleType, format.bitsPerSample,
                                                   format.subSamplingW, format.subSamplingH, core_);
    Invocation resize(vsapi_);
    resize.set("clip", rgb.get()).set("format", static_cast<int>(id));
    resize.set("range_s", is_full_range(format) ? "full" : "limited");
    if (!is_rgb(format)) {
        const int lines = is_rgb(format_) ? vsapi_->getVideoInfo(rgb.get())->height : lines_;
        resize.set("matrix", matrix_ == unset || is_rgb(format_) ? default_matrix(lines) : matrix_);
    }
    if (chroma_location_ != unset && (format.subSamplingW || format.subSamplingH))
        resize.set("chromaloc", chroma_location_);
    if (format.sampleType == stInteger)
        resize.set("dither_type", "error_diffusion");
    return resize.invoke(VSH_RESIZE_PLUGIN_ID, "Bicubic", core_);
}

} // namespace animesr
