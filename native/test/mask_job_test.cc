// Tests masks under a budget and those made apart: with programs that the compiler made, a job's
// mask is the one that the memo would have, wherever a budget stopped the attempts before.
#include "native/matcher/mask_job.h"

#include <chrono>
#include <cstring>
#include <fstream>
#include <future>
#include <iterator>
#include <memory>
#include <random>
#include <string>
#include <thread>
#include <variant>
#include <vector>

#include "native/matcher/matcher.h"
#include "native/matcher/program_layout.h"
#include "native/test/check.h"
#include "native/test/fake_tokenizer.h"

namespace {

using namespace diecast;
using std::chrono::nanoseconds;

constexpr MaskBudget kPlenty{std::chrono::hours(1), std::chrono::hours(1)};
constexpr MaskBudget kNothing{nanoseconds(0), nanoseconds(0)};
constexpr auto kAlways = [] { return true; };

const auto kTokenizer = std::make_shared<const test::ByteTokenizer>(std::vector<std::string>{
    "{\"",  "\":",    "\",\"", "\"a\":", "ab",       "aab",   "[[",   "],[", "},{\"",
    "true", "\"}",    "12",    "0.5",    "true,\"b", "se,",   "null", "\\u", "00",
    "\xc3", "\xa9\"", "c1",    "\n ",    "aaaa",     "\"\",", "x"});

/// The programs of the fixture, one after the other; each says how long it is.
std::vector<std::vector<uint8_t>> CompiledPrograms() {
  std::ifstream file("test/fixtures/programs/programs.bin", std::ios::binary);
  const std::string all{std::istreambuf_iterator<char>(file), {}};
  std::vector<std::vector<uint8_t>> programs;
  for (size_t at = 0; at + layout::kHeaderWords * 4 <= all.size();) {
    uint32_t num_words;
    std::memcpy(&num_words, all.data() + at + layout::kHeaderTotalWords * 4, 4);
    const auto begin = all.begin() + static_cast<std::ptrdiff_t>(at);
    programs.emplace_back(begin, begin + static_cast<std::ptrdiff_t>(num_words) * 4);
    at += size_t{num_words} * 4;
  }
  CHECK(programs.size() > 10);
  return programs;
}

std::vector<int32_t> Ids(const TokenMask& mask) {
  std::vector<int32_t> ids;
  for (int32_t id = 0; id < static_cast<int32_t>(mask.num_words * 32); ++id) {
    if (mask.Allows(id)) ids.push_back(id);
  }
  CHECK(static_cast<int32_t>(ids.size()) == mask.num_allowed);
  return ids;
}

std::shared_ptr<MaskJob> JobOf(Matcher& m) {
  MaskBudget none = kNothing;
  auto made = m.NextTokenMaskOrJob(&none, {});
  auto* job = std::get_if<std::shared_ptr<MaskJob>>(&made);
  return job == nullptr ? nullptr : *job;
}

void MasksAreTheSameHoweverTheyAreMade() {
  const auto vocabulary = CreateVocabulary(kTokenizer, 0);
  std::mt19937 random(20260301);
  int num_jobs = 0, num_stopped = 0;
  for (const auto& program : CompiledPrograms()) {
    const auto plain = LoadGrammar(vocabulary, program);
    // With tables of its own, so that these are stopped in the making, too.
    const auto apart = LoadGrammar(CreateVocabulary(kTokenizer, 0), program);
    for (int walk = 0; walk < 8; ++walk) {
      Matcher expected(plain), m(apart);
      for (int step = 0; step < 40 && !expected.IsTerminated(); ++step) {
        if (random() % 16 == 0) SetGrammarMemoBudget(*apart, random() % 20000);
        MaskBudget plenty = kPlenty;
        const auto mask = expected.NextTokenMask(&plenty);
        const std::vector<int32_t> ids = Ids(*mask);
        // No attempt, or one that is stopped as soon as it looks at the clock.
        const nanoseconds time(random() % 2);
        MaskBudget little{time, time};
        const MaskBudget before = little;
        auto made = m.NextTokenMaskOrJob(&little, {});
        if (auto* job = std::get_if<std::shared_ptr<MaskJob>>(&made)) {
          ++num_jobs;
          num_stopped += little.all < before.all ? 1 : 0;
          CHECK(!(*job)->done());
          if (random() % 2 == 0) CHECK(!(*job)->Run([] { return false; }) || (*job)->done());
          if (!(*job)->done()) CHECK((*job)->Run(kAlways));
          CHECK(Ids((*job)->Take()) == ids);
          CHECK(!(*job)->Take().cold);
        } else {
          CHECK(Ids(std::get<TokenMask>(made)) == ids);
        }
        CHECK(Ids(m.NextTokenMask()) == ids);
        const int32_t id = ids[random() % ids.size()];
        CHECK(expected.AcceptToken(id) && m.AcceptToken(id));
      }
    }
  }
  CHECK(num_jobs > 300 && num_stopped > 20);
}

void AJobServesAllThatStandWhereItBegan() {
  const auto grammar = LoadGrammar(CreateVocabulary(kTokenizer, 0), CompiledPrograms()[0]);
  Matcher first(grammar), second(grammar);
  const auto job = JobOf(first);
  CHECK(job != nullptr);
  const std::vector<std::weak_ptr<MaskJob>> known{std::weak_ptr<MaskJob>(), job};
  MaskBudget plenty = kPlenty;  // not used, as the mask is in the making
  const auto made = second.NextTokenMaskOrJob(&plenty, known);
  CHECK(std::get<std::shared_ptr<MaskJob>>(made) == job && plenty.all == kPlenty.all);
  CHECK(job->Run(kAlways) && job->Take().cold && !job->Take().cold);
  // The memo has it now.
  MaskBudget none = kNothing;
  const auto mask = second.NextTokenMask(&none);
  CHECK(mask && !mask->cold);
  second.AcceptToken(Ids(*mask).front());
  CHECK(!second.NextTokenMask(&none));
}

void AJobNeedsNeitherTheMatcherNorTheMemo() {
  const auto program = CompiledPrograms()[1];
  const auto grammar = LoadGrammar(CreateVocabulary(kTokenizer, 0), program);
  auto matcher = std::make_unique<Matcher>(grammar);
  const std::vector<int32_t> ids =
      Ids(Matcher(LoadGrammar(CreateVocabulary(kTokenizer, 0), program)).NextTokenMask());
  const auto job = JobOf(*matcher);
  matcher->AcceptToken(ids.front());
  SetGrammarMemoBudget(*grammar, 0);
  matcher->NextTokenMask();
  matcher->AcceptToken(Ids(matcher->NextTokenMask()).front());  // the memo is another one
  matcher.reset();
  CHECK(job->Run(kAlways) && Ids(job->Take()) == ids);
}

// From several threads, with a memo that is dropped all the time, beside matchers that move on.
void JobsRunBesideEverythingElse() {
  const auto programs = CompiledPrograms();
  for (size_t i = 0; i < programs.size(); i += 3) {
    const auto grammar = LoadGrammar(CreateVocabulary(kTokenizer, 0), programs[i]);
    SetGrammarMemoBudget(*grammar, 3000);
    std::vector<std::thread> threads;
    for (uint32_t t = 0; t < 3; ++t) {
      threads.emplace_back([&, t] {
        std::mt19937 random(t);
        for (int walk = 0; walk < 4; ++walk) {
          Matcher m(grammar);
          for (int step = 0; step < 25 && !m.IsTerminated(); ++step) {
            MaskBudget little{nanoseconds(random() % 30000), nanoseconds(random() % 30000)};
            auto made = m.NextTokenMaskOrJob(&little, {});
            auto* job = std::get_if<std::shared_ptr<MaskJob>>(&made);
            if (job != nullptr) CHECK((*job)->Run(kAlways));
            const auto ids = Ids(job == nullptr ? std::get<TokenMask>(made) : (*job)->Take());
            CHECK(m.AcceptToken(ids[random() % ids.size()]));
            CHECK(GrammarMemoryBytes(*grammar) > 0);
          }
        }
      });
    }
    for (std::thread& thread : threads) thread.join();
  }
}

// What asks for a size must not wait for whoever holds the lock.
void SizesNeedNoLock() {
  const auto grammar = LoadGrammar(CreateVocabulary(kTokenizer, 0), CompiledPrograms()[0]);
  const size_t before = GrammarMemoryBytes(*grammar);
  CHECK(before > 0);
  Matcher(grammar).NextTokenMask();
  CHECK(GrammarMemoryBytes(*grammar) > before);
  const std::lock_guard lock(grammar->mutex());
  auto size = std::async(std::launch::async, [&] { return GrammarMemoryBytes(*grammar); });
  CHECK(size.wait_for(std::chrono::seconds(20)) == std::future_status::ready);
}

}  // namespace

int main() {
  MasksAreTheSameHoweverTheyAreMade();
  AJobServesAllThatStandWhereItBegan();
  AJobNeedsNeitherTheMatcherNorTheMemo();
  JobsRunBesideEverythingElse();
  SizesNeedNoLock();
}
