// Fork-join pool of the CPU backend: one call runs a function on every thread and returns when all
// are done.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>

namespace diecast {

class ThreadPool {
 public:
  /// `num_threads` <= 0 means the number of physical cores available to the process. The caller's
  /// thread is one of them.
  explicit ThreadPool(int num_threads);
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  int num_threads() const;
  /// Runs fn(thread_index) for every index in [0, num_threads), the caller taking index 0. Threads
  /// spin briefly between calls, then sleep. Thread: one Run at a time.
  void Run(const std::function<void(int)>& fn);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace diecast
