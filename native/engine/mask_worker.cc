#include "native/engine/mask_worker.h"

#include <utility>

namespace diecast {
namespace {

using Clock = std::chrono::steady_clock;

/// Nearly every mask is done in its first turn.
constexpr std::chrono::milliseconds kFirstTurn{8};
/// Each turn is so many times as long as the one before.
constexpr int kGrowth = 4;

}  // namespace

MaskWorker::MaskWorker(std::function<void()> on_done, std::function<void()> before_each)
    : on_done_(std::move(on_done)), before_each_(std::move(before_each)) {}

MaskWorker::~MaskWorker() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_one();
  if (thread_.joinable()) thread_.join();
}

void MaskWorker::Add(const std::shared_ptr<MaskJob>& job) {
  bool known = false;
  std::erase_if(jobs_, [&](const std::weak_ptr<MaskJob>& weak) {
    const auto other = weak.lock();
    known |= other == job;
    return other == nullptr || other->done();
  });
  if (known) return;
  if (!thread_.joinable()) thread_ = std::thread([this] { Loop(); });
  jobs_.push_back(job);
  {
    const std::lock_guard lock(mutex_);
    turns_.push_back({job, kFirstTurn});
  }
  wake_.notify_one();
}

bool MaskWorker::IsWantedByOthers() {
  const std::lock_guard lock(mutex_);
  return !turns_.empty();
}

void MaskWorker::Loop() {
  for (;;) {
    Turn turn;
    {
      std::unique_lock lock(mutex_);
      wake_.wait(lock, [this] { return stopping_ || !turns_.empty(); });
      if (stopping_) return;
      turn = std::move(turns_.front());
      turns_.pop_front();
    }
    const std::shared_ptr<MaskJob> job = turn.job.lock();
    if (job == nullptr) continue;
    if (before_each_ != nullptr) before_each_();
    const auto end = Clock::now() + turn.length;
    const bool done = job->Run([&] {
      return !stopping_ && job.use_count() > 1 && (Clock::now() < end || !IsWantedByOthers());
    });
    if (done) {
      on_done_();
      continue;
    }
    const std::lock_guard lock(mutex_);
    turns_.push_back({job, turn.length * kGrowth});
  }
}

}  // namespace diecast
