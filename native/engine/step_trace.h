// Writes what the engine does, and when, to a file in Chrome's trace format, which browsers'
// tracing pages and Perfetto show.
//
// The engine's thread puts events into a ring of fixed size and never waits: when the writer lags,
// events are dropped, and the file says how many. A thread of the trace's own formats and writes
// them. The file is a JSON array with an event a line; a process that is killed leaves it without
// the end, which viewers accept.
#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <initializer_list>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace diecast {

/// A number that an event carries. Names are literals.
struct TraceArg {
  const char* name;
  int64_t value;
};

class StepTrace {
 public:
  using Clock = std::chrono::steady_clock;

  /// Begins a new file. Throws Error{kInvalidArgument} when it cannot be written.
  explicit StepTrace(const std::string& path, size_t capacity = size_t{1} << 14);
  /// Writes what is left, and the array's end.
  ~StepTrace();
  StepTrace(const StepTrace&) = delete;
  StepTrace& operator=(const StepTrace&) = delete;

  // Thread: one, the engine's. `name`, `reason` and the names of `args` are literals.

  /// Something that took time. Add what is inside before what is around it.
  void Span(const char* name, Clock::time_point begin, Clock::time_point end,
            std::initializer_list<TraceArg> args = {});
  /// A part of the life of request `id`. Parts nest: what began last ends first.
  void Begin(const char* name, int32_t id, Clock::time_point at);
  void End(const char* name, int32_t id, Clock::time_point at,
           std::initializer_list<TraceArg> args = {}, const char* reason = nullptr);

  static constexpr size_t kMaxArgs = 5;

 private:
  struct Event {
    const char* name;
    const char* reason;  ///< or null
    std::array<TraceArg, kMaxArgs> args;
    size_t num_args;
    int64_t begin_ns, duration_ns;  ///< since the trace's start
    int32_t id;                     ///< of a request
    char type;                      ///< of the format: X, b or e
  };
  void Add(Event event, std::initializer_list<TraceArg> args);
  int64_t Since(Clock::time_point at) const;
  void Write();
  /// Formats what the ring holds.
  void Drain(std::string* text);
  static void Format(const Event& event, std::string* text);

  const Clock::time_point start_ = Clock::now();
  std::vector<Event> ring_;
  std::atomic<uint64_t> added_ = 0;    // by the engine's thread
  std::atomic<uint64_t> written_ = 0;  // by the writer
  std::atomic<int64_t> dropped_ = 0;
  int64_t reported_drops_ = 0;
  std::FILE* file_;
  std::mutex mutex_;
  std::condition_variable wake_;
  bool stopping_ = false;  // guarded by mutex_
  std::thread writer_;     // last, so that it starts when all else is there
};

}  // namespace diecast
