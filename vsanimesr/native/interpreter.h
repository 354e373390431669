// Access to the Python side. The plugin finds Python in the running process and links no libpython, so one library
// serves every version of Python.
#pragma once

#include "bridge.h"

#include <mutex>
#include <shared_mutex>

namespace animesr {

// Let Python's main thread raise KeyboardInterrupt, once it runs Python code again. Needs no guard.
void interrupt_python();

// Gives access to the functions of `vsanimesr.bridge`, and keeps the interpreter alive while it exists. At exit the
// interpreter waits until no guard exists; after that, none can be created. The first guard imports the module.
//
//     const InterpreterGuard python;
//     python->close(session);
class InterpreterGuard {
public:
    // Called with or without the GIL. Throws std::runtime_error, with the remedy, if the process has no Python, if the
    // package cannot be imported, or if the interpreter is shutting down.
    InterpreterGuard();

    const animesr_bridge *operator->() const { return bridge_; }

private:
    std::shared_lock<std::shared_mutex> lock_;
    const animesr_bridge *bridge_;
};

} // namespace animesr
