// The threads inside one forward step: a barrier whose last arrival may do a small serial job
// before all go on, and a shared counter that deals work units out, so that a thread slowed by the
// rest of the machine takes fewer.
#pragma once

#include <atomic>
#include <cstdint>

#include "native/backend/cpu/spin.h"

namespace diecast {

class StepTeam {
 public:
  explicit StepTeam(int num_threads) : num_threads_(num_threads) {}

  int num_threads() const { return num_threads_; }

  /// Returns when every thread has called it. The last one to arrive runs `serial` first and resets
  /// the unit counter.
  template <typename Serial>
  void Sync(Serial&& serial) {
    const uint32_t seen = generation_.load(std::memory_order_acquire);
    if (arrived_.fetch_add(1, std::memory_order_acq_rel) == num_threads_ - 1) {
      serial();
      arrived_.store(0, std::memory_order_relaxed);
      next_unit_.store(0, std::memory_order_relaxed);
      generation_.fetch_add(1, std::memory_order_acq_rel);
      generation_.notify_all();
    } else {
      SpinThenWait(generation_, seen);
    }
  }
  void Sync() {
    Sync([] {});
  }

  /// Calls fn(begin, end) for pieces of [0, count) of at most `piece` items until none are left.
  /// Between two Syncs all threads must ask for the same `count` and `piece`.
  template <typename Fn>
  void ForPieces(int count, int piece, Fn&& fn) {
    if (num_threads_ == 1) {
      if (count > 0) fn(0, count);
      return;
    }
    for (;;) {
      const int begin = next_unit_.fetch_add(piece, std::memory_order_relaxed);
      if (begin >= count) return;
      fn(begin, begin + piece < count ? begin + piece : count);
    }
  }

 private:
  const int num_threads_;
  alignas(64) std::atomic<uint32_t> generation_{0};
  alignas(64) std::atomic<int32_t> arrived_{0};
  alignas(64) std::atomic<int32_t> next_unit_{0};
};

}  // namespace diecast
