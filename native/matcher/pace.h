// How long the making of a mask may take. Whatever is in the making of one counts its work here, in
// units of some tens of nanoseconds, and stops where a budget ends or nobody waits any more.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <mutex>
#include <optional>
#include <utility>

namespace diecast {

/// Thread: one. What it stops has to be begun anew; only memos keep what was done.
class Pace {
 public:
  using Clock = std::chrono::steady_clock;
  /// Thrown to stop the work; whoever made the pace catches it.
  struct Stop {};

  /// Work to the end.
  Pace() = default;
  /// Work until `end`, without waiting for others.
  explicit Pace(Clock::time_point end) : end_(end) {}
  /// Work while `wanted` says so.
  explicit Pace(std::function<bool()> wanted) : wanted_(std::move(wanted)) {}

  void Tick() {
    if (--left_ == 0) Look();
  }
  /// Before work of so many units that cannot be stopped: it is not begun under a budget when it is
  /// much.
  void Foresee(size_t units) const {
    if (end_ && units > kMostUnstopped) throw Stop{};
  }
  /// Whether locks may be waited for that others hold for long.
  bool may_wait() const { return !end_; }

 private:
  static constexpr uint32_t kUnitsPerLook = 64;
  static constexpr size_t kMostUnstopped = 4096;

  void Look() {
    left_ = kUnitsPerLook;
    if ((end_ && Clock::now() >= *end_) || (wanted_ && !wanted_())) throw Stop{};
  }

  uint32_t left_ = kUnitsPerLook;
  std::optional<Clock::time_point> end_;
  std::function<bool()> wanted_;
};

/// Takes a lock that others may hold for as long as they make something. Throws Pace::Stop rather
/// than wait under a budget.
inline std::unique_lock<std::mutex> LockForMaking(std::mutex& mutex, const Pace& pace) {
  if (pace.may_wait()) return std::unique_lock(mutex);
  std::unique_lock lock(mutex, std::try_to_lock);
  if (!lock.owns_lock()) throw Pace::Stop{};
  return lock;
}

}  // namespace diecast
