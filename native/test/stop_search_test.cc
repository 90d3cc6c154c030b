// Tests stop patterns: matches wherever they fall, nothing of them emitted, what they may cost.
#include <algorithm>
#include <numeric>
#include <random>

#include "native/engine/output_text.h"
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
    std::vector<std::string>{"hello", " world", "END", "wor", "EN", "ab", "aab", "babbaab"});

std::vector<int32_t> Ids(std::string_view text) { return kTokenizer->Encode(text, false); }

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

/// [a-z]{count}!
std::shared_ptr<CompiledGrammar> Repeat(uint32_t count) {
  std::vector<StateSpec> chain;
  for (uint32_t i = 0; i < count; i++) chain.push_back({.bytes = {{'a', 'z', i + 1}}});
  chain.push_back({.bytes = {{'!', '!', count + 1}}});
  chain.push_back({.accepting = true});
  return test::MakeGrammar(kVocabulary, chain);
}

/// The token in which the limit of places is passed, or -1.
int32_t TokenPastTheLimit(const std::vector<std::shared_ptr<CompiledGrammar>>& patterns,
                          const std::vector<int32_t>& ids) {
  OutputText text(kTokenizer, {}, patterns);
  std::vector<TextRun> runs;
  for (size_t i = 0; i < ids.size(); i++) {
    try {
      CHECK(!text.Push(ids[i], false, &runs));
    } catch (const Error& e) {
      CHECK(e.code == ErrorCode::kGrammarTooLarge);
      return static_cast<int32_t>(i);
    }
  }
  return -1;
}

void PatternsShareOneLimitOfPlaces() {
  constexpr auto kMost = static_cast<uint32_t>(StopSearch::kMaxPlaces);
  const std::vector<int32_t> letters(5000, 'a');
  CHECK(TokenPastTheLimit({Repeat(200), Repeat(kMost - 200)}, letters) == -1);
  // From its byte 312 on the longest of these has 312 places.
  const std::vector<std::shared_ptr<CompiledGrammar>> past = {Repeat(1), Repeat(kMost - 200),
                                                              Repeat(200)};
  CHECK(TokenPastTheLimit(past, letters) == kMost - 200 - 1);
  // However the text is cut into tokens, and whatever the order of the patterns.
  const std::vector<int32_t> words(1000, kTokenizer->TokenId("hello"));
  CHECK(TokenPastTheLimit(past, words) == (kMost - 200 - 1) / 5);
  CHECK(TokenPastTheLimit({past[1], past[2], past[0]}, words) == (kMost - 200 - 1) / 5);
  CHECK(TokenPastTheLimit({past[2], past[0], past[1]}, letters) == kMost - 200 - 1);
  // Beginnings that have come to the same place count once: a*!
  const auto endless = test::MakeGrammar(
      kVocabulary, {{.bytes = {{'a', 'a', 0}, {'!', '!', 1}}}, {.accepting = true}});
  CHECK(TokenPastTheLimit(std::vector(16, endless), letters) == -1);
}

