// core.animesr: the functions Upscale and Version. options.py describes the arguments of Upscale.
#include "bridge_session.h"
#include "colours.h"
#include "interpreter.h"
#include "recurrence.h"

#include <VSHelper4.h>
#include <VapourSynth4.h>

#include <stdexcept>
#include <string>
#include <vector>

#define ANIMESR_TEXT_OF(x) #x
#define ANIMESR_TEXT(x) ANIMESR_TEXT_OF(x)

namespace {

using namespace animesr;

constexpr const char *upscale_arguments =
    "clip:vnode;model:data:opt;backend:data:opt;precision:data:opt;device:int:opt;backend_options:data[]:opt:empty;"
    "scene_change:data[]:opt:empty;preroll:int:opt;seek:data:opt;warmup:int:opt;format:int:opt;";
constexpr const char *version_result = "plugin:data;vapoursynth:data;package:data;backends:data[]:empty;";

constexpr int max_integer_bits = 16;

std::string read_text(const VSMap *map, const char *key, int index, const VSAPI *vsapi) {
    if (vsapi->mapGetType(map, key) == ptInt)
        return std::to_string(vsapi->mapGetInt(map, key, index, nullptr));
    return {vsapi->mapGetData(map, key, index, nullptr),
            static_cast<size_t>(vsapi->mapGetDataSize(map, key, index, nullptr))};
}

// Return the arguments that the user gave, without the clip.
std::vector<Argument> read_arguments(const VSMap *in, const VSAPI *vsapi) {
    std::vector<Argument> arguments;
    for (int i = 0; i < vsapi->mapNumKeys(in); ++i) {
        const char *key = vsapi->mapGetKey(in, i);
        if (std::string(key) == "clip")
            continue;
        auto &argument = arguments.emplace_back(Argument{key, {}});
        for (int k = 0; k < vsapi->mapNumElements(in, key); ++k)
            argument.values.push_back(read_text(in, key, k, vsapi));
    }
    return arguments;
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

// Return the format that the user asks for, or the clip's.
VSVideoFormat read_output_format(const VSMap *in, const VSVideoInfo &video, VSCore *core, const VSAPI *vsapi) {
    int missing = 0;
    const int64_t id = vsapi->mapGetInt(in, "format", 0, &missing);
    if (missing)
        return video.format;
    const std::string argument = "format=" + std::to_string(id);
    VSVideoFormat format;
    const bool is_known = id == static_cast<uint32_t>(id) &&
                          vsapi->getVideoFormatByID(&format, static_cast<uint32_t>(id), core) &&
                          format.colorFamily != cfUndefined;
    if (!is_known || has_too_many_bits(format))
        throw std::runtime_error(argument +
                                 " is no video format of 8 to 16 bits or float; use, for example, vs.YUV420P10");
    const int width = scale * video.width, height = scale * video.height;
    if (width % (1 << format.subSamplingW) || height % (1 << format.subSamplingH))
        throw std::runtime_error(argument + " does not fit a picture of " + std::to_string(width) + "x" +
                                 std::to_string(height) + "; use one with less chroma subsampling");
    return format;
}

Node create_upscale(const VSMap *in, VSCore *core, const VSAPI *vsapi) {
    Node clip(vsapi->mapGetNode(in, "clip", 0, nullptr), Release{vsapi});
    const VSVideoInfo &video = *vsapi->getVideoInfo(clip.get());
    check_clip(video);
    const VSVideoFormat format = read_output_format(in, video, core, vsapi);
    const Colours colours(clip.get(), core, vsapi);
    Node source(vsapi->addNodeRef(clip.get()), Release{vsapi});
    Node sr = create_recurrence(colours.to_rgb(), std::move(source), read_arguments(in, vsapi), core, vsapi);
    return colours.from_rgb(std::move(sr), format);
}

void VS_CC upscale(const VSMap *in, VSMap *out, void *, VSCore *core, const VSAPI *vsapi) noexcept {
    try {
        vsapi->mapConsumeNode(out, "clip", create_upscale(in, core, vsapi).release(), maReplace);
    } catch (const std::exception &failure) {
        vsapi->mapSetError(out, (std::string("Upscale: ") + failure.what()).c_str());
    }
}

void VS_CC version(const VSMap *, VSMap *out, void *, VSCore *core, const VSAPI *vsapi) noexcept {
    try {
        VSCoreInfo info;
        vsapi->getCoreInfo(core, &info);
        animesr_text text{};
        const InterpreterGuard python;
        if (python->version(&text) != 0)
            throw std::runtime_error(text.text);
        const std::string lines(text.text);
        vsapi->mapSetData(out, "plugin", ANIMESR_TEXT(ANIMESR_VERSION), -1, dtUtf8, maReplace);
        vsapi->mapSetData(out, "vapoursynth", ("R" + std::to_string(info.core)).c_str(), -1, dtUtf8, maReplace);
        size_t end = lines.find('\n');
        vsapi->mapSetData(out, "package", lines.substr(0, end).c_str(), -1, dtUtf8, maReplace);
        vsapi->mapSetEmpty(out, "backends", ptData);
        while (end != std::string::npos) {
            const size_t begin = end + 1;
            end = lines.find('\n', begin);
            vsapi->mapSetData(out, "backends", lines.substr(begin, end - begin).c_str(), -1, dtUtf8, maAppend);
        }
    } catch (const std::exception &failure) {
        vsapi->mapSetError(out, (std::string("Version: ") + failure.what()).c_str());
    }
}

} // namespace

VS_EXTERNAL_API(void) VapourSynthPluginInit2(VSPlugin *plugin, const VSPLUGINAPI *vspapi) {
    vspapi->configPlugin("org.animesr.vapoursynth", "animesr", "AnimeSR: recurrent super-resolution of animation",
                         VS_MAKE_VERSION(ANIMESR_VERSION_MAJOR, ANIMESR_VERSION_MINOR), VAPOURSYNTH_API_VERSION, 0,
                         plugin);
    vspapi->registerFunction("Upscale", upscale_arguments, "clip:vnode;", upscale, nullptr, plugin);
    vspapi->registerFunction("Version", "", version_result, version, nullptr, plugin);
}
