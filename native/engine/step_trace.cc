#include "native/engine/step_trace.h"

#include <algorithm>
#include <cerrno>
#include <cinttypes>
#include <system_error>

#include "native/error.h"

namespace diecast {
namespace {

constexpr auto kWriteEvery = std::chrono::milliseconds(20);

template <typename... Values>
void Print(std::string* text, const char* format, Values... values) {
  char buffer[256];
  const int length = std::snprintf(buffer, sizeof buffer, format, values...);
  text->append(buffer, static_cast<size_t>(std::clamp(length, 0, int{sizeof buffer} - 1)));
}

// Microseconds, as the format wants them.
void PrintMicros(std::string* text, const char* name, int64_t ns) {
  Print(text, ",\"%s\":%" PRId64 ".%03d", name, ns / 1000, static_cast<int>(ns % 1000));
}

}  // namespace

StepTrace::StepTrace(const std::string& path, size_t capacity)
    : ring_(std::max<size_t>(1, capacity)), file_(std::fopen(path.c_str(), "wb")) {
  if (file_ == nullptr) {
    throw Error(ErrorCode::kInvalidArgument, "the trace file " + path + " cannot be written: " +
                                                 std::generic_category().message(errno));
  }
  writer_ = std::thread([this] { Write(); });
}

StepTrace::~StepTrace() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_one();
  writer_.join();
  std::fclose(file_);
}

void StepTrace::Span(const char* name, Clock::time_point begin, Clock::time_point end,
                     std::initializer_list<TraceArg> args) {
  Add({.name = name,
       .reason = nullptr,
       .args = {},
       .num_args = 0,
       .begin_ns = Since(begin),
       .duration_ns = Since(end) - Since(begin),
       .id = 0,
       .type = 'X'},
      args);
}

void StepTrace::Begin(const char* name, int32_t id, Clock::time_point at) {
  Add({.name = name,
       .reason = nullptr,
       .args = {},
       .num_args = 0,
       .begin_ns = Since(at),
       .duration_ns = 0,
       .id = id,
       .type = 'b'},
      {});
}

void StepTrace::End(const char* name, int32_t id, Clock::time_point at,
                    std::initializer_list<TraceArg> args, const char* reason) {
  Add({.name = name,
       .reason = reason,
       .args = {},
       .num_args = 0,
       .begin_ns = Since(at),
       .duration_ns = 0,
       .id = id,
       .type = 'e'},
      args);
}

void StepTrace::Add(Event event, std::initializer_list<TraceArg> args) {
  const uint64_t at = added_.load(std::memory_order_relaxed);
  if (at - written_.load(std::memory_order_acquire) >= ring_.size()) {
    dropped_.fetch_add(1, std::memory_order_relaxed);
    return;
  }
  event.num_args = std::min(args.size(), kMaxArgs);
  std::copy_n(args.begin(), event.num_args, event.args.begin());
  ring_[at % ring_.size()] = event;
  added_.store(at + 1, std::memory_order_release);
}

int64_t StepTrace::Since(Clock::time_point at) const {
  return std::max<int64_t>(
      0, std::chrono::duration_cast<std::chrono::nanoseconds>(at - start_).count());
}

void StepTrace::Write() {
  std::string text =
      "[\n"
      R"({"name":"process_name","ph":"M","pid":1,"tid":1,"args":{"name":"diecast"}},)"
      "\n"
      R"({"name":"thread_name","ph":"M","pid":1,"tid":1,"args":{"name":"engine"}},)"
      "\n";
  for (bool stopping = false; !stopping;) {
    {
      std::unique_lock lock(mutex_);
      stopping = wake_.wait_for(lock, kWriteEvery, [this] { return stopping_; });
    }
    Drain(&text);
    if (stopping)
      text += R"({"name":"end","ph":"M","pid":1,"tid":1,"args":{}}])"
              "\n";
    // Whole lines; what a full disk refuses is lost, and the engine goes on.
    if (!text.empty()) std::fwrite(text.data(), 1, text.size(), file_);
    std::fflush(file_);
    text.clear();
  }
}

void StepTrace::Drain(std::string* text) {
  const uint64_t end = added_.load(std::memory_order_acquire);
  for (uint64_t at = written_.load(std::memory_order_relaxed); at < end; at++) {
    Format(ring_[at % ring_.size()], text);
    written_.store(at + 1, std::memory_order_release);
  }
  const int64_t drops = dropped_.load(std::memory_order_relaxed);
  if (drops == reported_drops_) return;
  *text += R"({"name":"dropped events","ph":"i","s":"g","pid":1,"tid":1)";
  PrintMicros(text, "ts", Since(Clock::now()));
  Print(text, ",\"args\":{\"count\":%" PRId64 "}},\n", drops - reported_drops_);
  reported_drops_ = drops;
}

void StepTrace::Format(const Event& event, std::string* text) {
  const bool of_request = event.type != 'X';
  Print(text, R"({"name":"%s","cat":"%s","ph":"%c","pid":1,"tid":1)", event.name,
        of_request ? "request" : "step", event.type);
  PrintMicros(text, "ts", event.begin_ns);
  if (of_request) {
    Print(text, ",\"id\":%" PRId32, event.id);
  } else {
    PrintMicros(text, "dur", event.duration_ns);
  }
  *text += ",\"args\":{";
  const char* separator = "";
  if (event.reason != nullptr) {
    Print(text, R"("reason":"%s")", event.reason);
    separator = ",";
  }
  for (size_t i = 0; i < event.num_args; i++) {
    Print(text, "%s\"%s\":%" PRId64, separator, event.args[i].name, event.args[i].value);
    separator = ",";
  }
  *text += "}},\n";
}

}  // namespace diecast
