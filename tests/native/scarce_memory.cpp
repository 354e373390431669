// A library to preload: an allocation of the plugin fails. `scarce_memory_fail_at` says which one of this thread; 0:
// none of any thread.
#include <dlfcn.h>

#include <atomic>
#include <cstdlib>
#include <cstring>
#include <new>

namespace {
std::atomic<bool> armed = false;
thread_local int countdown = 0;
int failed = 0;
} // namespace

extern "C" {
void scarce_memory_fail_at(int allocation) {
    countdown = allocation;
    armed = allocation > 0;
}
int scarce_memory_failed() { return failed; } // how many allocations have failed
}

void *operator new(std::size_t size) {
    Dl_info caller;
    if (armed && countdown > 0 && dladdr(__builtin_return_address(0), &caller) &&
        std::strstr(caller.dli_fname, "libanimesr") && --countdown == 0) {
        ++failed;
        throw std::bad_alloc();
    }
    if (void *memory = std::malloc(size ? size : 1))
        return memory;
    throw std::bad_alloc();
}

void operator delete(void *memory) noexcept { std::free(memory); }
void operator delete(void *memory, std::size_t) noexcept { std::free(memory); }
