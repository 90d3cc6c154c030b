// Tests the output text: stop strings and matches of stop patterns wherever they fall, nothing of
// them emitted, characters never cut, forced parts marked.
#include "native/engine/output_text.h"

#include <random>

#include "native/test/check.h"
#include "native/test/engine_fakes.h"

namespace {

using namespace diecast;
using test::StateSpec;

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

const auto kVocabulary = CreateVocabulary(kTokenizer, kTokenizer->vocab_size());

void AMatchIsFoundAcrossTokens() {
  // wor[a-z]*d|lo
  const auto pattern =
      test::MakeGrammar(kVocabulary, {{.literals = {{"wor", 1}, {"lo", 2}}},
                                      {.bytes = {{'a', 'c', 1}, {'d', 'd', 2}, {'e', 'z', 1}}},
                                      {.accepting = true}});
  OutputText text(kTokenizer, {"END"}, {pattern});
  std::vector<TextRun> runs;
  CHECK(!text.Push(kTokenizer->TokenId("wor"), true, &runs) && runs.empty());
  CHECK(!text.Push(' ', false, &runs) && Join(runs) == "wor ");
  CHECK(text.Push(kTokenizer->TokenId("hello"), false, &runs));
  CHECK(Join(runs) == "wor hel" && text.matched_pattern() == 0 && text.matched_stop().empty());
  CHECK(text.Flush(&runs) && Join(runs) == "wor hel");
  // Of a stop string and a match, the earlier one counts.
  for (const auto& [stop, by_pattern] : {std::pair("hel", false), {"rld", true}}) {
    OutputText both(kTokenizer, {stop}, {pattern});
    runs.clear();
    for (const int32_t id : Ids("hel world")) {
      if (both.Push(id, false, &runs)) break;
    }
    CHECK((both.matched_pattern() == 0) == by_pattern && both.matched_stop().empty() == by_pattern);
    CHECK(Join(runs) == (by_pattern ? "hel " : ""));
  }
}

void LongMatchesEndTheTextThatIsOut() {
  // x[^!]*!, over characters of two bytes
  const auto pattern =
      test::MakeGrammar(kVocabulary, {{.bytes = {{'x', 'x', 1}}},
                                      {.bytes = {{'\xc3', '\xc3', 2}, {'!', '!', 3}}},
                                      {.bytes = {{'\x80', '\xbf', 1}}},
                                      {.accepting = true}});
  OutputText text(kTokenizer, {}, {pattern});
  std::vector<TextRun> runs;
  text.Push('x', false, &runs);
  for (int i = 0; i < 5000; i++) {
    for (const uint8_t byte : {0xc3, 0xa9}) CHECK(!text.Push(byte, false, &runs));
  }
  const size_t emitted = Join(runs).size();
  CHECK(emitted == 10001 - OutputText::kMaxHeldBytes);
  CHECK(text.Push('!', false, &runs) && Join(runs).size() == emitted);
}

void PatternsThatCannotBeSearchedForAreErrors() {
  CHECK_THROWS(OutputText(kTokenizer, {}, {test::MakeGrammar(kVocabulary, {{.accepting = true}})}));
  std::vector<StateSpec> chain;  // [a-z]{600}
  for (uint32_t i = 0; i < 600; i++) chain.push_back({.bytes = {{'a', 'z', i + 1}}});
  chain.push_back({.accepting = true});
  OutputText text(kTokenizer, {}, {test::MakeGrammar(kVocabulary, chain)});
  std::vector<TextRun> runs;
  for (size_t i = 0; i < StopSearch::kMaxPlaces; i++) CHECK(!text.Push('a', false, &runs));
  CHECK_THROWS(text.Push('a', false, &runs));
}

/// A random automaton over a and b whose start is not accepting and whose states all lead to
/// acceptance; empty when there is none.
std::vector<StateSpec> RandomPattern(std::mt19937& random) {
  const size_t size = 2 + random() % 5;
  std::vector<StateSpec> states(size);
  for (size_t i = 0; i < size; i++) {
    states[i].accepting = i > 0 && random() % 3 == 0;
    for (const char letter : {'a', 'b'}) {
      if (random() % 4 > 0)
        states[i].bytes.push_back({letter, letter, static_cast<uint32_t>(random() % size)});
    }
  }
  std::vector<bool> lives(size);
  for (size_t round = 0; round <= size; round++) {
    for (size_t i = 0; i < size; i++) {
      bool live = states[i].accepting;
      for (const auto& edge : states[i].bytes) live = live || lives[edge.target];
      lives[i] = live;
    }
  }
  if (!lives[0]) return {};
  for (auto& state : states) std::erase_if(state.bytes, [&](auto& e) { return !lives[e.target]; });
  return states;
}

bool Matches(const std::vector<StateSpec>& pattern, std::string_view text) {
  size_t state = 0;
  for (const char c : text) {
    const auto& edges = pattern[state].bytes;
    const auto edge = std::find_if(edges.begin(), edges.end(), [&](auto& e) { return e.lo == c; });
    if (edge == edges.end()) return false;
    state = edge->target;
  }
  return pattern[state].accepting;
}

// After each letter, look for a match that ends there in all text so far.
void RandomPatternsAgreeWithThePlainReading() {
  std::mt19937 random(21);
  int num_found = 0;
  for (int round = 0; round < 2000; round++) {
    const auto states = RandomPattern(random);
    if (states.empty()) continue;
    const auto pattern = test::MakeGrammar(kVocabulary, states);
    if (round % 2 == 0) SetGrammarMemoBudget(*pattern, 1);
    OutputText text(kTokenizer, {}, {pattern});
    std::vector<TextRun> runs;
    std::string all, expected;
    bool found = false;
    for (int i = 0; i < 20 && !found; i++) {
      all += static_cast<char>('a' + random() % 3);
      expected = all;
      for (size_t begin = 0; begin < all.size() && !found; begin++) {
        found = Matches(states, std::string_view(all).substr(begin));
        if (found) expected = all.substr(0, begin);
      }
      CHECK(text.Push(all.back(), false, &runs) == found);
      CHECK(expected.starts_with(Join(runs)));
    }
    CHECK(text.Flush(&runs) == found && (text.matched_pattern() == 0) == found);
    CHECK(Join(runs) == expected);
    num_found += found ? 1 : 0;
  }
  CHECK(num_found > 500);
}

}  // namespace

int main() {
  AMatchIsFoundAcrossTokens();
  LongMatchesEndTheTextThatIsOut();
  PatternsThatCannotBeSearchedForAreErrors();
  RandomPatternsAgreeWithThePlainReading();
  TextBeforeAStopStringIsKept();
  AStopStringInsideATokenCutsIt();
  TheEarliestStopStringWins();
  HeldTextComesOutAtTheEnd();
  CharactersAreNeverCut();
  RandomTextsAgreeWithThePlainReading();
}
