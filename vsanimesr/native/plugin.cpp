// core.animesr: the functions Upscale, Scenes and Version. options.py describes the arguments of Upscale.
#include "bridge_session.h"
#include "colours.h"
#include "interpreter.h"
#include "recurrence.h"
#include "scenes.h"
#include "source.h"
#include "target.h"

#include <VapourSynth4.h>

#include <memory>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#define ANIMESR_TEXT_OF(x) #x
#define ANIMESR_TEXT(x) ANIMESR_TEXT_OF(x)

namespace {

using namespace animesr;

constexpr const char *upscale_arguments =
    "clip:vnode;model:data:opt;backend:data:opt;precision:data:opt;colour:data:opt;device:int:opt;"
    "backend_options:data[]:opt:empty;scene_change:data[]:opt:empty;preroll:int:opt;segment:int[]:opt;held:data:opt;"
    "seek:data:opt;warmup:int:opt;cache:int:opt;tiles:data[]:opt:empty;overlap:int:opt;format:int:opt;width:int:opt;"
    "height:int:opt;kernel:data:opt;square:int:opt;";
constexpr const char *version_result = "plugin:data;vapoursynth:data;package:data;backends:data[]:empty;";

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

Node create_upscale(const VSMap *in, VSCore *core, const VSAPI *vsapi) {
    Node clip(vsapi->mapGetNode(in, "clip", 0, nullptr), Release{vsapi});
    const VSVideoInfo &video = *vsapi->getVideoInfo(clip.get());
    check_clip(video);
    const Properties first = read_first_frame(clip.get(), vsapi);
    const Target target = read_target(in, video, first, core, vsapi);
    const Colours colours(video, first, core, vsapi);
    // The chroma of a field lies elsewhere, which only `resize` knows: then all that a backend is told of is RGBS.
    const Target sr = Target::of_sr(video, core, vsapi);
    VSVideoInfo shown = video;
    shown.format = first.is_field ? sr.format : video.format;
    const Target &wanted = first.is_field ? sr : target;
    auto session = std::make_unique<BridgeSession>(read_arguments(in, vsapi), shown, wanted.video_info(video),
                                                   colours.colours_of(wanted), core, vsapi);
    const bool detects = session->settings().anchor_source == ANIMESR_ANCHORS_DETECT;
    const bool converts = session->settings().own_formats;
    colours.log_assumptions();
    SourceEdits edits = target.source_edits(video, first);
    edits.refuses_fields = converts;
    Node source = create_source(Node(vsapi->addNodeRef(clip.get()), Release{vsapi}), edits, core, vsapi);
    Node input = converts ? std::move(source) : colours.to_rgb(std::move(source));
    Node marked = detects ? create_scenes(std::move(clip), core, vsapi) : std::move(clip);
    Node result =
        create_recurrence(std::move(input), std::move(marked), std::move(session), colours, target, core, vsapi);
    return converts ? std::move(result) : colours.from_rgb(std::move(result), target);
}

void VS_CC upscale(const VSMap *in, VSMap *out, void *, VSCore *core, const VSAPI *vsapi) noexcept {
    try {
        vsapi->mapConsumeNode(out, "clip", create_upscale(in, core, vsapi).release(), maReplace);
    } catch (const std::exception &failure) {
        vsapi->mapSetError(out, (std::string("Upscale: ") + failure.what()).c_str());
    }
}

void VS_CC scenes(const VSMap *in, VSMap *out, void *, VSCore *core, const VSAPI *vsapi) noexcept {
    try {
        Node clip(vsapi->mapGetNode(in, "clip", 0, nullptr), Release{vsapi});
        check_clip(*vsapi->getVideoInfo(clip.get()));
        vsapi->mapConsumeNode(out, "clip", create_scenes(std::move(clip), core, vsapi).release(), maReplace);
    } catch (const std::exception &failure) {
        vsapi->mapSetError(out, (std::string("Scenes: ") + failure.what()).c_str());
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
    vspapi->registerFunction("Scenes", "clip:vnode;", "clip:vnode;", scenes, nullptr, plugin);
    vspapi->registerFunction("Version", "", version_result, version, nullptr, plugin);
}
