// A tiny random Llama model: what a row gets does not depend on its neighbours, on how its prompt
// was cut, on which slots hold its keys or on the number of threads, bit for bit, at every level
// this processor has; nor on which tokens' logits are wanted; damaged models and bad steps are
// refused; keys and values of every type give the same to within their rounding.
#include "native/models/model.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "native/backend/cpu/cpu_features.h"
#include "native/backend/cpu/thread_pool.h"
#include "native/test/check.h"
#include "native/test/tiny_model.h"

namespace diecast {
namespace {

std::mt19937 rng(99);

std::vector<int32_t> Tokens(int count, int seed) {
  std::vector<int32_t> tokens;
  for (int i = 0; i < count; ++i) tokens.push_back((seed * 31 + i * i * 7 + i * 13) % kVocab);
  return tokens;
}

bool SameBits(const std::vector<float>& a, const std::vector<float>& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0;
}

/// How many of the `count` tokens from `first` on are of a prompt of `num_prompt` tokens.
int32_t PromptPart(size_t num_prompt, size_t first, size_t count) {
  return static_cast<int32_t>(std::min(num_prompt - std::min(num_prompt, first), count));
}

/// All logits of a sequence read in one step.
std::vector<float> Whole(CausalModel& model, const std::vector<int32_t>& tokens,
                         size_t num_prompt = 0) {
  const auto pool = model.CreateKvPool(static_cast<int32_t>(tokens.size()));
  std::vector<int32_t> slots;
  CHECK(pool->Allocate(static_cast<int32_t>(tokens.size()), &slots));
  const StepRow row{.tokens = tokens,
                    .kv_slots = slots,
                    .num_logits = static_cast<int32_t>(tokens.size()),
                    .num_prompt_tokens = PromptPart(num_prompt, 0, tokens.size())};
  std::vector<float> logits(tokens.size() * kVocab);
  model.Forward({&row, 1}, *pool, logits);
  for (float logit : logits) CHECK(std::isfinite(logit));
  return logits;
}

/// The same, cut into the given chunks, with slots in an order of their own.
std::vector<float> Chunked(CausalModel& model, const std::vector<int32_t>& tokens,
                           const std::vector<int>& chunks, size_t num_prompt) {
  const auto pool = model.CreateKvPool(static_cast<int32_t>(tokens.size()) + 50);
  std::vector<int32_t> slots;
  CHECK(pool->Allocate(pool->num_slots(), &slots));
  std::shuffle(slots.begin(), slots.end(), rng);
  std::vector<float> all;
  size_t done = 0;
  for (int chunk : chunks) {
    const size_t count = static_cast<size_t>(chunk);
    const StepRow row{.tokens = std::span(tokens).subspan(done, count),
                      .context_length = static_cast<int32_t>(done),
                      .kv_slots = std::span(slots).first(done + count),
                      .num_logits = chunk,
                      .num_prompt_tokens = PromptPart(num_prompt, done, count)};
    std::vector<float> logits(count * kVocab);
    model.Forward({&row, 1}, *pool, logits);
    all.insert(all.end(), logits.begin(), logits.end());
    done += count;
  }
  CHECK(done == tokens.size());
  return all;
}

/// Every sequence has a prompt of at most `num_prompt` tokens.
void TestInvariance(CausalModel& model, size_t num_prompt) {
  const std::vector<int32_t> tokens = Tokens(75, 1);
  const std::vector<float> whole = Whole(model, tokens, num_prompt);
  CHECK(!SameBits(whole, Whole(model, Tokens(75, 2), num_prompt)));
  CHECK(SameBits(whole, Chunked(model, tokens, {1, 1, 30, 2, 33, 1, 7}, num_prompt)));
  CHECK(SameBits(whole, Chunked(model, tokens, std::vector<int>(75, 1), num_prompt)));
  CHECK(SameBits(whole, Chunked(model, tokens, {64, 11}, num_prompt)));

  // A ragged batch: a prompt, two decoding sequences, a chunk that wants no logits, one that wants
  // them all.
  const auto pool = model.CreateKvPool(400);
  struct Sequence {
    std::vector<int32_t> tokens;
    int cached;
    int num_logits;
    std::vector<int32_t> slots;
  };
  std::vector<Sequence> sequences = {{Tokens(23, 3), 0, 1, {}},
                                     {Tokens(41, 4), 40, 1, {}},
                                     {Tokens(12, 5), 11, 1, {}},
                                     {Tokens(50, 6), 20, 0, {}},
                                     {Tokens(19, 7), 3, 16, {}}};
  for (Sequence& sequence : sequences) {
    CHECK(pool->Allocate(static_cast<int32_t>(sequence.tokens.size()), &sequence.slots));
    if (sequence.cached == 0) continue;
    const auto cached = static_cast<size_t>(sequence.cached);
    const StepRow row{.tokens = std::span(sequence.tokens).first(cached),
                      .kv_slots = std::span(sequence.slots).first(cached),
                      .num_prompt_tokens = PromptPart(num_prompt, 0, cached)};
    model.Forward({&row, 1}, *pool, {});
  }
  std::vector<StepRow> rows;
  std::vector<float> expected;
  for (const Sequence& sequence : sequences) {
    const auto cached = static_cast<size_t>(sequence.cached);
    rows.push_back(
        {.tokens = std::span(sequence.tokens).subspan(cached),
         .context_length = sequence.cached,
         .kv_slots = sequence.slots,
         .num_logits = sequence.num_logits,
         .num_prompt_tokens = PromptPart(num_prompt, cached, sequence.tokens.size() - cached)});
    const std::vector<float> all = Whole(model, sequence.tokens, num_prompt);
    expected.insert(expected.end(), all.end() - sequence.num_logits * kVocab, all.end());
  }
  std::vector<float> logits(expected.size());
  model.Forward(rows, *pool, logits);
  CHECK(SameBits(logits, expected));

  // Longer than one pass of the implementation.
  const std::vector<int32_t> longer = Tokens(600, 8);
  CHECK(SameBits(Whole(model, longer, 8 * num_prompt),
                 Chunked(model, longer, {590, 10}, 8 * num_prompt)));
}

ErrorCode CodeOf(const std::function<void()>& fn) {
  try {
    fn();
  } catch (const Error& error) {
    CHECK(std::strlen(error.what()) > 10);
    return error.code;
  }
  std::fprintf(stderr, "expected an error\n");
  std::exit(1);
}

double Cosine(const std::vector<float>& a, const std::vector<float>& b) {
  double ab = 0, aa = 0, bb = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    ab += double{a[i]} * b[i];
    aa += double{a[i]} * a[i];
    bb += double{b[i]} * b[i];
  }
  return ab / std::sqrt(aa * bb);
}

/// Products of prompts may round otherwise, but not by much.
void TestPrompts(CausalModel& model) {
  const std::vector<int32_t> tokens = Tokens(75, 1);
  const std::vector<float> generated = Whole(model, tokens);
  for (const size_t num_prompt : {1, 16, 40, 75}) {
    TestInvariance(model, num_prompt);
    CHECK(Cosine(Whole(model, tokens, num_prompt), generated) > 0.99);
  }
}

/// All that holds of the model holds with keys and values of each type, and what they give is near
/// to what f32 gives. A pool of another type is refused.
void TestKvTypes(ThreadPool& threads) {
  const std::vector<uint8_t> bytes = TinyModel({});
  const auto load = [&](KvType type) {
    return LoadModel(GgufFile::Parse(bytes), threads, {WeightMode::kDequantized, type});
  };
  const auto f32 = load(KvType::kF32);
  const std::vector<int32_t> tokens = Tokens(90, 3);
  const std::vector<float> exact = Whole(*f32, tokens);
  const double least[kNumKvTypes] = {1, 1 - 1e-5, 1 - 1e-3, 1 - 5e-3};
  for (int i = 0; i < kNumKvTypes; ++i) {
    const auto type = static_cast<KvType>(i);
    const auto model = load(type);
    CHECK(model->kv_bytes_per_token() ==
          2 * kLayers * static_cast<int64_t>(KvTokenBytes(type, kKvHeads, kHeadDim)));
    TestInvariance(*model, 0);
    TestInvariance(*model, 30);
    const std::vector<float> logits = Whole(*model, tokens);
    CHECK(SameBits(logits, exact) == (type == KvType::kF32));
    CHECK(Cosine(logits, exact) >= least[i]);
    if (type == KvType::kF32) continue;
    const auto pool = f32->CreateKvPool(4);
    const std::vector<int32_t> one = {1}, slots = {0};
    const StepRow row{one, 0, slots, 0};
    CHECK(CodeOf([&] { model->Forward({&row, 1}, *pool, {}); }) == ErrorCode::kInvalidArgument);
  }
}

/// A greedy continuation and the logits of each of its steps.
struct Continuation {
  std::vector<int32_t> tokens;
  std::vector<float> logits;
  bool operator==(const Continuation& other) const {
    return tokens == other.tokens && SameBits(logits, other.logits);
  }
};

void TakeGreedy(const float* logits, Continuation* out) {
  out->tokens.push_back(static_cast<int32_t>(std::max_element(logits, logits + kVocab) - logits));
  out->logits.insert(out->logits.end(), logits, logits + kVocab);
}

constexpr int kGreedySteps = 10;

Continuation ContinueAlone(CausalModel& model, std::vector<int32_t> tokens) {
  const size_t num_prompt = tokens.size();
  Continuation result;
  for (int step = 0; step < kGreedySteps; ++step) {
    const std::vector<float> all = Whole(model, tokens, num_prompt);
    TakeGreedy(all.data() + all.size() - kVocab, &result);
    tokens.push_back(result.tokens.back());
  }
  return result;
}

/// The same in a crowd that changes with every step: prompts in chunks of any size, decoding rows,
/// rows that want no, some or all logits, in any order, from a KV pool that all of them cut up.
Continuation ContinueInCompany(CausalModel& model, const std::vector<int32_t>& prompt,
                               std::mt19937& random) {
  const auto below = [&random](size_t n) { return static_cast<size_t>(random() % n); };
  struct Member {
    std::vector<int32_t> tokens, slots;
    size_t computed = 0, num_prompt = 0;
  };
  const auto pool = model.CreateKvPool(6000);
  const std::vector<uint32_t> some_bits((kVocab + 31) / 32, 0x00010000);
  const std::vector<std::optional<WantedTokens>> some_wanted(1024, WantedTokens{some_bits, {}});
  std::vector<Member> members(1);  // the first is the one that is looked at
  members[0].tokens = prompt;
  members[0].num_prompt = prompt.size();
  Continuation result;
  while (result.tokens.size() < kGreedySteps) {
    for (size_t i = members.size(); i-- > 1;) {
      Member& member = members[i];
      if (member.computed < member.tokens.size()) continue;
      if (below(4) != 0) {
        member.tokens.push_back(static_cast<int32_t>(below(kVocab)));
        continue;
      }
      pool->Free(member.slots);
      members.erase(members.begin() + static_cast<std::ptrdiff_t>(i));
    }
    for (size_t more = below(below(3) == 0 ? 20 : 3); more > 0 && members.size() < 30; --more) {
      members.emplace_back();
      for (size_t n = 1 + below(100); n > 0; --n)
        members.back().tokens.push_back(static_cast<int32_t>(below(kVocab)));
      members.back().num_prompt = below(members.back().tokens.size() + 1);
    }
    std::vector<size_t> order(members.size());
    for (size_t i = 0; i < order.size(); ++i) order[i] = i;
    std::shuffle(order.begin(), order.end(), random);
    std::vector<StepRow> rows;
    size_t num_logits = 0, looked_at = 0;
    bool samples = false;
    for (const size_t i : order) {
      Member& member = members[i];
      const size_t pending = member.tokens.size() - member.computed;
      const size_t count = below(3) == 0 ? 1 + below(pending) : pending;
      CHECK(pool->Allocate(static_cast<int32_t>(count), &member.slots));
      StepRow row{.tokens = std::span(member.tokens).subspan(member.computed, count),
                  .context_length = static_cast<int32_t>(member.computed),
                  .kv_slots = member.slots,
                  .num_prompt_tokens = PromptPart(member.num_prompt, member.computed, count)};
      if (i == 0) {
        samples = count == pending;
        row.num_logits = samples ? 1 : 0;
        looked_at = num_logits;
      } else {
        const size_t wants[] = {0, 1, 1, 1 + below(count)};
        row.num_logits = static_cast<int32_t>(wants[below(4)]);
        if (below(2) == 0)
          row.wanted = std::span(some_wanted).first(static_cast<size_t>(row.num_logits));
      }
      num_logits += static_cast<size_t>(row.num_logits);
      member.computed += count;
      rows.push_back(row);
    }
    std::vector<float> logits(num_logits * kVocab);
    model.Forward(rows, *pool, logits);
    if (!samples) continue;
    TakeGreedy(logits.data() + looked_at * kVocab, &result);
    members[0].tokens.push_back(result.tokens.back());
  }
  return result;
}

/// Rows of all kinds of wanted sets beside each other: wanted logits are those of the whole head,
/// and panels of which nothing is wanted stay untouched.
void TestWantedTokens(CausalModel& model) {
  constexpr int kPanel = 16;
  static constexpr float kUntouched = 12345.0f;
  for (int round = 0; round < 12; ++round) {
    struct Row {
      std::vector<int32_t> tokens, slots, ids;
      std::vector<uint32_t> bits;
      std::vector<std::optional<WantedTokens>> wanted;
      int num_logits;
      bool whole;
    };
    std::vector<Row> rows(static_cast<size_t>(round == 0 ? 1 : 3 + round));
    const auto pool = model.CreateKvPool(1500);
    std::vector<StepRow> step;
    std::vector<float> expected;
    for (Row& row : rows) {
      const auto length = static_cast<int>(1 + rng() % 50);
      row.tokens = Tokens(length, static_cast<int>(rng() % 100));
      row.whole = round != 0 && rng() % 3 == 0;
      row.num_logits =
          row.whole ? static_cast<int>(rng() % static_cast<uint32_t>(length + 1))
                    : static_cast<int>(1 + rng() % static_cast<uint32_t>(std::min(length, 4)));
      if (rng() % 2 == 0) row.bits.assign((kVocab + 31) / 32, 0);
      const uint32_t spread = 1 + rng() % 6;
      for (int32_t id = 0; id < kVocab; ++id) {
        if (rng() % (spread * spread * spread) != 0) continue;
        if (row.bits.empty() || rng() % 4 == 0) {
          row.ids.push_back(id);
        } else {
          row.bits[static_cast<size_t>(id) / 32] |= 1u << (id % 32);
        }
      }
      if (rng() % 2 == 0) row.ids.push_back(kVocab + 40);  // a tokenizer may have more ids
      CHECK(pool->Allocate(length, &row.slots));
      step.push_back({row.tokens, 0, row.slots, row.num_logits});
      // The last one's set is the row's; those before it want all or nothing.
      if (!row.whole) {
        for (int i = 1; i < row.num_logits; ++i) {
          row.wanted.push_back(i % 2 == 0 ? std::nullopt : std::optional(WantedTokens{}));
        }
        row.wanted.push_back(WantedTokens{row.bits, row.ids});
        step.back().wanted = row.wanted;
      }
      const std::vector<float> all = Whole(model, row.tokens);
      expected.insert(expected.end(), all.end() - row.num_logits * kVocab, all.end());
    }
    std::vector<float> logits(expected.size(), kUntouched);
    model.Forward(step, *pool, logits);
    const float* at = logits.data();
    const float* exact = expected.data();
    for (const Row& row : rows) {
      if (row.whole) {
        CHECK(std::equal(at, at + row.num_logits * kVocab, exact));
        at += row.num_logits * kVocab;
        exact += row.num_logits * kVocab;
      } else {
        for (int i = 1; i < row.num_logits; ++i, at += kVocab, exact += kVocab) {
          if (i % 2 == 0) {
            CHECK(std::equal(at, at + kVocab, exact));
          } else {
            CHECK(std::all_of(at, at + kVocab, [](float x) { return x == kUntouched; }));
          }
        }
        bool wanted[kVocab] = {}, panels[kVocab / kPanel + 1] = {};
        for (int32_t id = 0; id < kVocab; ++id) {
          const auto word = static_cast<size_t>(id) / 32;
          wanted[id] = (!row.bits.empty() && (row.bits[word] >> (id % 32) & 1) != 0) ||
                       std::find(row.ids.begin(), row.ids.end(), id) != row.ids.end();
          panels[id / kPanel] = panels[id / kPanel] || wanted[id];
        }
        const bool picks = std::count(std::begin(panels), std::end(panels), true) <= 3;
        for (int32_t id = 0; id < kVocab; ++id) {
          if (wanted[id]) CHECK(at[id] == exact[id]);
          if (picks && !panels[id / kPanel]) CHECK(at[id] == kUntouched);
        }
        at += kVocab;
        exact += kVocab;
      }
    }
  }
}

void TestRefusals(ThreadPool& threads) {
  auto load = [&](const Variant& variant) {
    return CodeOf([&] {
      const std::vector<uint8_t> bytes = TinyModel(variant);
      LoadModel(GgufFile::Parse(bytes), threads);
    });
  };
  for (const char* name : {"token_embd.weight", "blk.1.attn_k.weight", "blk.2.ffn_norm.weight",
                           "output_norm.weight"}) {
    Variant variant;
    variant.drop = name;
    CHECK(load(variant) == ErrorCode::kModelInvalid);
  }
  Variant variant;
  variant.reshape = "blk.0.ffn_down.weight";
  CHECK(load(variant) == ErrorCode::kModelInvalid);
  variant = {};
  variant.metadata = [](GgufBuilder& builder) { builder.Uint("llama.expert_count", 8); };
  CHECK(load(variant) == ErrorCode::kModelUnsupported);
  variant.metadata = [](GgufBuilder& builder) {
    builder.String("llama.rope.scaling.type", "yarn");
  };
  CHECK(load(variant) == ErrorCode::kModelUnsupported);
  variant.metadata = [](GgufBuilder& builder) { builder.Uint("llama.attention.key_length", 24); };
  CHECK(load(variant) == ErrorCode::kModelUnsupported);
  variant.metadata = [](GgufBuilder& builder) { builder.Float("llama.rope.freq_base", -1.0f); };
  CHECK(load(variant) == ErrorCode::kModelInvalid);

  const std::vector<uint8_t> bytes = TinyModel({});
  const auto model = LoadModel(GgufFile::Parse(bytes), threads);
  const auto pool = model->CreateKvPool(8);
  std::vector<int32_t> tokens = {1, 2, 3}, slots = {0, 1, 2};
  std::vector<float> logits(kVocab);
  auto step = [&](StepRow row) {
    return CodeOf([&] { model->Forward({&row, 1}, *pool, logits); });
  };
  CHECK(step({tokens, 1, slots, 1}) == ErrorCode::kInvalidArgument);
  CHECK(step({tokens, 0, slots, 2}) == ErrorCode::kInvalidArgument);
  CHECK(step({tokens, -1, slots, 1}) == ErrorCode::kInvalidArgument);
  CHECK(step({{}, 0, {}, 0}) == ErrorCode::kInvalidArgument);
  tokens[1] = kVocab;
  CHECK(step({tokens, 0, slots, 1}) == ErrorCode::kInvalidArgument);
  tokens[1] = 2;
  slots[2] = 8;
  CHECK(step({tokens, 0, slots, 1}) == ErrorCode::kInvalidArgument);
  const std::vector<int32_t> many(701, 1), many_slots(701, 0);
  CHECK(step({many, 0, many_slots, 1}) == ErrorCode::kInvalidArgument);
  CHECK(CodeOf([&] { model->CreateKvPool(0); }) == ErrorCode::kInvalidArgument);
}

void TestKvPool(const CausalModel& model) {
  const auto pool = model.CreateKvPool(5);
  std::vector<int32_t> slots;
  CHECK(pool->num_slots() == 5 && pool->num_free() == 5);
  CHECK(pool->Allocate(3, &slots) && slots.size() == 3);
  CHECK(!pool->Allocate(3, &slots) && slots.size() == 3);
  CHECK(pool->Allocate(2, &slots) && pool->num_free() == 0);
  std::sort(slots.begin(), slots.end());
  CHECK((slots == std::vector<int32_t>{0, 1, 2, 3, 4}));
  pool->Free(std::span(slots).first(4));
  CHECK(pool->num_free() == 4);
}

void TestThreadPool() {
  for (int round = 0; round < 50; ++round) {
    ThreadPool pool(1 + round % 4);
    for (int call = 0; call < 20; ++call) {
      std::vector<int> seen(static_cast<size_t>(pool.num_threads()));
      pool.Run([&](int index) { ++seen[static_cast<size_t>(index)]; });
      for (int count : seen) CHECK(count == 1);
    }
  }
  ThreadPool pool(3);
  for (int thrower = 0; thrower < 3; ++thrower) {
    CHECK_THROWS(pool.Run([&](int index) {
      if (index == thrower) throw Error(ErrorCode::kNativeFailure, "a failing piece of work");
    }));
  }
  ThreadPool sized(0);
  CHECK(sized.num_threads() == AvailableCores());
}

void TestLevelChoice() {
  setenv("DIECAST_CPU", "sse9", 1);
  CHECK(CodeOf([] { ChooseCpuLevel(); }) == ErrorCode::kInvalidArgument);
  for (CpuLevel level : {CpuLevel::kAvx2, CpuLevel::kAvx512, CpuLevel::kAmx}) {
    setenv("DIECAST_CPU", CpuLevelName(level), 1);
    if (CpuHas(level)) {
      CHECK(ChooseCpuLevel() == level);
    } else {
      CHECK(CodeOf([] { ChooseCpuLevel(); }) == ErrorCode::kInvalidArgument);
    }
  }
  unsetenv("DIECAST_CPU");
}

}  // namespace
}  // namespace diecast

