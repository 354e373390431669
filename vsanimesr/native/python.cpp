#include "python.h"

#include <atomic>
#include <mutex>
#include <shared_mutex>
#include <stdexcept>
#include <string>

#ifdef _WIN32
#include <windows.h>

#include <psapi.h>
#else
#include <dlfcn.h>
#endif

namespace animesr {

namespace {

// Python's own types, opaque here.
struct PyObject;
using PyGILState_STATE = int;

void *symbol(const char *name) {
#ifdef _WIN32
    HMODULE modules[1024];
    DWORD size = 0;
    if (EnumProcessModules(GetCurrentProcess(), modules, sizeof modules, &size))
        for (DWORD i = 0; i < size / sizeof(HMODULE) && i < 1024; ++i)
            if (void *found = reinterpret_cast<void *>(GetProcAddress(modules[i], name)))
                return found;
    return nullptr;
#else
    return dlsym(RTLD_DEFAULT, name);
#endif
}

template <class Function> Function *function(const char *name) {
    return reinterpret_cast<Function *>(symbol(name));
}

// The part of Python's stable ABI that it takes to import one module.
struct Python {
    int (*is_initialized)() = function<int()>("Py_IsInitialized");
    PyGILState_STATE (*ensure)() = function<PyGILState_STATE()>("PyGILState_Ensure");
    void (*release)(PyGILState_STATE) = function<void(PyGILState_STATE)>("PyGILState_Release");
    PyObject *(*import)(const char *) = function<PyObject *(const char *)>("PyImport_ImportModule");
    PyObject *(*attribute)(PyObject *, const char *) = function<PyObject *(PyObject *, const char *)>("PyObject_GetAttrString");
    void *(*pointer)(PyObject *) = function<void *(PyObject *)>("PyLong_AsVoidPtr");
    void (*unreference)(PyObject *) = function<void(PyObject *)>("Py_DecRef");
    void (*fetch)(PyObject **, PyObject **, PyObject **) = function<void(PyObject **, PyObject **, PyObject **)>("PyErr_Fetch");
    PyObject *(*text)(PyObject *) = function<PyObject *(PyObject *)>("PyObject_Str");
    const char *(*utf8)(PyObject *, intptr_t *) = function<const char *(PyObject *, intptr_t *)>("PyUnicode_AsUTF8AndSize");

    bool complete() const {
        return is_initialized && ensure && release && import && attribute && pointer && unreference && fetch && text && utf8;
    }
};

// Takes the pending exception and returns its text.
std::string exception(const Python &python) {
    PyObject *type = nullptr, *value = nullptr, *traceback = nullptr;
    python.fetch(&type, &value, &traceback);
    std::string message = "unknown error";
    if (PyObject *text = value ? python.text(value) : nullptr) {
        if (const char *utf8 = python.utf8(text, nullptr))
            message = utf8;
        python.unreference(text);
    }
    for (PyObject *object : {type, value, traceback})
        if (object)
            python.unreference(object);
    return message;
}

const animesr_bridge *import_bridge(const Python &python) {
    PyObject *module = python.import("vsanimesr.bridge");
    if (!module)
        throw std::runtime_error("cannot import vsanimesr.bridge (" + exception(python) +
                                 "); install vapoursynth-animesr into the Python that runs this script");
    PyObject *address = python.attribute(module, "ADDRESS");
    auto *table = address ? static_cast<const animesr_bridge *>(python.pointer(address)) : nullptr;
    std::string problem = table ? "" : exception(python);
    if (address)
        python.unreference(address);
    python.unreference(module); // sys.modules keeps it
    if (!table)
        throw std::runtime_error("vsanimesr.bridge has no table of functions: " + problem);
    if (table->abi != ANIMESR_ABI)
        throw std::runtime_error("the plugin speaks version " + std::to_string(ANIMESR_ABI) + " of the bridge and vsanimesr version " +
                                 std::to_string(table->abi) + "; reinstall vapoursynth-animesr, one of them is old");
    return table;
}

std::shared_mutex gate; // shared: a call into Python is under way; exclusive: the interpreter goes
std::atomic<bool> stopping = false;

void stop() {
    stopping = true;
    std::unique_lock wait_for_calls(gate);
}

const animesr_bridge *connect() {
    const Python python;
    if (!python.complete() || !python.is_initialized())
        throw std::runtime_error("no Python in this process; use the filter from a VapourSynth script (.vpy) or from Python");
    const PyGILState_STATE state = python.ensure();
    try {
        const animesr_bridge *table = import_bridge(python);
        table->at_exit(stop);
        python.release(state);
        return table;
    } catch (...) {
        python.release(state);
        throw;
    }
}

} // namespace

const animesr_bridge &bridge() {
    // Not a function-local static: its guard would be held while waiting for the GIL, by a thread that another one, which
    // has the GIL, is waiting for.
    static std::atomic<const animesr_bridge *> table = nullptr;
    if (!table)
        table = connect();
    return *table;
}

Call::Call() {
    gate.lock_shared();
    if (stopping) {
        gate.unlock_shared();
        throw std::runtime_error("Python is shutting down");
    }
}

Call::~Call() { gate.unlock_shared(); }

} // namespace animesr
