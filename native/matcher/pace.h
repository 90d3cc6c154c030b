// How much work a mask or a step along a grammar may be. Whatever is in the making of one counts
// its work here, in units of some tens of nanoseconds, and stops where a budget ends or nobody
// waits any more. Steps have a limit of units and none of time: what a request may do does not
// depend on how busy the machine is.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
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

  /// Units that one step along a grammar may be: some tens of milliseconds. On the schemas of
  /// MaskBench no step is more than a twentieth of it.
  static constexpr int64_t kMostOfStep = 2'000'000;

  /// Work to the end.
  Pace() = default;
  /// Work until `end`, without waiting for others.
  explicit Pace(Clock::time_point end) : end_(end) {}
  /// Work while `wanted` says so.
  explicit Pace(std::function<bool()> wanted) : wanted_(std::move(wanted)) {}
  /// Work of at most kMostOfStep units, more throws Error{kGrammarTooLarge}; all of it counts for
  /// `outer` (may be null), too.
  static Pace OfStep(Pace* outer = nullptr) {
    Pace pace;
    pace.most_ = kMostOfStep;
    pace.outer_ = outer;
    return pace;
  }

  void Tick(size_t units = 1) {
    left_ -= static_cast<int64_t>(units);
    if (left_ <= 0) Look();
  }
  /// Units so far.
  int64_t spent() const { return looked_at_ + kUnitsPerLook - left_; }
  /// Before work of so many units that cannot be stopped: it is not begun under a budget when it is
  /// much.
  void Foresee(size_t units) const {
    if (end_ && units > kMostUnstopped) throw Stop{};
  }
  /// Whether locks may be waited for that others hold for long.
  bool may_wait() const { return !end_; }

 private:
  static constexpr int64_t kUnitsPerLook = 64;
  static constexpr size_t kMostUnstopped = 4096;

  void Look() {
    const int64_t units = kUnitsPerLook - left_;
    looked_at_ += units;
    left_ = kUnitsPerLook;
    if (looked_at_ > most_) FailTooMuchWork();
    if (outer_ != nullptr) outer_->Tick(static_cast<size_t>(units));
    if ((end_ && Clock::now() >= *end_) || (wanted_ && !wanted_())) throw Stop{};
  }
  [[noreturn]] static void FailTooMuchWork();

  int64_t left_ = kUnitsPerLook;  // until the next look
  int64_t looked_at_ = 0;         // units at the last one
  int64_t most_ = std::numeric_limits<int64_t>::max();
  Pace* outer_ = nullptr;
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
