// Tests the output text: stop strings wherever they fall, nothing of a stop string emitted,
// characters never cut, forced parts marked.
#include "native/engine/output_text.h"

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

const auto kTokenizer = std::make_shared<const test::FakeTokenizer>(
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

// Random texts over few letters against the plain reading: after each token, look for any stop
// string in all text so far.
void RandomTextsAgreeWithThePlainReading() {
  std::mt19937 random(20);
  for (int round = 0; round < 3000; round++) {
    std::vector<std::string> stops;
    for (size_t i = random() % 4; i-- > 0;) {
      std::string stop;
      for (size_t j = random() % 4 + 1; j-- > 0;) stop += static_cast<char>('a' + random() % 2);
      stops.push_back(stop);
    }
    OutputText text(kTokenizer, stops);
    std::vector<TextRun> runs;
    std::string all, expected, expected_flags;
    std::string flags;  // per byte of `all`
    bool found = false;
    for (int i = 0; i < 12 && !found; i++) {
      const char letter = static_cast<char>('a' + random() % 3);
      const bool forced = random() % 2 == 0;
      all += letter;
      flags += forced ? 'f' : 's';
      size_t first = std::string::npos;
      for (const auto& stop : stops) first = std::min(first, all.find(stop));
      found = first != std::string::npos;
      expected = all.substr(0, first);
      CHECK(text.Push(letter, forced, &runs) == found);
      CHECK(expected.starts_with(Join(runs)));
    }
    CHECK(text.Flush(&runs) == found);
    CHECK(Join(runs) == expected);
    for (size_t at = 0; const TextRun& run : runs) {
      CHECK(!run.text.empty());
      for (size_t i = 0; i < run.text.size(); i++) CHECK((flags[at++] == 'f') == run.forced);
    }
  }
}

}  // namespace

int main() {
  TextBeforeAStopStringIsKept();
  AStopStringInsideATokenCutsIt();
  TheEarliestStopStringWins();
  HeldTextComesOutAtTheEnd();
  CharactersAreNeverCut();
  RandomTextsAgreeWithThePlainReading();
}