int main(int argc, char** argv) {
  using namespace diecast;
  TestThreadPool();
  TestLevelChoice();
  const uint32_t seed = argc > 1 ? static_cast<uint32_t>(std::atoi(argv[1])) : 7;
  std::mt19937 crowd(seed);
  std::printf("model_test on %s, seed %u:", CpuName().c_str(), seed);
  for (CpuLevel level : AvailableCpuLevels()) {
    setenv("DIECAST_CPU", CpuLevelName(level), 1);
    std::vector<float> one_thread;
    std::vector<Continuation> alone;  // of the prompts below, with one thread
    for (int num_threads : {1, 2, 3}) {
      ThreadPool threads(num_threads);
      Variant untied;
      untied.tied = false;
      untied.biases = true;
      untied.type = TensorType::kQ8_0;
      for (const Variant& variant : {Variant{}, untied}) {
        const std::vector<uint8_t> bytes = TinyModel(variant);
        const auto model = LoadModel(GgufFile::Parse(bytes), threads);
        CHECK(model->config().vocab_size == kVocab && model->config().head_dim == kHeadDim);
        TestInvariance(*model, 0);
        TestPrompts(*model);
        TestWantedTokens(*model);
        TestKvPool(*model);
        if (!variant.tied) continue;
        const std::vector<float> logits = Whole(*model, Tokens(40, 9));
        if (one_thread.empty()) one_thread = logits;
        CHECK(SameBits(logits, one_thread));
        for (int i = 0; i < 6; ++i) {
          const std::vector<int32_t> prompt = Tokens(1 + 17 * i, 40 + i);
          const auto index = static_cast<size_t>(i);
          if (alone.size() == index) alone.push_back(ContinueAlone(*model, prompt));
          CHECK(ContinueInCompany(*model, prompt, crowd) == alone[index]);
        }
      }
      const std::vector<uint8_t> bytes = TinyModel({});
      const auto exact = LoadModel(GgufFile::Parse(bytes), threads, {WeightMode::kDequantized});
      TestInvariance(*exact, 0);
      TestWantedTokens(*exact);
      TestRefusals(threads);
      if (num_threads == 2) TestKvTypes(threads);
    }
    std::printf(" %s ok", CpuLevelName(level));
    std::fflush(stdout);
  }
  std::printf("\n");
  return 0;
}
