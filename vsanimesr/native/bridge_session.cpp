#include "bridge_session.h"

#include "interpreter.h"

#include <stdexcept>

namespace animesr {

namespace {

struct LogWriter {
    VSCore *core;
    const VSAPI *vsapi;

    static void write(void *data, int32_t level, const char *text) {
        const auto *self = static_cast<const LogWriter *>(data);
        self->vsapi->logMessage(level == ANIMESR_LOG_WARNING ? mtWarning : mtInformation, text, self->core);
    }
};

animesr_video describe(const VSVideoInfo &video) {
    const VSVideoFormat &format = video.format;
    const int32_t family = format.colorFamily == cfGray  ? ANIMESR_GRAY
                           : format.colorFamily == cfRGB ? ANIMESR_RGB
                                                         : ANIMESR_YUV;
    return {family,
            format.sampleType == stFloat,
            format.bitsPerSample,
            {format.subSamplingW, format.subSamplingH},
            video.width,
            video.height};
}

} // namespace

BridgeSession::BridgeSession(const std::vector<Argument> &arguments, const VSVideoInfo &clip, const VSVideoInfo &target,
                             const animesr_colours &colours, VSCore *core, const VSAPI *vsapi) {
    std::vector<std::vector<const char *>> values;
    for (const auto &argument : arguments) {
        auto &texts = values.emplace_back();
        for (const auto &value : argument.values)
            texts.push_back(value.c_str());
    }
    std::vector<animesr_argument> raw;
    for (size_t i = 0; i < arguments.size(); ++i)
        raw.push_back({arguments[i].name.c_str(), values[i].data(), static_cast<int32_t>(values[i].size())});

    LogWriter writer{core, vsapi};
    const animesr_log log{LogWriter::write, &writer};
    const animesr_video clip_video = describe(clip), target_video = describe(target);
    animesr_text error{};
    const InterpreterGuard python;
    number_ = python->open(raw.data(), static_cast<int32_t>(raw.size()), &clip_video, clip.numFrames, &target_video,
                           &colours, &log, &settings_, &error);
    if (number_ == 0) {
        if (error.interrupted)
            interrupt_python();
        throw std::runtime_error(error.text);
    }
}

BridgeSession::~BridgeSession() {
    try {
        const InterpreterGuard python;
        python->close(number_);
    } catch (const std::runtime_error &) {
        // The interpreter is shutting down, and the session with it.
    }
}

int64_t BridgeSession::submit(const animesr_frame &prev, const animesr_frame &cur, const animesr_frame &next,
                              bool reset, bool output) {
    animesr_text error{};
    const InterpreterGuard python;
    const int64_t ticket = python->submit(number_, &prev, &cur, &next, reset, output, &error);
    if (ticket < 0)
        throw std::runtime_error(error.text);
    return ticket;
}

int64_t BridgeSession::save() {
    animesr_text error{};
    const InterpreterGuard python;
    const int64_t state = python->save(number_, &error);
    if (state < 0)
        throw std::runtime_error(error.text);
    return state;
}

void BridgeSession::restore(int64_t state) {
    animesr_text error{};
    const InterpreterGuard python;
    if (python->restore(number_, state, &error) != 0)
        throw std::runtime_error(error.text);
}

void BridgeSession::drop(int64_t state) noexcept {
    try {
        const InterpreterGuard python;
        python->drop(number_, state);
    } catch (const std::runtime_error &) {
        // The interpreter is shutting down, and the session with it.
    }
}

bool BridgeSession::wait(int64_t ticket, const animesr_picture &out) {
    animesr_text error{};
    const InterpreterGuard python;
    const int32_t result = python->wait(number_, ticket, &out, &error);
    if (result != 0 && result != ANIMESR_NOT_FINITE)
        throw std::runtime_error(error.text);
    return result == 0;
}

} // namespace animesr
