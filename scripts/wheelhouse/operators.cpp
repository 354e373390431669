// Operators new and delete that are hidden in the plugin. Those of the C++ library would be exported by a library of
// macOS, whose linker in zig takes no list of exports.
#include <cstdlib>
#include <new>

namespace {

void *allocate(std::size_t size) noexcept { return std::malloc(size ? size : 1); }

void *allocate(std::size_t size, std::align_val_t alignment) noexcept {
    const auto least = static_cast<std::size_t>(alignment);
    void *memory = nullptr;
    return posix_memalign(&memory, least < sizeof(void *) ? sizeof(void *) : least, size ? size : 1) ? nullptr : memory;
}

void *require(void *memory) { return memory ? memory : throw std::bad_alloc(); }

} // namespace

void *operator new(std::size_t size) { return require(allocate(size)); }
void *operator new[](std::size_t size) { return require(allocate(size)); }
void *operator new(std::size_t size, std::align_val_t alignment) { return require(allocate(size, alignment)); }
void *operator new[](std::size_t size, std::align_val_t alignment) { return require(allocate(size, alignment)); }
void *operator new(std::size_t size, const std::nothrow_t &) noexcept { return allocate(size); }
void *operator new[](std::size_t size, const std::nothrow_t &) noexcept { return allocate(size); }
void *operator new(std::size_t size, std::align_val_t alignment, const std::nothrow_t &) noexcept {
    return allocate(size, alignment);
}
void *operator new[](std::size_t size, std::align_val_t alignment, const std::nothrow_t &) noexcept {
    return allocate(size, alignment);
}
void operator delete(void *memory) noexcept { std::free(memory); }
void operator delete[](void *memory) noexcept { std::free(memory); }
void operator delete(void *memory, std::size_t) noexcept { std::free(memory); }
void operator delete[](void *memory, std::size_t) noexcept { std::free(memory); }
void operator delete(void *memory, std::align_val_t) noexcept { std::free(memory); }
void operator delete[](void *memory, std::align_val_t) noexcept { std::free(memory); }
void operator delete(void *memory, std::size_t, std::align_val_t) noexcept { std::free(memory); }
void operator delete[](void *memory, std::size_t, std::align_val_t) noexcept { std::free(memory); }
void operator delete(void *memory, const std::nothrow_t &) noexcept { std::free(memory); }
void operator delete[](void *memory, const std::nothrow_t &) noexcept { std::free(memory); }
void operator delete(void *memory, std::align_val_t, const std::nothrow_t &) noexcept { std::free(memory); }
void operator delete[](void *memory, std::align_val_t, const std::nothrow_t &) noexcept { std::free(memory); }
