#include "interpreter.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#ifdef _WIN32
#define NOMINMAX
#define PSAPI_VERSION 2 // EnumProcessModules of kernel32, without another library
#include <windows.h>

#include <psapi.h>
#else
#include <csignal>

#include <dlfcn.h>
#include <unistd.h>
#endif

namespace animesr {

namespace {

// Python's own types, opaque here.
struct PyObject;
using PyGILState_STATE = int;

#ifdef _WIN32
void *find_in(HMODULE module, const char *name) { return reinterpret_cast<void *>(GetProcAddress(module, name)); }

// Return the library of the Python that runs in this process, or null. Another one may be loaded that does not run, for
// a program that brings its own: so all functions have to come from one library.
HMODULE find_python() {
    std::vector<HMODULE> modules(4096);
    DWORD size = 0;
    if (!EnumProcessModules(GetCurrentProcess(), modules.data(), static_cast<DWORD>(modules.size() * sizeof(HMODULE)),
                            &size))
        return nullptr;
    modules.resize(std::min(modules.size(), size / sizeof(HMODULE)));
    const auto runs = [](HMODULE module) {
        auto *is_initialized = reinterpret_cast<int (*)()>(find_in(module, "Py_IsInitialized"));
        return is_initialized && is_initialized();
    };
    const auto found = std::find_if(modules.begin(), modules.end(), runs);
    return found == modules.end() ? nullptr : *found;
}

void *find_symbol(const char *name) {
    const HMODULE python = find_python();
    return python ? find_in(python, name) : nullptr;
}
#else
void *find_symbol(const char *name) { return dlsym(RTLD_DEFAULT, name); }
#endif

// A function of the process, by name. Converts to a pointer of any function type; null if there is no such function.
struct Symbol {
    const char *name;
    template <class Function> operator Function *() const { return reinterpret_cast<Function *>(find_symbol(name)); }
};

// The functions of Python's stable ABI that are needed to import one module.
struct Python {
    int (*is_initialized)() = Symbol{"Py_IsInitialized"};
    PyGILState_STATE (*ensure_gil)() = Symbol{"PyGILState_Ensure"};
    void (*release_gil)(PyGILState_STATE) = Symbol{"PyGILState_Release"};
    PyObject *(*import_module)(const char *) = Symbol{"PyImport_ImportModule"};
    PyObject *(*get_attribute)(PyObject *, const char *) = Symbol{"PyObject_GetAttrString"};
    void *(*as_pointer)(PyObject *) = Symbol{"PyLong_AsVoidPtr"};
    void (*decrease_count)(PyObject *) = Symbol{"Py_DecRef"};
    void (*fetch_error)(PyObject **, PyObject **, PyObject **) = Symbol{"PyErr_Fetch"};
    PyObject *(*to_string)(PyObject *) = Symbol{"PyObject_Str"};
    const char *(*as_utf8)(PyObject *, intptr_t *) = Symbol{"PyUnicode_AsUTF8AndSize"};
    int (*is_exception)(PyObject *, PyObject *) = Symbol{"PyErr_GivenExceptionMatches"};
    void (*interrupt)() = Symbol{"PyErr_SetInterrupt"};
    PyObject **keyboard_interrupt = static_cast<PyObject **>(find_symbol("PyExc_KeyboardInterrupt"));

