// Waiting for another thread: spin while the answer is probably near, then sleep in the kernel.
#pragma once

#include <atomic>
#include <cstdint>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace diecast {

inline void CpuRelax() {
#if defined(__x86_64__)
  _mm_pause();
#elif defined(__aarch64__)
  __asm__ volatile("yield");
#endif
}

/// Rounds of CpuRelax before sleeping: 20 to 100 microseconds, as the processor's pause goes.
inline constexpr int kSpinRounds = 2000;

/// Returns once `value` differs from `old` (acquire). The writer must call notify after its store.
template <typename T>
void SpinThenWait(const std::atomic<T>& value, T old) {
  for (int i = 0; i < kSpinRounds; ++i) {
    if (value.load(std::memory_order_acquire) != old) return;
    CpuRelax();
  }
  while (value.load(std::memory_order_acquire) == old) value.wait(old, std::memory_order_acquire);
}

}  // namespace diecast
