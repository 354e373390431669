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

} // namespace

BridgeSession::BridgeSession(const std::vector<Argument> &arguments, const VSVideoInfo &video, VSCore *core,
                             const VSAPI *vsapi) {
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
    animesr_text error{};
    const InterpreterGuard python;
    number_ = python->open(raw.data(), static_cast<int32_t>(raw.size()), video.width, video.height, video.numFrames,
                           &log, &settings_, &error);
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

void BridgeSession::wait(int64_t ticket, const animesr_picture &out) {
    animesr_text error{};
    const InterpreterGuard python;
    if (python->wait(number_, ticket, &out, &error) != 0)
        throw std::runtime_error(error.text);
}

} // namespace animesr