    bool is_complete() const {
        return is_initialized && ensure_gil && release_gil && import_module && get_attribute && as_pointer &&
               decrease_count && fetch_error && to_string && as_utf8 && is_exception && interrupt && keyboard_interrupt;
    }
};

// Holds the GIL while it exists.
class Gil {
public:
    explicit Gil(const Python &python) : python_(python), state_(python.ensure_gil()) {}
    ~Gil() { python_.release_gil(state_); }
    Gil(const Gil &) = delete;
    Gil &operator=(const Gil &) = delete;

private:
    const Python &python_;
    PyGILState_STATE state_;
};

struct DecreaseCount {
    const Python *python;
    void operator()(PyObject *object) const { python->decrease_count(object); }
};

// A new reference to a Python object. Needs the GIL.
class Reference : public std::unique_ptr<PyObject, DecreaseCount> {
public:
    Reference(const Python &python, PyObject *object) : unique_ptr(object, DecreaseCount{&python}) {}
};

// The import was interrupted with Ctrl-C.
struct Interrupted : std::runtime_error {
    Interrupted() : runtime_error("interrupted") {}
};

// Clear Python's pending exception and return its message. Throws Interrupted.
std::string take_error(const Python &python) {
    PyObject *type = nullptr, *value = nullptr, *traceback = nullptr;
    python.fetch_error(&type, &value, &traceback);
    const Reference owners[] = {{python, type}, {python, value}, {python, traceback}};
    if (type && python.is_exception(type, *python.keyboard_interrupt))
        throw Interrupted();
    const Reference text(python, value ? python.to_string(value) : nullptr);
    const char *utf8 = text ? python.as_utf8(text.get(), nullptr) : nullptr;
    return utf8 ? utf8 : "unknown error";
}

const animesr_bridge *import_bridge(const Python &python) {
    const Reference module(python, python.import_module("vsanimesr.bridge")); // afterwards sys.modules keeps it
    if (!module)
        throw std::runtime_error("cannot import vsanimesr.bridge (" + take_error(python) +
                                 "). Run, with the Python of this script: pip install --force-reinstall "
                                 "vapoursynth-animesr. If the package vsanimesr (vs-animesr), which has the same "
                                 "import name, is installed too, first run: pip uninstall vsanimesr");
    const Reference address(python, python.get_attribute(module.get(), "ADDRESS"));
    auto *table = address ? static_cast<const animesr_bridge *>(python.as_pointer(address.get())) : nullptr;
    if (!table)
        throw std::runtime_error("vsanimesr.bridge has no table of functions: " + take_error(python));
    if (table->abi != ANIMESR_ABI)
        throw std::runtime_error("the plugin has version " + std::to_string(ANIMESR_ABI) +
                                 " of the bridge, and the Python package version " + std::to_string(table->abi) +
                                 "; reinstall vapoursynth-animesr, one of them is old");
    return table;
}

std::shared_mutex gate; // shared: a guard exists; exclusive: the interpreter shuts down
std::atomic<bool> stopping = false;

void stop() {
    stopping = true;
    std::unique_lock wait_for_guards(gate);
}

const animesr_bridge *connect() {
    const Python python;
    if (!python.is_complete() || !python.is_initialized())
        throw std::runtime_error("no Python in this process; use the filter from a VapourSynth script (.vpy) or from "
                                 "Python");
    try {
        const Gil gil(python);
        const animesr_bridge *table = import_bridge(python);
        table->at_exit(stop);
        return table;
    } catch (const Interrupted &) {
        interrupt_python();
        throw;
    }
}

const animesr_bridge *get_bridge() {
    // Not a function-local static. Its hidden lock would be held by a thread that waits for the GIL, while the thread
    // that has the GIL waits for the hidden lock.
    static std::atomic<const animesr_bridge *> table = nullptr;
    if (!table)
        table = connect();
    return table;
}

} // namespace

// VapourSynth's Python module would swallow an exception that is pending when the filter's error reaches it. So the
// interrupt comes a moment later, if the interpreter still runs.
void interrupt_python() {
    std::thread([] {
        std::this_thread::sleep_for(std::chrono::milliseconds(200));
        const std::shared_lock lock(gate);
        if (stopping)
            return;
#ifdef _WIN32
        Python().interrupt();
#else
        kill(getpid(), SIGINT); // this also wakes a script that sleeps
#endif
    }).detach();
}

InterpreterGuard::InterpreterGuard() : lock_(gate) {
    if (stopping)
        throw std::runtime_error("Python is shutting down");
    bridge_ = get_bridge();
}

} // namespace animesr
