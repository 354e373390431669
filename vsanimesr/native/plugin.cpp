// core.animesr: the two functions, and what their arguments come to. What the arguments mean is in options.py.
#include "bridge.h"
#include "colours.h"
#include "python.h"
#include "recurrence.h"
#include "session.h"

#include <VSHelper4.h>
#include <VapourSynth4.h>

#include <stdexcept>
#include <string>
#include <vector>

#define ANIMESR_TEXT_OF(x) #x
#define ANIMESR_TEXT(x) ANIMESR_TEXT_OF(x)

namespace {

using namespace animesr;

constexpr const char *upscale_arguments = "clip:vnode;model:data:opt;engine:data:opt;precision:data:opt;device:int:opt;"
                                          "engine_options:data[]:opt:empty;scene_change:data[]:opt:empty;preroll:int:opt;seek:data:opt;warmup:int:opt;format:int:opt;";

std::string text_of(const VSMap *map, const char *key, int index, const VSAPI *vsapi) {
    if (vsapi->mapGetType(map, key) == ptInt)
        return std::to_string(vsapi->mapGetInt(map, key, index, nullptr));
    return std::string(vsapi->mapGetData(map, key, index, nullptr), vsapi->mapGetDataSize(map, key, index, nullptr));
}

std::vector<Argument> given(const VSMap *in, const VSAPI *vsapi) {
    std::vector<Argument> arguments;
    for (int i = 0; i < vsapi->mapNumKeys(in); ++i) {
        const char *key = vsapi->mapGetKey(in, i);
        if (std::string(key) == "clip")
            continue;
        auto &argument = arguments.emplace_back(Argument{key, {}});
        for (int k = 0; k < vsapi->mapNumElements(in, key); ++k)
            argument.values.push_back(text_of(in, key, k, vsapi));
    }
    return arguments;
}

void check(const VSVideoInfo &video) {
    if (!vsh::isConstantVideoFormat(&video))
        throw std::runtime_error("the clip changes its size or format on the way; make it constant first, for example with "
                                 "core.resize.Bicubic(clip, width, height, format=...)");
    if (video.format.sampleType == stInteger && video.format.bitsPerSample > 16)
        throw std::runtime_error("the clip has " + std::to_string(video.format.bitsPerSample) + " bits a sample; convert it to 16 or fewer");
}

VSVideoFormat output_format(const VSMap *in, const VSVideoInfo &video, VSCore *core, const VSAPI *vsapi) {
    int missing = 0;
    const int64_t id = vsapi->mapGetInt(in, "format", 0, &missing);
    if (missing)
        return video.format;
    VSVideoFormat format;
    const bool known = id == static_cast<uint32_t>(id) && vsapi->getVideoFormatByID(&format, static_cast<uint32_t>(id), core) &&
                       format.colorFamily != cfUndefined;
    if (!known || (format.sampleType == stInteger && format.bitsPerSample > 16))
        throw std::runtime_error("format=" + std::to_string(id) + " is no video format of 8 to 16 bits or float; use, for example, "
                                 "vs.YUV420P10");
    const int step_w = 1 << format.subSamplingW, step_h = 1 << format.subSamplingH;
    if (scale * video.width % step_w || scale * video.height % step_h)
        throw std::runtime_error("format=" + std::to_string(id) + " does not fit a picture of " + std::to_string(scale * video.width) +
                                 "x" + std::to_string(scale * video.height) + "; use one with less chroma subsampling");
    return format;
}

Node upscaled(const VSMap *in, VSCore *core, const VSAPI *vsapi) {
    Node clip(vsapi->mapGetNode(in, "clip", 0, nullptr), Release{vsapi});
    const VSVideoInfo &video = *vsapi->getVideoInfo(clip.get());
    check(video);
    const VSVideoFormat format = output_format(in, video, core, vsapi);
    const Colours colours(clip.get(), core, vsapi);
    Node source(vsapi->addNodeRef(clip.get()), Release{vsapi});
    Node sr = create_recurrence(colours.to_rgb(), std::move(source), given(in, vsapi), core, vsapi);
    return colours.from_rgb(std::move(sr), format);
}

void VS_CC upscale(const VSMap *in, VSMap *out, void *, VSCore *core, const VSAPI *vsapi) noexcept {
    try {
        vsapi->mapConsumeNode(out, "clip", upscaled(in, core, vsapi).release(), maReplace);
    } catch (const std::exception &failure) {
        vsapi->mapSetError(out, (std::string("Upscale: ") + failure.what()).c_str());
    }
}

void VS_CC version(const VSMap *, VSMap *out, void *, VSCore *core, const VSAPI *vsapi) noexcept {
    try {
        VSCoreInfo info;
        vsapi->getCoreInfo(core, &info);
        animesr_error text{};
        const Call call;
        if (bridge().version(&text) != 0)
            throw std::runtime_error(text.text);
        const std::string lines(text.text);
        vsapi->mapSetData(out, "plugin", ANIMESR_TEXT(ANIMESR_VERSION), -1, dtUtf8, maReplace);
        vsapi->mapSetData(out, "vapoursynth", ("R" + std::to_string(info.core)).c_str(), -1, dtUtf8, maReplace);
        size_t end = lines.find('\n');
        vsapi->mapSetData(out, "package", lines.substr(0, end).c_str(), -1, dtUtf8, maReplace);
        vsapi->mapSetEmpty(out, "engines", ptData);
        while (end != std::string::npos) {
            const size_t begin = end + 1;
            end = lines.find('\n', begin);
            vsapi->mapSetData(out, "engines", lines.substr(begin, end - begin).c_str(), -1, dtUtf8, maAppend);
        }
    } catch (const std::exception &failure) {
        vsapi->mapSetError(out, (std::string("Version: ") + failure.what()).c_str());
    }
}

} // namespace

VS_EXTERNAL_API(void) VapourSynthPluginInit2(VSPlugin *plugin, const VSPLUGINAPI *vspapi) {
    vspapi->configPlugin("org.animesr.vapoursynth", "animesr", "AnimeSR: recurrent super-resolution of animation",
                         VS_MAKE_VERSION(ANIMESR_VERSION_MAJOR, ANIMESR_VERSION_MINOR), VAPOURSYNTH_API_VERSION, 0, plugin);
    vspapi->registerFunction("Upscale", upscale_arguments, "clip:vnode;", upscale, nullptr, plugin);
    vspapi->registerFunction("Version", "", "plugin:data;vapoursynth:data;package:data;engines:data[]:empty;", version, nullptr, plugin);
}