/// Patterns over a and b, whose start is not accepting and whose states all lead to acceptance;
/// empty when it came to none. Small ones may be nondeterministic. Of large ones many matches are
/// under way at once, and only a c ends them.
std::vector<StateSpec> RandomPattern(std::mt19937& random) {
  const bool large = random() % 4 == 0;
  const size_t size = large ? 20 + random() % 60 : 2 + random() % 5;
  std::vector<StateSpec> states(size);
  for (size_t i = 0; i < size; i++) {
    auto& edges = states[i].bytes;
    const auto target = [&] { return static_cast<uint32_t>(random() % size); };
    states[i].accepting = i > 0 && (large ? i == size - 1 : random() % 3 == 0);
    for (const char letter : {'a', 'b'}) {
      if (large ? random() % 16 > 0 : random() % 4 > 0) edges.push_back({letter, letter, target()});
      if (!large && random() % 8 == 0) edges.push_back({letter, letter, target()});
    }
    if (!large) continue;
    std::erase_if(edges, [&](const auto& e) { return e.target == size - 1; });
    if (random() % 3 == 0) edges.push_back({'c', 'c', static_cast<uint32_t>(size - 1)});
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

/// A deterministic pattern of many states, in which matches that are under way do not meet: dozens
/// are, in configurations whose numbers are anything.
std::vector<StateSpec> CrowdedPattern(std::mt19937& random) {
  constexpr uint32_t kSize = 1500;
  std::vector<StateSpec> states(kSize + 1);
  states[kSize].accepting = true;
  std::vector<uint32_t> targets(kSize);
  std::iota(targets.begin(), targets.end(), 0);
  for (const char letter : {'a', 'b'}) {
    std::shuffle(targets.begin(), targets.end(), random);
    for (uint32_t i = 0; i < kSize; i++) {
      if (random() % 64 > 0) states[i].bytes.push_back({letter, letter, targets[i]});
    }
  }
  for (uint32_t i = 1; i < kSize; i++) {
    if (random() % 3 == 0 || states[i].bytes.empty()) states[i].bytes.push_back({'c', 'c', kSize});
  }
  return states;
}

/// The plain reading of one pattern: the states of every beginning, apart.
class PlainSearch {
 public:
  explicit PlainSearch(std::vector<StateSpec> pattern) : pattern_(std::move(pattern)) {}
  /// Where the longest match begins that ends with this byte.
  std::optional<size_t> Push(char byte) {
    beginnings_.push_back({0});
    std::optional<size_t> first;
    for (size_t begin = beginnings_.size(); begin-- > 0;) {
      std::vector<size_t> after;
      for (const size_t state : beginnings_[begin]) {
        for (const auto& edge : pattern_[state].bytes) {
          const bool is_new = std::find(after.begin(), after.end(), edge.target) == after.end();
          if (edge.lo == byte && is_new) after.push_back(edge.target);
        }
      }
      for (const size_t state : after) {
        if (pattern_[state].accepting) first = begin;
      }
      beginnings_[begin] = after;
    }
    return first;
  }
  /// Where the earliest match begins that more text may complete.
  size_t earliest_start() const {
    size_t begin = 0;
    while (begin < beginnings_.size() && beginnings_[begin].empty()) begin++;
    return begin;
  }
  size_t num_under_way() const {
    return beginnings_.size() -
           static_cast<size_t>(std::count(beginnings_.begin(), beginnings_.end(), Set{}));
  }

 private:
  using Set = std::vector<size_t>;
  std::vector<StateSpec> pattern_;
  std::vector<Set> beginnings_;
};

// Each token is read by every pattern up to its first match in it; of these matches the one that
// begins first ends the text.
void RandomPatternsAgreeWithThePlainReading(std::mt19937& random) {
  int num_found = 0, num_crowded = 0;
  for (int round = 0; round < 3000; round++) {
    const bool is_crowded = round % 100 == 1;
    std::vector<std::shared_ptr<CompiledGrammar>> patterns;
    std::vector<PlainSearch> plain;
    for (size_t i = random() % 3 + 1; i-- > 0;) {
      const auto states = is_crowded ? CrowdedPattern(random) : RandomPattern(random);
      if (states.empty()) continue;
      plain.emplace_back(states);
      patterns.push_back(test::MakeGrammar(kVocabulary, states));
      if (round % 2 == 0) SetGrammarMemoBudget(*patterns.back(), 1);
    }
    OutputText text(kTokenizer, {}, patterns);
    std::vector<TextRun> runs;
    std::string all, expected;
    int32_t found = -1;
    size_t most_under_way = 0;
    for (int i = 0; i < (is_crowded ? 200 : 80) && found < 0; i++) {
      auto id = static_cast<int32_t>('a' + random() % 2);
      if (random() % 8 == 0) id = kTokenizer->TokenId(random() % 2 == 0 ? "aab" : "babbaab");
      if (random() % (is_crowded ? 100 : 60) == 0) id = static_cast<int32_t>('c' + random() % 2);
      const std::string_view token = kTokenizer->TokenBytes(id);
      all += token;
      size_t first = all.size();
      size_t held_from = all.size();
      for (size_t p = 0; p < plain.size(); p++) {
        std::optional<size_t> begin;
        for (size_t at = 0; at < token.size() && !begin; at++) begin = plain[p].Push(token[at]);
        if (begin && *begin < first) {
          first = *begin;
          found = static_cast<int32_t>(p);
        }
        held_from = std::min(held_from, plain[p].earliest_start());
        most_under_way = std::max(most_under_way, plain[p].num_under_way());
      }
      expected = all.substr(0, first);
      CHECK(text.Push(id, false, &runs) == (found >= 0) && text.matched_pattern() == found);
      CHECK(Join(runs) == (found >= 0 ? expected : all.substr(0, held_from)));
    }
    CHECK(text.Flush(&runs) == (found >= 0) && Join(runs) == expected);
    num_found += found >= 0 ? 1 : 0;
    num_crowded += most_under_way > 30 ? 1 : 0;
  }
  CHECK(num_found > 500 && num_crowded > 20);
}

}  // namespace

int main(int argc, char** argv) {
  const uint32_t seed = test::SeedFrom(argc, argv);
  std::printf("stop_search_test seed %u\n", seed);
  std::mt19937 random(seed);
  AMatchIsFoundAcrossTokens();
  LongMatchesEndTheTextThatIsOut();
  PatternsThatCannotBeSearchedForAreErrors();
  PatternsShareOneLimitOfPlaces();
  RandomPatternsAgreeWithThePlainReading(random);
}
