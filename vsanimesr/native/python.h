// The Python side, found in the running process: the plugin links no libpython, so one library serves every version.
#pragma once

#include "bridge.h"

namespace animesr {

// The functions of `vsanimesr.bridge`, imported on the first call. Throws std::runtime_error, with the remedy, in a process
// without Python or where the package cannot be imported. Called without the GIL or with it.
const animesr_bridge &bridge();

// Holds the interpreter open for the calls made while it lives. Every call through the bridge needs one: at its exit
// the interpreter first waits for those that are open and lets no further one in.
class Call {
public:
    Call(); // throws std::runtime_error once the interpreter is shutting down
    ~Call();
    Call(const Call &) = delete;
    Call &operator=(const Call &) = delete;
};

} // namespace animesr
