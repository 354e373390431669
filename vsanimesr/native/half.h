// Samples of half precision.
#pragma once

#include <bit>
#include <cstdint>

namespace animesr {

struct Half {
    std::uint16_t bits;
};

// The exponent of a half is 15 too large, that of a float 127: hence 2^112. The product is exact for every half.
inline float widen(Half half) {
    const std::uint32_t size = half.bits & 0x7FFFu, sign = half.bits & 0x8000u;
    return std::bit_cast<float>(sign << 16 | size << 13 | (size < 0x7C00u ? 0u : 0x7F800000u)) * 0x1p112F;
}

} // namespace animesr
