#include "session.h"

namespace animesr {

namespace {

struct Logger {
    VSCore *core;
    const VSAPI *vsapi;

    static void write(void *data, int32_t level, const char *text) {
        const auto *self = static_cast<const Logger *>(data);
        self->vsapi->logMessage(level == ANIMESR_LOG_WARNING ? mtWarning : mtInformation, text, self->core);
    }
};

} // namespace

Session::Session(const std::vector<Argument> &arguments, int width, int height, VSCore *core, const VSAPI *vsapi) {
    std::vector<std::vector<const char *>> values;
    for (const auto &argument : arguments) {
        auto &texts = values.emplace_back();
        for (const auto &value : argument.values)
            texts.push_back(value.c_str());
    }
    std::vector<animesr_argument> raw;
    for (size_t i = 0; i < arguments.size(); ++i)
        raw.push_back({arguments[i].name.c_str(), values[i].data(), static_cast<int32_t>(values[i].size())});

    Logger logger{core, vsapi};
    const animesr_log log{Logger::write, &logger};
    animesr_error error{};
    const Call call;
    number_ = bridge().open(raw.data(), static_cast<int32_t>(raw.size()), width, height, &log, &settings_, &error);
    if (number_ == 0)
        throw std::runtime_error(error.text);
}

Session::~Session() {
    try {
        const Call call;
        bridge().close(number_);
    } catch (const std::runtime_error &) {
        // The interpreter has gone, and with it all that there was to close.
    }
}

int64_t Session::submit(const animesr_frame &prev, const animesr_frame &cur, const animesr_frame &next, bool reset, bool output) {
    animesr_error error{};
    const Call call;
    const int64_t ticket = bridge().submit(number_, &prev, &cur, &next, reset, output, &error);
    if (ticket < 0)
        throw std::runtime_error(error.text);
    return ticket;
}

void Session::wait(int64_t ticket, const animesr_picture &out) {
    animesr_error error{};
    const Call call;
    if (bridge().wait(number_, ticket, &out, &error) != 0)
        throw std::runtime_error(error.text);
}

} // namespace animesr
