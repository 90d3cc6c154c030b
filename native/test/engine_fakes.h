// Test doubles of the engine's neighbours: a model whose logits are a
// hash of the whole context as read back from the KV pool (so a wrong slot, a stale slot or a wrong
// length changes the output), and one-rule grammar programs.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <functional>
#include <limits>
#include <memory>
#include <mutex>
#include <numeric>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "native/engine/engine.h"
#include "native/error.h"
#include "native/models/model.h"
#include "native/test/check.h"
#include "native/test/fake_tokenizer.h"
#include "native/test/program_assembler.h"

namespace diecast::test {

/// Keeps a token per slot; freed slots are poisoned.
class FakeKvPool final : public KvPool {
 public:
  static constexpr int32_t kPoison = -1;
  explicit FakeKvPool(int32_t num_slots, std::function<void()> before_allocate = nullptr)
      : tokens(static_cast<size_t>(num_slots), kPoison),
        of_prompt(tokens.size()),
        before_allocate_(std::move(before_allocate)) {
    free_.resize(static_cast<size_t>(num_slots));
    std::iota(free_.rbegin(), free_.rend(), 0);
  }
  int32_t num_slots() const override { return static_cast<int32_t>(tokens.size()); }
  int32_t num_free() const override { return static_cast<int32_t>(free_.size()); }
  bool Allocate(int32_t count, std::vector<int32_t>* out) override {
    if (before_allocate_ != nullptr) before_allocate_();
    if (count > num_free()) return false;
    for (int32_t i = 0; i < count; i++) {
      out->push_back(free_.back());
      free_.pop_back();
      CHECK(used_.insert(out->back()).second);
    }
    return true;
  }
  void Free(std::span<const int32_t> slots) override {
    for (const int32_t slot : slots) {
      CHECK(used_.erase(slot) == 1);
      tokens[static_cast<size_t>(slot)] = kPoison;
      free_.push_back(slot);
    }
  }
  std::vector<int32_t> tokens;
  std::vector<bool> of_prompt;

 private:
  const std::function<void()> before_allocate_;
  std::vector<int32_t> free_;
  std::set<int32_t> used_;
};

inline uint64_t HashStep(uint64_t h, uint64_t x) {
  h = (h ^ x) * 0xff51afd7ed558ccdu;
  return h ^ (h >> 32);
}

/// Logits that a step does not want are infinite: whoever looks at one draws a wrong token or none.
class FakeModel final : public CausalModel {
 public:
  struct Row {
    int32_t num_tokens;
    int32_t num_logits;
  };
  explicit FakeModel(int32_t vocab_size, int32_t context_length = 512) {
    config_.vocab_size = vocab_size;
    config_.context_length = context_length;
    config_.num_layers = config_.num_kv_heads = config_.head_dim = 1;
  }
  const ModelConfig& config() const override { return config_; }
  std::unique_ptr<KvPool> CreateKvPool(int32_t num_slots) const override {
    return std::make_unique<FakeKvPool>(num_slots, before_allocate);
  }
  int64_t kv_bytes_per_token() const override { return sizeof(int32_t); }
  void Forward(std::span<const StepRow> rows, KvPool& kv, std::span<float> logits) override {
    auto& pool = static_cast<FakeKvPool&>(kv);
    std::vector<Row> step;
    size_t at = 0;
    for (const StepRow& row : rows) {
      const auto context = static_cast<size_t>(row.context_length);
      CHECK(!row.tokens.empty() && row.kv_slots.size() == context + row.tokens.size());
      for (size_t i = 0; i < row.tokens.size(); i++) {
        const auto slot = static_cast<size_t>(row.kv_slots[context + i]);
        pool.tokens[slot] = row.tokens[i];
        pool.of_prompt[slot] = static_cast<int32_t>(i) < row.num_prompt_tokens;
      }
      uint64_t h = 1;
      const size_t first = row.kv_slots.size() - static_cast<size_t>(row.num_logits);
      for (size_t i = 0; i < row.kv_slots.size(); i++) {
        const int32_t token = pool.tokens[static_cast<size_t>(row.kv_slots[i])];
        CHECK(token != FakeKvPool::kPoison);
        // A token of a prompt may be computed otherwise than a generated one.
        h = HashStep(h, 2 * static_cast<uint64_t>(token) +
                            pool.of_prompt[static_cast<size_t>(row.kv_slots[i])]);
        if (i < first) continue;
        for (int32_t v = 0; v < config_.vocab_size; v++) {
          const auto wanted =
              row.wanted.empty() ? std::nullopt : row.wanted[static_cast<size_t>(i - first)];
          if (poisons && wanted && !Wants(*wanted, v)) {
            logits[at++] = std::numeric_limits<float>::infinity();
            continue;
          }
          const double unit =
              static_cast<double>(HashStep(h, static_cast<uint64_t>(v) + 1) >> 40) * 0x1.0p-24;
          const uint64_t habit =
              HashStep(HashStep(7, static_cast<uint64_t>(token)), static_cast<uint64_t>(v) + 1);
          logits[at++] =
              static_cast<float>(unit * 8) +
              repetition * static_cast<float>(static_cast<double>(habit >> 40) * 0x1.0p-24) +
              (bias != nullptr ? bias(v) : 0.0f);
        }
      }
      step.push_back({static_cast<int32_t>(row.tokens.size()), row.num_logits});
    }
    CHECK(at == logits.size());
    if (on_step != nullptr) on_step(rows);
    const std::lock_guard lock(mutex_);
    steps_.push_back(std::move(step));
  }
  std::vector<std::vector<Row>> steps() const {
    const std::lock_guard lock(mutex_);
    return steps_;
  }

  static bool Wants(const WantedTokens& wanted, int32_t id) {
    const auto word = static_cast<size_t>(id) / 32;
    return (word < wanted.bits.size() && (wanted.bits[word] >> (id % 32) & 1) != 0) ||
           std::find(wanted.ids.begin(), wanted.ids.end(), id) != wanted.ids.end();
  }

  /// How much the token before counts beside the whole context: at 0 nothing repeats, at 1000 much.
  float repetition = 0;
  bool poisons = true;                 ///< false: unwanted logits are as good as others
  std::function<float(int32_t)> bias;  ///< added to the logit of an id; set before use
  std::function<void(std::span<const StepRow>)> on_step;  ///< may throw or wait; set before use
  std::function<void()> before_allocate;                  ///< of KV slots; as on_step

 private:
  ModelConfig config_;
  mutable std::mutex mutex_;
  std::vector<std::vector<Row>> steps_;
};

/// A state of a one-rule grammar; the first is the start.
struct StateSpec {
  bool accepting = false;
  struct ByteEdge {
    char lo, hi;
    uint32_t target;
  };
  std::vector<ByteEdge> bytes = {};
  struct LiteralEdge {
    std::string text;
    uint32_t target;
  };
  std::vector<LiteralEdge> literals = {};
};

inline std::shared_ptr<CompiledGrammar> MakeGrammar(std::shared_ptr<Vocabulary> vocabulary,
                                                    const std::vector<StateSpec>& states) {
  Assembler assembler;
  Assembler::RuleSpec& rule = assembler.rules.emplace_back();
  for (const StateSpec& s : states) {
    Assembler::StateSpec& state = rule.states.emplace_back();
    state.accepting = s.accepting;
    for (const auto& e : s.bytes) state.bytes.push_back({Range(e.lo, e.hi), e.target});
    for (const auto& e : s.literals) state.literals.emplace_back(e.text, e.target);
  }
  return LoadGrammar(std::move(vocabulary), assembler.Encode(0));
}

}  // namespace diecast::test
