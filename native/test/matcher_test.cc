// Tests the matcher against a brute-force reading of hand-made programs: masks equal stepping every
// token's bytes, whatever the memo budget; forks and rollbacks equal replays; forced tokens stop
// before a choice.
#include "native/matcher/matcher.h"

#include <algorithm>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "native/error.h"
#include "native/matcher/program_layout.h"
#include "native/test/check.h"
#include "native/test/fake_tokenizer.h"
#include "native/test/program_assembler.h"

namespace {

using namespace diecast;
using namespace diecast::layout;
using test::Assembler;
using test::Range;

/// {"name": string of 2..5 letters, "list": array of 1..3 numbers or nested objects}, compact.
std::vector<uint8_t> ObjectProgram() {
  Assembler a;
  const uint32_t counted = kRuleFlagCounted;
  // 0: object
  a.rules.push_back({0,
                     0,
                     kInfinityWord,
                     {{false, {}, {}, {{"{\"name\":", 1}}, 0, 0},
                      {false, {}, {{1, 2, 0}}, {}, 0, 0},
                      {false, {}, {}, {{",\"list\":", 3}}, 0, 0},
                      {false, {}, {{2, 4, 0}}, {}, 0, 0},
                      {false, {{Range('}', '}'), 5}}, {}, {}, 0, 0},
                      {true, {}, {}, {}, 0, 0}}});
  // 1: string of letters, counted 2..5
  a.rules.push_back({kRuleFlagLexeme | kRuleFlagShared | counted,
                     2,
                     5,
                     {{false, {{Range('"', '"'), 1}}, {}, {}, 0, kInfinityWord},
                      {false,
                       {{Range('"', '"'), 2}, {Range('a', 'z', kEdgeFlagInc), 1}},
                       {},
                       {},
                       0,
                       kInfinityWord},
                      {true, {}, {}, {}, 0, 0}}});
  // 2: array, items counted 1..3: number (3) or object (0)
  a.rules.push_back(
      {counted,
       1,
       3,
       {{false, {{Range('[', '['), 1}}, {}, {}, 1, kInfinityWord},
        {false, {}, {{3, 2, kEdgeFlagInc}, {0, 2, kEdgeFlagInc}}, {}, 1, kInfinityWord},
        {false, {{Range(',', ','), 1}, {Range(']', ']'), 3}}, {}, {}, 0, kInfinityWord},
        {true, {}, {}, {}, 0, 0}}});
  // 3: number: 0 or digits without leading zero
  a.rules.push_back({kRuleFlagLexeme | kRuleFlagShared,
                     0,
                     kInfinityWord,
                     {{false, {{Range('0', '0'), 1}, {Range('1', '9'), 2}}, {}, {}, 0, 0},
                      {true, {}, {}, {}, 0, 0},
                      {true, {{Range('0', '9'), 2}}, {}, {}, 0, 0}}});
  return a.Encode(0);
}

uint32_t Mark(uint32_t slot) { return kEdgeFlagMark | slot << kEdgeSlotShift; }

/// {"a": number, "b": number, "c": [strings of one or two of the letters a and b, all
/// different, 1..4]}, keys in any order, "a" required.
std::vector<uint8_t> RegisterProgram() {
  Assembler a;
  const uint32_t counted = kRuleFlagCounted;
  const uint32_t inf = kInfinityWord;
  // 0: object; slots 0..2, slot 0 required
  a.rules.push_back(
      {counted | kRuleFlagRegisters,
       0,
       inf,
       {{false, {{Range('{', '{'), 1}}, {}, {}, 0, inf},
        {false, {{Range('}', '}'), 9}}, {{kInfinityWord, 2, 0}}, {}, 0, inf},
        // every way on from here marks one slot
        {false,
         {},
         {{kInfinityWord, 3, Mark(0)}, {kInfinityWord, 4, Mark(1)}, {kInfinityWord, 5, Mark(2)}},
         {},
         1,
         inf},
        {false, {}, {}, {{"\"a\":", 6}}, 0, inf},
        {false, {}, {}, {{"\"b\":", 6}}, 0, inf},
        {false, {}, {}, {{"\"c\":", 7}}, 0, inf},
        {false, {}, {{1, 8, 0}}, {}, 0, inf},
        {false, {}, {{2, 8, 0}}, {}, 0, inf},
        {false, {{Range(',', ','), 2}, {Range('}', '}'), 9}}, {}, {}, 0, inf},
        {true, {}, {}, {}, 0, 0}},
       1 | 3 << 16});
  // 1: number
  a.rules.push_back({kRuleFlagLexeme | kRuleFlagShared,
                     0,
                     inf,
                     {{false, {{Range('0', '9'), 1}}, {}, {}, 0, 0},
                      {true, {{Range('0', '9'), 1}}, {}, {}, 0, 0}}});
  // 2: array of different strings
  a.rules.push_back({counted | kRuleFlagRegisters | kRuleFlagOpen,
                     1,
                     4,
                     {{false, {{Range('[', '['), 1}}, {}, {}, 1, inf},
                      {false, {}, {{3, 2, kEdgeFlagInc | kEdgeFlagUnique}}, {}, 1, inf},
                      {false, {{Range(',', ','), 1}, {Range(']', ']'), 3}}, {}, {}, 0, inf},
                      {true, {}, {}, {}, 0, 0}}});
  // 3: string, counted 1..2
  a.rules.push_back(
      {kRuleFlagLexeme | kRuleFlagShared | counted,
       1,
       2,
       {{false, {{Range('"', '"'), 1}}, {}, {}, 0, inf},
        {false, {{Range('"', '"'), 2}, {Range('a', 'b', kEdgeFlagInc), 1}}, {}, {}, 0, inf},
        {true, {}, {}, {}, 0, 0}}});
  return a.Encode(0);
}

std::shared_ptr<test::FakeTokenizer> MakeTokenizer() {
  std::vector<std::string> texts;
  for (int b = 32; b < 127; ++b) texts.emplace_back(1, static_cast<char>(b));
  for (const char* t :
       {"{\"",     "\":",        "\":\"", "\",\"", "name",     "na",      "am",     "list",
        "[1",      "[{\"",       "12",    "123",   "1,",       ",1",      "]}",     "}]}",
        "1]}",     "0]",         "},{\"", "ab",    "abc",      "abcdef",  "a\",",   "\":[",
        "\":[{\"", "b\",\"list", "},",    "1,2,3", "\",\"a\"", "a\",\"b", "\"a\":", ",\"c\":["}) {
    texts.emplace_back(t);
  }
  return std::make_shared<test::FakeTokenizer>(texts);
}

std::vector<bool> MaskBits(Matcher& m) {
  const TokenMask mask = m.NextTokenMask();
  std::vector<uint32_t> words(mask.num_words);
  mask.CopyTo(words.data());
  std::vector<bool> bits;
  int32_t count = 0;
  for (size_t i = 0; i < mask.num_words * 32; ++i) {
    bits.push_back(words[i / 32] >> (i % 32) & 1);
    CHECK(bits.back() == mask.Allows(static_cast<int32_t>(i)));
    count += bits.back();
  }
  CHECK(count == mask.num_allowed);
  return bits;
}

/// The oracle: a token is allowed when its bytes, one by one, are accepted.
std::vector<bool> OracleBits(const Matcher& m, const Tokenizer& t, size_t size) {
  std::vector<bool> bits(size, false);
  for (int32_t id = 0; id < t.vocab_size(); ++id) {
    if (t.IsSpecial(id)) {
      bits[static_cast<size_t>(id)] = m.IsComplete();
      continue;
    }
    Matcher copy = m;
    bits[static_cast<size_t>(id)] = copy.AcceptBytes(t.TokenBytes(id)) == t.TokenBytes(id).size();
  }
  return bits;
}

void TestMasksAgainstOracle(const std::vector<uint8_t>& program, size_t memo_budget,
                            uint32_t seed) {
  const auto tokenizer = MakeTokenizer();
  const auto vocabulary = CreateVocabulary(tokenizer, 0);
  const auto grammar = LoadGrammar(vocabulary, program);
  if (memo_budget != 0) SetGrammarMemoBudget(*grammar, memo_budget);
  std::mt19937 rng(seed);
  int finished = 0;
  for (int walk = 0; walk < 60; ++walk) {
    Matcher m(grammar);
    std::vector<int32_t> ids;
    for (int step = 0; step < 60 && !m.IsTerminated(); ++step) {
      const auto bits = MaskBits(m);
      CHECK(bits == OracleBits(m, *tokenizer, bits.size()));
      std::vector<int32_t> allowed;
      for (size_t i = 0; i < bits.size(); ++i) {
        if (bits[i]) allowed.push_back(static_cast<int32_t>(i));
      }
      CHECK(!allowed.empty());  // no dead end
      const int32_t id = allowed[rng() % allowed.size()];
      CHECK(m.AcceptToken(id));
      ids.push_back(id);
      if (rng() % 5 == 0) {  // rollback, then replay
        const int32_t back = static_cast<int32_t>(rng() % ids.size());
        Matcher fork = m;
        fork.Rollback(back);
        for (size_t i = ids.size() - static_cast<size_t>(back); i < ids.size(); ++i)
          CHECK(fork.AcceptToken(ids[i]));
        CHECK(MaskBits(fork) == MaskBits(m));
      }
    }
    finished += m.IsTerminated();
  }
  CHECK(finished > 10);
}

void TestForcedTokens() {
  const auto tokenizer = MakeTokenizer();
  const auto grammar = LoadGrammar(CreateVocabulary(tokenizer, 0), ObjectProgram());
  Matcher m(grammar);
  CHECK(m.ForcedBytes() == "{\"name\":\"");
  // The trailing `":"` could not be extended by an allowed token here (no token continues it with a
  // letter).
  const auto forced = m.ForcedTokens({});
  CHECK(tokenizer->Decode(forced, false) == "{\"name\":\"");
  for (const int32_t id : forced) CHECK(m.AcceptToken(id));
  CHECK(m.ForcedTokens(forced).empty());  // two to five letters: a choice
  CHECK(m.AcceptBytes("abcde") == 5);
  CHECK(m.ForcedBytes() == "\",\"list\":[");
  // `":[` could go on as `":[{"`, so it is left to the model; what is before is forced.
  const std::vector<int32_t> context = {tokenizer->TokenId("abc"), tokenizer->TokenId("d"),
                                        tokenizer->TokenId("e")};
  CHECK(tokenizer->Decode(m.ForcedTokens(context), false) == "\",\"list");
  CHECK(m.AcceptBytes("\",\"list\":[1") == 11);
  CHECK(!m.IsComplete());
  CHECK(m.AcceptBytes(",2,3]}") == 6);
  CHECK(m.IsComplete() && m.IsTerminated());
  CHECK(m.AcceptToken(tokenizer->eos_ids()[0]));
  CHECK(m.NextTokenMask().num_allowed == 0);
  m.Rollback(1);
  CHECK(m.NextTokenMask().num_allowed == 1);
}

void TestLimits() {
  const auto grammar = LoadGrammar(CreateVocabulary(MakeTokenizer(), 0), ObjectProgram());
  Matcher m(grammar);
  CHECK(m.AcceptBytes("{\"name\":\"a\"") == 10);  // below the minimum: the quote is refused
  CHECK(m.AcceptBytes("{\"name\":\"abcdef") ==
        14);  // above the maximum: the sixth letter is refused
  CHECK(m.AcceptBytes("{\"name\":\"ab\",\"list\":[]") == 21);
  CHECK(m.AcceptBytes("{\"name\":\"ab\",\"list\":[1,2,3,") == 26);
  CHECK(m.AcceptBytes("{\"name\":\"ab\",\"list\":[01") == 22);
  CHECK(m.AcceptBytes("{\"name\":\"ab\",\"list\":[{\"name\":\"xyz\",\"list\":[7]},5]}") == 50);
  CHECK(m.IsTerminated());
}

void TestRegisters() {
  const auto grammar = LoadGrammar(CreateVocabulary(MakeTokenizer(), 0), RegisterProgram());
  const auto accepts = [&](std::string_view text) {
    Matcher m(grammar);
    return m.AcceptBytes(text) == text.size() && m.IsComplete();
  };
  CHECK(accepts("{\"a\":1}"));
  CHECK(accepts("{\"b\":1,\"a\":2}"));
  CHECK(accepts("{\"c\":[\"a\",\"aa\",\"b\"],\"b\":1,\"a\":2}"));
  CHECK(!accepts("{}"));  // required key missing
  CHECK(!accepts("{\"b\":1}"));
  CHECK(!accepts("{\"a\":1,\"a\":2}"));  // the same key twice
  CHECK(!accepts("{\"c\":[\"a\",\"a\"],\"a\":2}"));
  CHECK(!accepts("{\"a\":1,\"c\":[\"a\",\"b\",\"aa\",\"bb\",\"ab\"]}"));
  // Once a, aa and ab are taken, nothing that begins with a is left: the letter itself is refused.
  Matcher m(grammar);
  CHECK(m.AcceptBytes("{\"c\":[\"a\",\"aa\",\"ab\",\"") == 21);
  CHECK(m.AcceptBytes("a") == 0);
  CHECK(m.AcceptBytes("b\"],\"a\":1}") == 10);
  CHECK(m.IsTerminated());
}

void TestTokenEdges() {
  // "x", then the special token by its id, then any token but "name", then the text "y".
  const auto tokenizer = MakeTokenizer();
  const int32_t special = tokenizer->eos_ids()[0];
  const auto name = static_cast<uint32_t>(tokenizer->TokenId("name"));
  Assembler a;
  a.rules.push_back({0,
                     0,
                     kInfinityWord,
                     {{false, {{Range('x', 'x'), 1}}, {}, {}, 0, 0},
                      {false,
                       {},
                       {},
                       {},
                       0,
                       0,
                       {{static_cast<uint32_t>(special), static_cast<uint32_t>(special), 2}}},
                      {false, {}, {}, {}, 0, 0, {{0, name - 1, 3}, {name + 1, 100000, 3}}},
                      {false, {{Range('y', 'y'), 4}}, {}, {}, 0, 0},
                      {true, {}, {}, {}, 0, 0}}});
  Matcher m(LoadGrammar(CreateVocabulary(tokenizer, 0), a.Encode(0)));
  CHECK(m.AcceptToken(tokenizer->TokenId("x")));
  CHECK(m.ForcedTokens({}) == std::vector<int32_t>{special});
  CHECK(m.NextTokenMask().num_allowed == 1);
  CHECK(m.AcceptBytes("<eos>") == 0);  // never by its text
  CHECK(m.AcceptToken(special));
  CHECK(!m.IsTerminated());
  CHECK(m.NextTokenMask().num_allowed == tokenizer->vocab_size() - 1);
  CHECK(!m.AcceptToken(static_cast<int32_t>(name)));
  CHECK(m.AcceptToken(tokenizer->TokenId("list")));
  CHECK(m.AcceptToken(tokenizer->TokenId("y")));
  CHECK(m.IsTerminated());
}

void TestMissingBytes() {
  // "x" or "é": this vocabulary has no token for the bytes of é, so that alternative is gone, and
  // alone it is refused.
  const auto vocabulary = CreateVocabulary(MakeTokenizer(), 0);
  const std::string accented = "\xc3\xa9";
  Assembler a;
  a.rules.push_back({0,
                     0,
                     kInfinityWord,
                     {{false, {{Range('x', 'x'), 1}, {0xc3 | 0xc3 << 8, 2}}, {}, {}, 0, 0},
                      {true, {}, {}, {}, 0, 0},
                      {false, {{0xa9 | 0xa9 << 8, 1}}, {}, {}, 0, 0}}});
  Matcher m(LoadGrammar(vocabulary, a.Encode(0)));
  CHECK(m.ForcedBytes() == "x");
  CHECK(m.AcceptBytes(accented) == 0);
  a.rules[0].states[0].bytes.erase(a.rules[0].states[0].bytes.begin());
  CHECK_THROWS(LoadGrammar(vocabulary, a.Encode(0)));
}

void TestCountingWithoutCounter() {
  Assembler a;
  a.rules.push_back({kRuleFlagLexeme,
                     0,
                     kInfinityWord,
                     {{false, {{Range('a', 'z', kEdgeFlagInc), 1}}, {}, {}, 0, 0},
                      {true, {{Range('a', 'z', kEdgeFlagInc), 1}}, {}, {}, 0, 0}}});
  CHECK_THROWS(LoadGrammar(CreateVocabulary(MakeTokenizer(), 0), a.Encode(0)));
}

void TestRememberingWithoutText() {
  // An epsilon edge consumes nothing, so there is no text that could be unique.
  Assembler a;
  a.rules.push_back({kRuleFlagCounted | kRuleFlagRegisters,
                     0,
                     kInfinityWord,
                     {{false, {}, {{kInfinityWord, 1, kEdgeFlagUnique}}, {}, 0, 0},
                      {false, {{Range('x', 'x'), 2}}, {}, {}, 0, 0},
                      {true, {}, {}, {}, 0, 0}}});
  CHECK_THROWS(LoadGrammar(CreateVocabulary(MakeTokenizer(), 0), a.Encode(0)));
  a.rules[0].states[0].calls[0][2] = 0;
  Matcher m(LoadGrammar(CreateVocabulary(MakeTokenizer(), 0), a.Encode(0)));
  CHECK(m.AcceptBytes("x") == 1 && m.IsTerminated());
}

// What a matcher holds stays when the memo is dropped: with a budget below that, dropping it at
// every step would bring the whole history over each time.
void TestBudgetBelowWhatIsHeld(uint32_t seed) {
  const auto grammar = LoadGrammar(CreateVocabulary(MakeTokenizer(), 0), ObjectProgram());
  SetGrammarMemoBudget(*grammar, 1);
  std::mt19937 rng(seed);
  int num_warm = 0, num_cold = 0;
  for (int walk = 0; walk < 20; ++walk) {
    Matcher m(grammar);
    while (!m.IsTerminated() && m.num_steps() < 60) {
      const auto bits = MaskBits(m);
      (m.NextTokenMask().cold ? num_cold : num_warm)++;
      std::vector<int32_t> allowed;
      for (size_t i = 0; i < bits.size(); ++i) {
        if (bits[i]) allowed.push_back(static_cast<int32_t>(i));
      }
      CHECK(m.AcceptToken(allowed[rng() % allowed.size()]));
    }
  }
  CHECK(num_warm > num_cold);
}

void TestThreads(uint32_t seed) {
  // Matchers of one grammar on several threads, with a memo that is dropped all the time.
  const auto tokenizer = MakeTokenizer();
  const auto grammar = LoadGrammar(CreateVocabulary(tokenizer, 0), RegisterProgram());
  SetGrammarMemoBudget(*grammar, 4000);
  std::vector<std::thread> threads;
  for (uint32_t t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      std::mt19937 rng(seed + t);
      for (int walk = 0; walk < 20; ++walk) {
        Matcher m(grammar);
        for (int step = 0; step < 40 && !m.IsTerminated(); ++step) {
          const auto bits = MaskBits(m);
          std::vector<int32_t> allowed;
          for (size_t i = 0; i < bits.size(); ++i) {
            if (bits[i]) allowed.push_back(static_cast<int32_t>(i));
          }
          CHECK(!allowed.empty());
          CHECK(m.AcceptToken(allowed[rng() % allowed.size()]));
          (void)m.ForcedTokens({});
        }
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
}

void TestDamagedPrograms(uint32_t seed) {
  const auto vocabulary = CreateVocabulary(MakeTokenizer(), 0);
  const auto program = ObjectProgram();
  CHECK_THROWS(LoadGrammar(vocabulary, std::span(program).subspan(0, program.size() - 4)));
  std::mt19937 rng(seed);
  int refused = 0;
  for (int i = 0; i < 3000; ++i) {
    auto damaged = program;
    for (int k = 0; k < 2; ++k) damaged[rng() % damaged.size()] = static_cast<uint8_t>(rng());
    try {
      Matcher m(LoadGrammar(vocabulary, damaged));
      m.NextTokenMask();
      m.AcceptBytes("{\"name\":\"ab\",\"list\":[1,2]}");
      m.NextTokenMask();
    } catch (const Error&) {
      ++refused;
    }
  }
  CHECK(refused > 100);
}

}  // namespace

int main() {
  const uint32_t seed = 20260101;
  std::printf("matcher_test seed %u\n", seed);
  for (const auto& program : {ObjectProgram(), RegisterProgram()}) {
    TestMasksAgainstOracle(program, 0, seed);
    TestMasksAgainstOracle(program, 1, seed + 1);  // evicts all the time
  }
  TestRegisters();
  TestForcedTokens();
  TestLimits();
  TestTokenEdges();
  TestMissingBytes();
  TestCountingWithoutCounter();
  TestRememberingWithoutText();
  TestBudgetBelowWhatIsHeld(seed);
  TestThreads(seed);
  TestDamagedPrograms(seed);
  std::printf("matcher_test ok\n");
}
