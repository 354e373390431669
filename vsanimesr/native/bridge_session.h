// A session of the Python package, as a C++ object.
#pragma once

#include "bridge.h"

#include <VapourSynth4.h>

#include <string>
#include <vector>

namespace animesr {

// An argument as the user wrote it.
struct Argument {
    std::string name;
    std::vector<std::string> values;
};

// Opens one session through the C ABI of bridge.h and closes it when destroyed. Failures of the Python side are thrown
// as std::runtime_error with its message.
class BridgeSession {
public:
    // `target`: format, size and colours of the frames that are to be made of the SR frames.
    BridgeSession(const std::vector<Argument> &arguments, const VSVideoInfo &clip, const VSVideoInfo &target,
                  const animesr_colours &colours, VSCore *core, const VSAPI *vsapi);
    ~BridgeSession();
    BridgeSession(const BridgeSession &) = delete;
    BridgeSession &operator=(const BridgeSession &) = delete;

    const animesr_settings &settings() const { return settings_; }

    // Run one step. Return a ticket, or 0 without `output`. Calls must not overlap.
    int64_t submit(const animesr_frame &prev, const animesr_frame &cur, const animesr_frame &next, bool reset,
                   bool output);

    // Save the recurrent state and return its handle; set the state to a saved one; free a saved one. Calls must not
    // overlap with each other and with `submit`.
    int64_t save();
    void restore(int64_t state);
    void drop(int64_t state) noexcept;

    // Wait for a ticket and write its planes: once per ticket, on any thread. Return false if the SR frame was found to
    // hold NaN or infinity; in RGBS nobody has looked for them.
    bool wait(int64_t ticket, const animesr_picture &out);

private:
    int64_t number_ = 0;
    animesr_settings settings_{};
};

} // namespace animesr
