// Makes the masks that take long beside the steps, so that a step waits for none of them.
//
// One thread, started when it is first needed. Jobs take turns: each runs for a while at first, and
// for longer each time it comes again, so that a long one does not keep short ones waiting and
// little is done twice. A job that nobody holds any more is dropped, also in the middle.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <span>
#include <thread>
#include <vector>

#include "native/matcher/mask_job.h"

namespace diecast {

class MaskWorker {
 public:
  /// `on_done` is called on the worker's thread when a job is done. `before_each`, if any, before
  /// it begins with one: tests wait there.
  explicit MaskWorker(std::function<void()> on_done, std::function<void()> before_each = nullptr);
  /// Ends the thread; jobs that are not done stay so.
  ~MaskWorker();
  MaskWorker(const MaskWorker&) = delete;
  MaskWorker& operator=(const MaskWorker&) = delete;

  // Thread: one, the engine's.

  /// Makes the mask as long as the caller holds the job. One that was added already is left as it
  /// is.
  void Add(const std::shared_ptr<MaskJob>& job);
  /// Jobs that were added and may not be done.
  std::span<const std::weak_ptr<MaskJob>> jobs() const { return jobs_; }

 private:
  struct Turn {
    std::weak_ptr<MaskJob> job;
    std::chrono::milliseconds length;
  };
  void Loop();
  bool IsWantedByOthers();

  const std::function<void()> on_done_;
  const std::function<void()> before_each_;
  std::vector<std::weak_ptr<MaskJob>> jobs_;  // the engine thread's
  std::mutex mutex_;                          // guards turns_ and the change of stopping_
  std::condition_variable wake_;
  std::deque<Turn> turns_;
  std::atomic<bool> stopping_ = false;
  std::thread thread_;
};

}  // namespace diecast
