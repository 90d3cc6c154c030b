// Tests the limit of work of a step along a grammar: whoever exceeds it gets an error and nothing
// else changes, whatever the memo knows; and that bringing a history over to another memo costs
// what it holds.
#include <algorithm>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "native/error.h"
#include "native/matcher/compiled_grammar.h"
#include "native/matcher/matcher.h"
#include "native/matcher/program_layout.h"
#include "native/test/check.h"
#include "native/test/fake_tokenizer.h"
#include "native/test/program_assembler.h"

namespace {

using namespace diecast;
using test::Assembler;
using test::Range;
using StateSpec = Assembler::StateSpec;

const auto kTokenizer = std::make_shared<const test::ByteTokenizer>(
    std::vector<std::string>{"ta", "taa", "=aa", "xyz"});

/// So many states with edges from each to all are more than a step may look at.
constexpr uint32_t kTooMany = 1500;
static_assert(int64_t{kTooMany} * kTooMany > Pace::kMostOfStep);

std::shared_ptr<CompiledGrammar> Load(const Assembler& a) {
  return LoadGrammar(CreateVocabulary(kTokenizer, 0), a.Encode(0));
}

/// Adds `width` states, each of which an "a" leads from to all of them and a "." to the end, which
/// is the state after them. Returns the first.
uint32_t AddTangle(std::vector<StateSpec>* states, uint32_t width) {
  const auto first = static_cast<uint32_t>(states->size());
  for (uint32_t s = 0; s < width; ++s) {
    StateSpec& state = states->emplace_back();
    for (uint32_t to = first; to < first + width; ++to)
      state.bytes.push_back({Range('a', 'a'), to});
    state.bytes.push_back({Range('.', '.'), first + width});
  }
  states->push_back({.accepting = true});
  return first;
}

/// "x" and letters; or "t" and, through many states at once, any number of "a".
std::shared_ptr<CompiledGrammar> TangledGrammar() {
  std::vector<StateSpec> states(2);
  const uint32_t first = AddTangle(&states, kTooMany);
  states[0].bytes = {{Range('x', 'x'), 1}};
  for (uint32_t s = first; s < first + kTooMany; ++s)
    states[0].bytes.push_back({Range('t', 't'), s});
  states[1] = {.accepting = true, .bytes = {{Range('a', 'z'), 1}}};
  Assembler a;
  a.rules.push_back({.states = std::move(states)});
  return Load(a);
}

template <typename Body>
void ExpectTooLarge(Body&& body) {
  try {
    body();
  } catch (const Error& e) {
    CHECK(e.code == ErrorCode::kGrammarTooLarge);
    CHECK(std::string_view(e.what()).ends_with(
        "takes more than " + std::to_string(Pace::kMostOfStep) + " units of work"));
    return;
  }
  CHECK(false);
}

void StepsThatAreTooMuchWorkChangeNothing() {
  const auto grammar = TangledGrammar();
  Matcher m(grammar), other(grammar);
  CHECK(m.AcceptToken('t'));
  for (int i = 0; i < 2; ++i) {
    ExpectTooLarge([&] { m.AcceptToken('a'); });
    ExpectTooLarge([&] { m.AcceptBytes("aa"); });
    CHECK(m.num_steps() == 1 && !m.IsTerminated());
    ExpectTooLarge([&] { other.AcceptToken(kTokenizer->TokenId("ta")); });
    ExpectTooLarge([&] { Matcher(grammar).AcceptBytes("ta"); });
    CHECK(other.num_steps() == 0);
  }
  // Everyone else goes on, the one concerned by another way.
  CHECK(other.AcceptBytes("xyz") == 3 && other.IsComplete());
  CHECK(other.NextTokenMask().num_allowed == 30);  // letters, longer tokens, the end
  CHECK(m.AcceptToken('.') && m.IsTerminated());
  m.Rollback(2);
  CHECK(m.AcceptToken(kTokenizer->TokenId("xyz")));
}

/// So many "a": each leads from every one of `width` states to all of them.
std::shared_ptr<CompiledGrammar> CountingGrammar(uint32_t length, uint32_t width) {
  std::vector<StateSpec> states(width, {.accepting = true, .max = layout::kInfinityWord});
  for (StateSpec& state : states) {
    for (uint32_t to = 0; to < width; ++to)
      state.bytes.push_back({Range('a', 'a', layout::kEdgeFlagInc), to});
  }
  Assembler a;
  a.rules.push_back({.flags = layout::kRuleFlagCounted,
                     .counter_min = length,
                     .counter_max = length,
                     .states = std::move(states)});
  return Load(a);
}

// However much of it the memo knows, a run ends where all of its bytes were too much work, and goes
// on from there.
void ForcedRunsThatAreMuchWorkComeInParts() {
  constexpr uint32_t kWidth = 100, kLength = 5 * Pace::kMostOfStep / (2 * kWidth * kWidth);
  const auto grammar = CountingGrammar(kLength, kWidth);
  const Matcher start(grammar);
  const std::string first = start.ForcedBytes();
  CHECK(!first.empty() && first.size() < kLength / 2);
  CHECK(start.ForcedBytes(10) == first.substr(0, 10));
  Matcher m = start;
  std::string text;
  int num_runs = 0;
  while (!m.IsTerminated()) {
    const std::string run = m.ForcedBytes();
    CHECK(!run.empty() && m.AcceptBytes(run) == run.size());
    text += run;
    ++num_runs;
  }
  CHECK(text == std::string(kLength, 'a') && num_runs == 3);
  CHECK(start.ForcedBytes() == first);
  const auto tokens = start.ForcedTokens({});
  CHECK(!tokens.empty() && tokens.size() <= first.size());
}

// Longer tokens that could stand in the place of a forced one are looked for.
void LookingPastAForcedTextIsPartOfIt() {
  std::vector<StateSpec> states(1);
  const uint32_t first = AddTangle(&states, kTooMany);
  for (uint32_t s = first; s < first + kTooMany; ++s)
    states[0].bytes.push_back({Range('=', '='), s});
  Assembler a;
  a.rules.push_back({.states = std::move(states)});
  Matcher m(Load(a));
  for (int i = 0; i < 2; ++i) {
    CHECK(m.ForcedBytes() == "=");
    ExpectTooLarge([&] { (void)m.ForcedTokens({}); });
  }
  CHECK(m.AcceptToken('=') && m.num_steps() == 1);
}

/// From each state an epsilon edge leads to all of them, none of which may end: so many texts are
/// missing. `bytes`: of the edges that lead in.
Assembler Mesh(StateSpec start) {
  std::vector<StateSpec> states{std::move(start)};
  for (uint32_t s = 1; s <= kTooMany; ++s) {
    StateSpec& state = states.emplace_back();
    state.accepting = true;
    state.max = layout::kInfinityWord;
    for (uint32_t to = 1; to <= kTooMany; ++to)
      state.calls.push_back({layout::kInfinityWord, to, 0});
    state.bytes.push_back({Range('a', 'a', layout::kEdgeFlagInc), 1});
  }
  Assembler a;
  a.rules.push_back({.flags = layout::kRuleFlagCounted, .counter_min = 5, .states = states});
  return a;
}

void AskingForAnEndIsAStep() {
  const auto grammar = Load(Mesh({.bytes = {{Range('x', 'x'), 1}}, .max = layout::kInfinityWord}));
  Matcher m(grammar);
  CHECK(m.AcceptToken('x'));
  for (int i = 0; i < 2; ++i) {
    ExpectTooLarge([&] { (void)m.IsComplete(); });
    ExpectTooLarge([&] { (void)m.IsTerminated(); });
    ExpectTooLarge([&] { (void)m.ForcedBytes(); });
    ExpectTooLarge([&] { m.AcceptToken(kTokenizer->eos_ids()[0]); });
  }
  CHECK(m.num_steps() == 1 && !Matcher(grammar).IsComplete());
}

// The memo's start is looked for when a grammar is loaded.
void AStartThatIsTooMuchWorkIsRefused() {
  // With a UNIQUE call whose texts run out, every place is asked whether anything can follow.
  Assembler a = Mesh({.calls = {{layout::kInfinityWord, 1, 0}}, .max = layout::kInfinityWord});
  a.rules[0].flags |= layout::kRuleFlagRegisters;
  a.rules[0].counter_min = 0;
  a.rules[0].states[1].calls.push_back({1, 1, layout::kEdgeFlagUnique});
  a.rules.push_back({.flags = layout::kRuleFlagLexeme | layout::kRuleFlagShared,
                     .states = {{.bytes = {{Range('b', 'c'), 1}}}, {.accepting = true}}});
  ExpectTooLarge([&] { Load(a); });
}

// Each bracket opens a call that remembers the text before it, so that every configuration of the
// history has a stack as deep, each frame with a text as long as it is deep.
void BringingAHistoryOverCostsWhatItHolds() {
  constexpr size_t kDepth = 4000;
  Assembler a;
  a.rules.push_back(
      {.flags = layout::kRuleFlagCounted | layout::kRuleFlagRegisters,
       .states = {
           {.bytes = {{Range('[', '['), 1}}, .max = 1},
           {.bytes = {{Range('x', 'x'), 2}}, .calls = {{0, 2, layout::kEdgeFlagUnique}}, .max = 1},
           {.bytes = {{Range(']', ']'), 3}}},
           {.accepting = true}}});
  const auto grammar = Load(a);
  Matcher m(grammar);
  for (size_t i = 0; i < kDepth; ++i) CHECK(m.AcceptToken('['));
  CHECK(m.AcceptToken('x'));
  const auto before = grammar->store();
  SetGrammarMemoBudget(*grammar, 0);
  CHECK(m.AcceptToken(']'));
  CHECK(grammar->store() != before);
  SetGrammarMemoBudget(*grammar, size_t{1} << 30);
  CHECK(m.AcceptBytes(std::string(kDepth - 1, ']')) == kDepth - 1 && m.IsTerminated());
  m.Rollback(static_cast<int32_t>(kDepth / 2));
}

}  // namespace

int main() {
  StepsThatAreTooMuchWorkChangeNothing();
  ForcedRunsThatAreMuchWorkComeInParts();
  LookingPastAForcedTextIsPartOfIt();
  AskingForAnEndIsAStep();
  AStartThatIsTooMuchWorkIsRefused();
  BringingAHistoryOverCostsWhatItHolds();
}
