// Tests the output text: stop strings wherever they fall, nothing of them emitted, characters never
// cut, forced parts marked. Stop patterns: stop_search_test.cc.
#include "native/engine/output_text.h"

#include <algorithm>
#include <random>

#include "native/test/check.h"
#include "native/test/engine_fakes.h"

namespace {

using namespace diecast;

std::string Join(const std::vector<TextRun>& runs) {
  std::string text;
  for (const TextRun& run : runs) text += run.text;
  return text;
}

const auto kTokenizer = std::make_shared<const test::ByteTokenizer>(
    std::vector<std::string>{"hello", " world", "END", "wor", "EN"});

std::vector<int32_t> Ids(std::string_view text) { return kTokenizer->Encode(text, false); }

void TextBeforeAStopStringIsKept() {
  OutputText text(kTokenizer, {"STOP"});
  std::vector<TextRun> runs;
  bool stopped = false;
  for (const int32_t id : Ids("hello ST world STOP after")) {
    if (stopped) break;
    stopped = text.Push(id, false, &runs);
  }
  CHECK(stopped && text.matched_stop() == "STOP");
  CHECK(Join(runs) == "hello ST world ");
}

void AStopStringInsideATokenCutsIt() {
  OutputText text(kTokenizer, {"lo w"});
  std::vector<TextRun> runs;
  CHECK(!text.Push(kTokenizer->TokenId("hello"), false, &runs));
  CHECK(Join(runs) == "hel");
  CHECK(text.Push(kTokenizer->TokenId(" world"), true, &runs));
  CHECK(Join(runs) == "hel" && runs.size() == 1);
}

void TheEarliestStopStringWins() {
  OutputText text(kTokenizer, {"rld", "llo w", "hello world"});
  std::vector<TextRun> runs;
  CHECK(!text.Push(kTokenizer->TokenId("hello"), false, &runs));
  CHECK(text.Push(kTokenizer->TokenId(" world"), false, &runs));
  CHECK(text.matched_stop() == "hello world" && runs.empty());
}

void HeldTextComesOutAtTheEnd() {
  OutputText text(kTokenizer, {"ENDING"});
  std::vector<TextRun> runs;
  CHECK(!text.Push(kTokenizer->TokenId("END"), false, &runs));
  CHECK(runs.empty());
  CHECK(!text.Flush(&runs));
  CHECK(Join(runs) == "END" && text.matched_stop().empty());
}

void CharactersAreNeverCut() {
  OutputText text(kTokenizer, {});
  const std::string euro = "\xe2\x82\xac";
  std::vector<TextRun> runs;
  text.Push(static_cast<uint8_t>(euro[0]), false, &runs);
  text.Push(static_cast<uint8_t>(euro[1]), false, &runs);
  CHECK(runs.empty());
  text.Push(static_cast<uint8_t>(euro[2]), true, &runs);
  CHECK(runs.size() == 1 && runs[0].text == euro && runs[0].forced);
  text.Push(static_cast<uint8_t>(euro[0]), false, &runs);
  text.Flush(&runs);
  CHECK(Join(runs) == euro + "\xef\xbf\xbd");
}

/// A string over a and b: short, or long and made of repeats, so that its beginnings are in it
/// again.
std::string RandomStop(std::mt19937& random) {
  std::string stop;
  for (size_t i = random() % 4 + 1; i-- > 0;) stop += static_cast<char>('a' + random() % 2);
  if (random() % 2 == 0) return stop;
  std::string repeated;
  for (size_t i = random() % 12 + 1; i-- > 0;) repeated += stop;
  return repeated + static_cast<char>('a' + random() % 2);
}

// Random texts over few letters against the plain reading: after each token, look for any stop
// string in all text so far.
void RandomTextsAgreeWithThePlainReading(std::mt19937& random) {
  const auto tokenizer = std::make_shared<const test::ByteTokenizer>(
      std::vector<std::string>{"ab", "aab", "abababab", "bbbbbbbbbbbb"});
  int num_found = 0;
  for (int round = 0; round < 5000; round++) {
    std::vector<std::string> stops;
    for (size_t i = random() % 5; i-- > 0;) stops.push_back(RandomStop(random));
    OutputText text(tokenizer, stops);
    std::vector<TextRun> runs;
    std::string all, expected, matched;
    std::string flags;  // per byte of `all`
    bool found = false;
    // Most of the text repeats something.
    const std::string repeated = RandomStop(random);
    for (int i = 0; i < 40 && !found; i++) {
      int32_t id = 'a' + static_cast<int32_t>(random() % 3);
      if (random() % 8 == 0) id = 256 + static_cast<int32_t>(random() % 4);
      if (random() % 2 == 0) id = repeated[static_cast<size_t>(i) % repeated.size()];
      const bool forced = random() % 2 == 0;
      all += tokenizer->TokenBytes(id);
      flags.resize(all.size(), forced ? 'f' : 's');
      size_t first = std::string::npos;
      for (const auto& stop : stops) {
        if (all.find(stop) < first) matched = stop;
        first = std::min(first, all.find(stop));
      }
      found = first != std::string::npos;
      expected = all.substr(0, first);
      CHECK(text.Push(id, forced, &runs) == found);
      CHECK(expected.starts_with(Join(runs)));
      // Held is no more than what may become one.
      size_t held = 0;
      for (const auto& stop : stops) {
        for (size_t length = held + 1; length < stop.size() && length <= all.size(); length++) {
          if (all.ends_with(stop.substr(0, length))) held = length;
        }
      }
      CHECK(found || Join(runs).size() == all.size() - held);
    }
    CHECK(text.Flush(&runs) == found && text.matched_stop() == matched);
    CHECK(Join(runs) == expected);
    for (size_t at = 0; const TextRun& run : runs) {
      CHECK(!run.text.empty());
      for (size_t i = 0; i < run.text.size(); i++) CHECK((flags[at++] == 'f') == run.forced);
    }
    num_found += found ? 1 : 0;
  }
  CHECK(num_found > 1000);
}

}  // namespace

int main(int argc, char** argv) {
  const uint32_t seed = test::SeedFrom(argc, argv);
  std::printf("output_text_test seed %u\n", seed);
  std::mt19937 random(seed);
  TextBeforeAStopStringIsKept();
  AStopStringInsideATokenCutsIt();
  TheEarliestStopStringWins();
  HeldTextComesOutAtTheEnd();
  CharactersAreNeverCut();
  RandomTextsAgreeWithThePlainReading(random);
}
