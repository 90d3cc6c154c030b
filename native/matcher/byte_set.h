// Sets of byte values.
#pragma once

#include <array>
#include <cstdint>

namespace diecast {

using ByteSet = std::array<uint64_t, 4>;
inline bool Contains(const ByteSet& set, uint8_t byte) { return set[byte >> 6] >> (byte & 63) & 1; }
inline void Insert(ByteSet* set, uint8_t byte) { (*set)[byte >> 6] |= 1ull << (byte & 63); }
inline constexpr ByteSet kAllBytes = {~0ull, ~0ull, ~0ull, ~0ull};

}  // namespace diecast
