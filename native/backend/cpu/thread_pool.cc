// Fork-join threads: a generation counter starts a call, a countdown ends it. Waiting spins for
// some tens of microseconds (the gap between two steps of a busy engine) and then sleeps on a
// futex, so that an idle engine costs nothing.
#include "native/backend/cpu/thread_pool.h"

#include <atomic>
#include <exception>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

#include "native/backend/cpu/cpu_features.h"
#include "native/backend/cpu/spin.h"

namespace diecast {

struct ThreadPool::Impl {
  alignas(64) std::atomic<uint32_t> generation{0};
  alignas(64) std::atomic<int32_t> running{0};
  std::atomic<bool> stopping{false};
  const std::function<void(int)>* fn = nullptr;
  std::mutex failure_mutex;
  std::exception_ptr failure;
  std::vector<std::thread> threads;

  void Call(int index) {
    try {
      (*fn)(index);
    } catch (...) {
      std::lock_guard<std::mutex> lock(failure_mutex);
      if (!failure) failure = std::current_exception();
    }
  }

  void Work(int index) {
    uint32_t seen = 0;
    for (;;) {
      SpinThenWait(generation, seen);
      seen = generation.load(std::memory_order_acquire);
      if (stopping.load(std::memory_order_relaxed)) return;
      Call(index);
      if (running.fetch_sub(1, std::memory_order_acq_rel) == 1) running.notify_one();
    }
  }

  void Stop() {
    stopping.store(true, std::memory_order_relaxed);
    generation.fetch_add(1, std::memory_order_acq_rel);
    generation.notify_all();
    for (std::thread& thread : threads) thread.join();
  }
};

ThreadPool::ThreadPool(int num_threads) : impl_(std::make_unique<Impl>()) {
  const int count = num_threads > 0 ? num_threads : AvailableCores();
  try {
    for (int i = 1; i < count; ++i) impl_->threads.emplace_back([this, i] { impl_->Work(i); });
  } catch (
      ...) {  // the system refused a thread: those started must end before the pool's memory does
    impl_->Stop();
    throw;
  }
}

ThreadPool::~ThreadPool() { impl_->Stop(); }

int ThreadPool::num_threads() const { return static_cast<int>(impl_->threads.size()) + 1; }

void ThreadPool::Run(const std::function<void(int)>& fn) {
  Impl& pool = *impl_;
  pool.fn = &fn;
  pool.running.store(static_cast<int32_t>(pool.threads.size()), std::memory_order_relaxed);
  pool.generation.fetch_add(1, std::memory_order_acq_rel);
  pool.generation.notify_all();
  pool.Call(0);
  for (;;) {
    const int32_t left = pool.running.load(std::memory_order_acquire);
    if (left == 0) break;
    SpinThenWait(pool.running, left);
  }
  pool.fn = nullptr;
  if (pool.failure) {
    std::exception_ptr failure = std::exchange(pool.failure, nullptr);
    std::rethrow_exception(failure);
  }
}

}  // namespace diecast
