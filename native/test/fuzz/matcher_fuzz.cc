// Follows grammar programs with random steps. Programs as the compiler made them: masks must be
// what copies of the matcher accept, going back and replaying must change nothing, and some token
// must always be allowed. Damaged programs: every outcome must be a matcher or a diecast::Error.
// Run under the address and undefined-behaviour sanitizers; a step that takes longer than
// kMaxSeconds ends the run.
//   matcher_fuzz [SECONDS [SEED]]      default 2 seconds; run from the repository root; the seed is
//   printed, and a failure prints the one that repeats its iteration alone (but for what iterations
//   before it left in the vocabulary); without SEED kRegressions come first
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iterator>
#include <memory>
#include <random>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "native/error.h"
#include "native/matcher/mask_job.h"
#include "native/matcher/matcher.h"
#include "native/matcher/program_layout.h"
#include "native/test/fake_tokenizer.h"

using namespace diecast;

namespace {

constexpr const char* kFixture = "test/fixtures/programs/programs.bin";
constexpr size_t kLeastPrograms = 10;
/// What took long once.
constexpr uint64_t kRegressions[] = {3628108539};
constexpr int kMaxSteps = 40;
constexpr unsigned kMaxSeconds = 30;  // of one step, sanitizers included

using Bytes = std::vector<uint8_t>;
using Random = std::mt19937_64;

uint64_t current_seed = 0;  // of the iteration, for the messages below

[[noreturn]] void Fail(const char* what) {
  std::fprintf(stderr, "matcher_fuzz: seed %llu: %s\n",
               static_cast<unsigned long long>(current_seed), what);
  std::_Exit(1);
}

void FailWhenLate(int) { Fail("a step takes too long"); }

size_t Below(Random* random, size_t n) { return static_cast<size_t>((*random)() % n); }

/// The programs of the fixture, one after the other; each says how long it is.
std::vector<Bytes> ValidPrograms() {
  std::ifstream file(kFixture, std::ios::binary);
  const std::string all{std::istreambuf_iterator<char>(file), {}};
  std::vector<Bytes> programs;
  for (size_t at = 0; at + layout::kHeaderWords * 4 <= all.size();) {
    uint32_t num_words;
    std::memcpy(&num_words, all.data() + at + layout::kHeaderTotalWords * 4, 4);
    const size_t end = std::min(all.size(), at + size_t{num_words} * 4);
    programs.emplace_back(all.begin() + static_cast<ptrdiff_t>(at),
                          all.begin() + static_cast<ptrdiff_t>(end));
    at = std::max(end, at + 4);
  }
  return programs;
}

/// All bytes, and tokens across the marks of JSON.
std::shared_ptr<const Tokenizer> MakeTokenizer() {
  return std::make_shared<test::ByteTokenizer>(std::vector<std::string>{
      "{\"",  "\":",   "\",\"", "\"a\":", "a\"", "ab",   "aab",    "ba",       "[[",  "],[",
      "]]",   "},{\"", "true",  "\"}",    "12",  "0.5",  ".25",    "true,\"b", "fal", "se,",
      "null", "yes",   "no",    "\\u",    "00",  "\xc3", "\xa9\"", "((",       "+a",  "cab",
      "ccc",  "c1",    " ",     "\n ",    ",\n", "xy",   "aaaa",   "\"\",",    "x",   "ab\",\"a"});
}

void Mutate(Bytes* bytes, const std::vector<Bytes>& others, Random* random) {
  const auto word_at = [&](const Bytes& b) { return Below(random, b.size() / 4) * 4; };
  for (size_t edits = 1 + Below(random, 4); edits > 0 && bytes->size() >= 8; --edits) {
    const size_t at = word_at(*bytes);
    uint32_t word;
    std::memcpy(&word, bytes->data() + at, 4);
    const Bytes& other = others[Below(random, others.size())];
    switch (Below(random, 8)) {
      case 0:  // a byte
        (*bytes)[at + Below(random, 4)] = static_cast<uint8_t>((*random)());
        continue;
      case 1:  // a bit: flags, ranges
        word ^= 1u << Below(random, 32);
        break;
      case 2:  // an index or count next to it
        word += Below(random, 2) == 0 ? 1u : ~0u;
        break;
      case 3: {
        const uint32_t words[] = {0, 1, 2, 0xffff, 0x7fffffff, 0x80000000, 0xfffffffe, 0xffffffff};
        word = words[Below(random, std::size(words))];
        break;
      }
      case 4:  // another word of the program
        std::memcpy(&word, bytes->data() + word_at(*bytes), 4);
        break;
      case 5:  // a word of another program
        std::memcpy(&word, other.data() + word_at(other), 4);
        break;
      case 6: {  // a stretch of the program elsewhere
        const size_t from = word_at(*bytes);
        const size_t length =
            std::min({bytes->size() - from, bytes->size() - at, 4 * (1 + Below(random, 8))});
        std::memmove(bytes->data() + at, bytes->data() + from, length);
        continue;
      }
      default:  // the end cut off
        if (Below(random, 8) == 0) bytes->resize(at);
        continue;
    }
    std::memcpy(bytes->data() + at, &word, 4);
  }
}

/// Some masks are made apart, after an attempt that a budget may stop.
TokenMask MaskOf(Matcher* m, Random* random) {
  if (Below(random, 3) != 0) return m->NextTokenMask();
  const std::chrono::nanoseconds time(Below(random, 50'000));
  MaskBudget budget{time, time};
  auto made = m->NextTokenMaskOrJob(&budget, {});
  if (auto* mask = std::get_if<TokenMask>(&made)) return std::move(*mask);
  MaskJob& job = *std::get<std::shared_ptr<MaskJob>>(made);
  // Stopped at some place, and begun anew.
  if (!job.Run([&] { return Below(random, 64) != 0; })) job.Run([] { return true; });
  return job.Take();
}

std::vector<int32_t> Allowed(Matcher* m, Random* random) {
  const TokenMask mask = MaskOf(m, random);
  std::vector<uint32_t> words(mask.num_words);
  mask.CopyTo(words.data());
  std::vector<int32_t> ids;
  for (size_t i = 0; i < words.size() * 32; ++i) {
    if (words[i / 32] >> (i % 32) & 1) ids.push_back(static_cast<int32_t>(i));
  }
  return ids;
}

/// Random steps on one grammar. `sound`: the compiler made it, so its promises hold.
void Follow(const std::shared_ptr<CompiledGrammar>& grammar, const Tokenizer& tokenizer, bool sound,
            Random* random) {
  const auto expect = [sound](bool holds, const char* what) {
    if (sound && !holds) Fail(what);
  };
  Matcher m(grammar);
  std::vector<int32_t> path;
  for (int step = 0; step < kMaxSteps; ++step) {
    alarm(kMaxSeconds);
    if (Below(random, 16) == 0) SetGrammarMemoBudget(*grammar, Below(random, 20000));
    const std::vector<int32_t> allowed = Allowed(&m, random);
    const auto id = static_cast<int32_t>(Below(random, size_t(tokenizer.vocab_size()) + 2)) - 1;
    Matcher copy = m;
    const bool is_allowed = std::binary_search(allowed.begin(), allowed.end(), id);
    expect(copy.AcceptToken(id) == is_allowed, "the mask is not what the matcher accepts");
    expect(copy.num_steps() == m.num_steps() + is_allowed, "a refused token makes a step");
    const std::vector<int32_t> forced = m.ForcedTokens(path);
    Matcher ahead = m;
    for (const int32_t token : forced)
      expect(ahead.AcceptToken(token), "a forced token is refused");
    if (allowed.empty() || Below(random, 8) == 0) {
      expect(!allowed.empty() || m.IsTerminated(), "a dead end");
      const auto back = static_cast<int32_t>(Below(random, path.size() + 1));
      m.Rollback(back);
      path.resize(path.size() - static_cast<size_t>(back));
      Matcher replay(grammar);
      for (const int32_t token : path) expect(replay.AcceptToken(token), "a replay fails");
      expect(Allowed(&replay, random) == Allowed(&m, random),
             "going back is not the same as a replay");
      expect(replay.IsComplete() == m.IsComplete() && replay.ForcedBytes() == m.ForcedBytes(),
             "going back leaves another text");
      continue;
    }
    if (Below(random, 8) == 0) {  // bytes: a part of a sentence or not, without a step
      std::string bytes(tokenizer.TokenBytes(allowed[Below(random, allowed.size())]));
      bytes.push_back(static_cast<char>((*random)()));
      Matcher other = m;
      (void)other.AcceptBytes(bytes);
      (void)other.IsTerminated();
    }
    const int32_t next = forced.empty() ? allowed[Below(random, allowed.size())] : forced[0];
    const bool accepted = m.AcceptToken(next);
    expect(accepted, "an allowed or forced token is refused");
    if (accepted) path.push_back(next);
  }
}

}  // namespace

int main(int argc, char** argv) {
  const double seconds = argc > 1 ? std::atof(argv[1]) : 2;
  const uint64_t seed = argc > 2 ? std::strtoull(argv[2], nullptr, 10) : std::random_device()();
  std::printf("matcher_fuzz: seed %llu, %g s\n", static_cast<unsigned long long>(seed), seconds);
  std::fflush(stdout);
  signal(SIGALRM, FailWhenLate);
  const auto tokenizer = MakeTokenizer();
  auto vocabulary = CreateVocabulary(tokenizer, 0);
  const std::vector<Bytes> valid = ValidPrograms();
  if (valid.size() < kLeastPrograms) Fail("the fixture holds too few programs");
  for (const Bytes& program : valid) LoadGrammar(vocabulary, program);
  uint64_t followed = 0, loaded = 0, refused = 0, given_up = 0;
  const auto iterate = [&](uint64_t iteration_seed) {
    current_seed = iteration_seed;  // as SEED it repeats this iteration alone
    Random random(current_seed);
    Bytes program = valid[Below(&random, valid.size())];
    const bool sound = Below(&random, 3) == 0;
    if (!sound) Mutate(&program, valid, &random);
    // An allocation of the exact size, so that reads past the end are seen.
    const auto exact = std::make_unique<uint8_t[]>(program.size());
    std::memcpy(exact.get(), program.data(), program.size());
    bool is_loaded = false;
    alarm(kMaxSeconds);
    try {
      const auto grammar = LoadGrammar(vocabulary, {exact.get(), program.size()});
      is_loaded = true;
      Follow(grammar, *tokenizer, sound, &random);
      ++(sound ? followed : loaded);
    } catch (const Error& e) {
      if (sound && e.code != ErrorCode::kGrammarTooLarge) Fail(e.what());
      ++(is_loaded ? given_up : refused);
    } catch (const std::exception& e) {
      Fail(e.what());
    }
  };
  if (argc <= 2) std::for_each(std::begin(kRegressions), std::end(kRegressions), iterate);
  const auto end = std::chrono::steady_clock::now() + std::chrono::duration<double>(seconds);
  uint64_t iteration = 0;
  for (; iteration == 0 || std::chrono::steady_clock::now() < end; ++iteration) {
    // What grammars of damaged programs leave in a vocabulary must not matter either.
    if (iteration % 256 == 0) vocabulary = CreateVocabulary(tokenizer, 0);
    iterate(seed + iteration);
  }
  std::printf(
      "matcher_fuzz: %llu programs: %llu followed; damaged: %llu followed, %llu refused; "
      "%llu too ambiguous\n",
      static_cast<unsigned long long>(iteration), static_cast<unsigned long long>(followed),
      static_cast<unsigned long long>(loaded), static_cast<unsigned long long>(refused),
      static_cast<unsigned long long>(given_up));
  return seconds < 1 || (followed > 0 && loaded > 0 && refused > 0) ? 0 : 1;
}
