// One session of the bridge, with C++'s manners: errors are thrown, and the end of the object is the end of the session.
#pragma once

#include "bridge.h"
#include "python.h"

#include <VapourSynth4.h>

#include <stdexcept>
#include <string>
#include <vector>

namespace animesr {

// An argument as the user gave it.
struct Argument {
    std::string name;
    std::vector<std::string> values;
};

class Session {
public:
    Session(const std::vector<Argument> &arguments, int width, int height, VSCore *core, const VSAPI *vsapi);
    ~Session();
    Session(const Session &) = delete;
    Session &operator=(const Session &) = delete;

    const animesr_settings &settings() const { return settings_; }

    // A ticket, or 0 where no output is asked for.
    int64_t submit(const animesr_frame &prev, const animesr_frame &cur, const animesr_frame &next, bool reset, bool output);
    void wait(int64_t ticket, const animesr_picture &out);

private:
    int64_t number_ = 0;
    animesr_settings settings_{};
};

} // namespace animesr
