// Tests what the engine counts and traces: histograms agree with counters and finish records, a
// trace that lags drops events and says so, and what it has written are whole lines at any time.
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>
#include <sstream>
#include <thread>

#include "native/engine/engine.h"
#include "native/engine/step_trace.h"
#include "native/test/check.h"
#include "native/test/engine_fakes.h"

namespace {

using namespace diecast;

void HistogramBoundsDouble() {
  Histogram histogram;
  for (const double value : {0.0, 0.5, 1.0, 1.5, 2.0, 2.5, 3.0, 4.0, 4.001, 1e30})
    histogram.Add(value);
  CHECK(histogram.counts()[0] == 3);  // up to 1
  CHECK(histogram.counts()[1] == 2);  // up to 2
  CHECK(histogram.counts()[2] == 3);  // up to 4
  CHECK(histogram.counts()[3] == 1);  // up to 8
  CHECK(histogram.counts()[Histogram::kNumBuckets - 1] == 1);
  CHECK(histogram.count() == 10);
  CHECK(Histogram::UpperBound(0) == 1 && Histogram::UpperBound(3) == 8);
  std::mt19937_64 random(4);
  for (int i = 0; i < 10000; i++) {
    const double value = std::ldexp(std::generate_canonical<double, 53>(random), random() % 27);
    Histogram one;
    one.Add(value);
    size_t bucket = 0;
    while (one.counts()[bucket] == 0) bucket++;
    CHECK(value <= Histogram::UpperBound(bucket));
    CHECK(bucket == 0 || value > Histogram::UpperBound(bucket - 1));
    CHECK(one.sum() == value);
  }
}

std::string FreshPath(const char* name) {
  const auto folder = std::filesystem::temp_directory_path();
  return (folder / (std::string("diecast-") + name + "-" + std::to_string(std::random_device{}())))
      .string();
}

std::vector<std::string> LinesOf(const std::string& path) {
  std::ifstream file(path);
  std::vector<std::string> lines;
  for (std::string line; std::getline(file, line);) lines.push_back(line);
  return lines;
}

void ATraceHasOneEventALine() {
  const std::string path = FreshPath("trace");
  {
    StepTrace trace(path);
    const auto begin = StepTrace::Clock::now();
    trace.Begin("request", 7, begin);
    trace.Span("plan", begin, begin + std::chrono::nanoseconds(1500), {{"rows", 2}, {"tokens", 3}});
    trace.End("request", 7, begin, {}, "stop");
    // A reader, or a process that is killed now, finds whole lines without the array's end.
    for (int i = 0; i < 500 && LinesOf(path).size() < 6; i++)
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    const auto lines = LinesOf(path);
    CHECK(lines.size() == 6 && lines[0] == "[");
    for (size_t i = 1; i < lines.size(); i++) CHECK(lines[i][0] == '{' && lines[i].ends_with("},"));
    CHECK(lines[4].find(R"("dur":1.500,"args":{"rows":2,"tokens":3})") != std::string::npos);
    CHECK(lines[5].find(R"("id":7,"args":{"reason":"stop"})") != std::string::npos);
  }
  const auto lines = LinesOf(path);
  CHECK(lines.size() == 7 && lines.back().ends_with("}]"));
  std::filesystem::remove(path);
}

void EventsThatFindNoRoomAreCounted() {
  const std::string path = FreshPath("drops");
  constexpr size_t kEvents = 100'000;
  {
    StepTrace trace(path, 16);
    const auto now = StepTrace::Clock::now();
    for (size_t i = 0; i < kEvents; i++) trace.Span("plan", now, now);
  }
  size_t written = 0, dropped = 0;
  for (const std::string& line : LinesOf(path)) {
    if (line.starts_with(R"({"name":"plan")")) written++;
    const size_t at = line.find(R"("count":)");
    if (at != std::string::npos) dropped += std::stoul(line.substr(at + 8));
  }
  CHECK(written >= 16 && dropped > 0 && written + dropped == kEvents);
  std::filesystem::remove(path);
}

void AFileThatCannotBeWrittenIsAnError() { CHECK_THROWS(StepTrace("/nowhere/at/all/trace.json")); }

void HistogramsAgreeWithCountersAndRecords() {
  const std::string path = FreshPath("engine");
  const auto tokenizer = std::make_shared<const test::ByteTokenizer>();
  const auto vocabulary = CreateVocabulary(tokenizer, tokenizer->vocab_size());
  const auto grammar = test::MakeGrammar(vocabulary, {{.literals = {{"begin ", 1}}},
                                                      {.bytes = {{'a', 'z', 1}, {'.', '.', 2}}},
                                                      {.accepting = true}});
  constexpr int32_t kRequests = 60;
  std::vector<FinishRecord> records;
  EngineStats stats;
  {
    EngineOptions options{.max_batch = 4, .kv_tokens = 160, .step_tokens = 24};
    options.trace_path = path;
    Engine engine(std::make_unique<test::FakeModel>(tokenizer->vocab_size(), 256), tokenizer,
                  options, [] {});
    for (int32_t id = 0; id < kRequests; id++) {
      Request request;
      request.id = 2 * id;
      request.prompt =
          tokenizer->Encode(std::string(static_cast<size_t>(10 + id % 20), 'p'), false);
      request.max_tokens = 5 + id % 60;
      request.sampling.seed = static_cast<uint64_t>(id);
      request.ignore_eos = true;
      if (id % 3 == 0) request.grammar = grammar;
      if (id % 10 == 1) request.num_choices = 2;
      engine.Submit(request);
      if (id % 7 == 0) engine.Cancel(2 * id);
    }
    engine.Cancel(0);
    while (records.size() < kRequests + kRequests / 10) {
      const auto finished = engine.TakeEvents().finished;
      records.insert(records.end(), finished.begin(), finished.end());
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    engine.Stop();
    stats = engine.stats();
  }
  int64_t output = 0, forced = 0, retractions = 0;
  for (const FinishRecord& record : records) {
    output += record.completion_tokens;
    forced += record.forced_tokens;
    retractions += record.retractions;
  }
  const EngineHistograms& h = stats.histograms;
  const auto ended = static_cast<int64_t>(records.size());
  for (const Histogram* of_ended : {&h.output_tokens, &h.forced_tokens, &h.retractions})
    CHECK(of_ended->count() == ended);
  CHECK(ended == stats.submitted && ended == stats.finished + stats.failed + stats.cancelled);
  CHECK(h.output_tokens.sum() == static_cast<double>(output));
  CHECK(output == stats.sampled_tokens + stats.forced_tokens);
  CHECK(h.forced_tokens.sum() == static_cast<double>(forced) && forced == stats.forced_tokens);
  CHECK(h.retractions.sum() == static_cast<double>(retractions) &&
        retractions == stats.retractions && retractions > 0);
  CHECK(h.cached_tokens.sum() == static_cast<double>(stats.cached_tokens));
  CHECK(h.step_tokens.sum() == static_cast<double>(stats.forward_tokens));
  CHECK(h.step_tokens.count() == stats.forward_passes);
  CHECK(h.step_rows.count() == stats.forward_passes);
  CHECK(h.mask_us.sum() == stats.mask_us && h.mask_us.count() == stats.steps);
  CHECK(h.forward_us.sum() == stats.forward_us && h.forward_us.count() == stats.steps);
  CHECK(h.gap_us.sum() == stats.gap_us && h.gap_us.count() > 0 && h.gap_us.count() < stats.steps);
  CHECK(h.first_token_us.count() <= ended && h.first_token_us.count() > 0);
  h.ForEach([](const char*, const Histogram& histogram) {
    int64_t count = 0;
    for (const int64_t in_bucket : histogram.counts()) count += in_bucket;
    CHECK(count == histogram.count());
  });
  // Each part of a request's life that begins ends.
  int64_t begun = 0, over = 0, requests = 0;
  for (const std::string& line : LinesOf(path)) {
    CHECK(line.find("dropped") == std::string::npos);
    begun += line.find(R"("ph":"b")") != std::string::npos ? 1 : 0;
    over += line.find(R"("ph":"e")") != std::string::npos ? 1 : 0;
    requests += line.find(R"({"name":"request")") != std::string::npos ? 1 : 0;
  }
  CHECK(begun == over && requests == 2 * ended);
  std::filesystem::remove(path);
}

}  // namespace

int main() {
  HistogramBoundsDouble();
  ATraceHasOneEventALine();
  EventsThatFindNoRoomAreCounted();
  AFileThatCannotBeWrittenIsAnError();
  HistogramsAgreeWithCountersAndRecords();
}
