// The threads inside one forward step: a barrier whose last arrival may do a small serial job
// before all go on, and work dealt out so that a thread slowed by the rest of the machine takes
// less.
#pragma once

#include <atomic>
#include <cstdint>
#include <vector>

#include "native/backend/cpu/spin.h"

namespace diecast {

class StepTeam {
 public:
  explicit StepTeam(int num_threads)
      : num_threads_(num_threads), taken_(static_cast<size_t>(num_threads)) {}

  /// One of the team's threads, 0 to num_threads - 1.
  class Member {
   public:
    Member(StepTeam& team, int thread) : team_(team), thread_(thread) {}

    int thread() const { return thread_; }
    int num_threads() const { return team_.num_threads_; }

    /// Returns when every thread has called it. The last one to arrive runs `serial` first; the
    /// others call idle(i), i = 0, 1, …, while they wait and until it returns false.
    template <typename Serial, typename Idle>
    void Sync(Serial&& serial, Idle&& idle) {
      const uint32_t seen = team_.generation_.load(std::memory_order_acquire);
      if (team_.arrived_.fetch_add(1, std::memory_order_acq_rel) == num_threads() - 1) {
        serial();
        team_.arrived_.store(0, std::memory_order_relaxed);
        for (Taken& taken : team_.taken_) taken.items.store(0, std::memory_order_relaxed);
        team_.generation_.fetch_add(1, std::memory_order_acq_rel);
        team_.generation_.notify_all();
        return;
      }
      for (int i = 0; team_.generation_.load(std::memory_order_acquire) == seen && idle(i);) ++i;
      SpinThenWait(team_.generation_, seen);
    }
    void Sync() {
      Sync([] {}, [](int) { return false; });
    }

    /// Calls fn(begin, end) for pieces of [0, count) of at most `piece` items until none are left.
    /// Every thread has a range of its own, so that what it reads follows on what it read before,
    /// and then steals from the others'. Between two Syncs all threads must ask for the same
    /// `count` and `piece`.
    template <typename Fn>
    void ForPieces(int count, int piece, Fn&& fn) {
      for (int i = 0; i < num_threads(); ++i) {
        const int owner = (thread_ + i) % num_threads();
        const int first = RangeBegin(owner, count, piece);
        const int end = RangeBegin(owner + 1, count, piece);
        std::atomic<int32_t>& taken = team_.taken_[static_cast<size_t>(owner)].items;
        while (taken.load(std::memory_order_relaxed) < end - first) {
          const int begin = first + taken.fetch_add(piece, std::memory_order_relaxed);
          if (begin < end) fn(begin, begin + piece < end ? begin + piece : end);
        }
      }
    }
    /// Where this thread's own range begins; `count` where it has none.
    int RangeBegin(int count, int piece) const { return RangeBegin(thread_, count, piece); }

   private:
    int RangeBegin(int thread, int count, int piece) const {
      const int64_t pieces = (int64_t{count} + piece - 1) / piece;
      const int64_t begin = pieces * thread / num_threads() * piece;
      return begin < count ? static_cast<int>(begin) : count;
    }

    StepTeam& team_;
    const int thread_;
  };

 private:
  struct alignas(64) Taken {
    std::atomic<int32_t> items{0};
  };

  const int num_threads_;
  alignas(64) std::atomic<uint32_t> generation_{0};
  alignas(64) std::atomic<int32_t> arrived_{0};
  std::vector<Taken> taken_;  // of each thread's range
};

}  // namespace diecast
