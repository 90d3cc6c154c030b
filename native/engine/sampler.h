// Draws a token from a row of logits: penalties, logit bias, mask, temperature, top-k, top-p,
// min-p, seeded draw.
//
// The draw depends on the seed and on the token's position in the output, never on what else is in
// the batch, on earlier draws or on whether tokens before it were forced. So a retracted request
// goes on with the same text, and forcing what the grammar leaves no choice about does not shift
// later draws.
#pragma once

#include <cstdint>
#include <span>
#include <unordered_map>
#include <vector>

#include "kernels/cpu/kernels.h"
#include "native/engine/request.h"
#include "native/matcher/matcher.h"

namespace diecast {

/// How often a sequence holds each token; kept only for requests with penalties.
class TokenCounts {
 public:
  void Add(int32_t id, bool is_output) { num_outputs_[id] += is_output ? 1 : 0; }
  /// Repetition penalty sees prompt and output, frequency and presence only the output.
  void Penalize(std::span<float> logits, const SamplingParams& params) const;

 private:
  std::unordered_map<int32_t, int32_t> num_outputs_;  // 0 for tokens of the prompt only
};

/// Uniform in [0, 1), a pure function of its arguments.
double UniformDraw(uint64_t seed, uint64_t position);

/// The seed of a request's choice: the request's own for the first.
uint64_t ChoiceSeed(uint64_t seed, int32_t choice);

/// Not thread-safe: holds scratch of the vocabulary's size.
class Sampler {
 public:
  /// Ids at and past `num_tokens` (padding rows of the head) are never drawn.
  explicit Sampler(int32_t num_tokens, const CpuKernels& kernels = KernelsOf(ChooseCpuLevel()))
      : num_tokens_(num_tokens), kernels_(kernels) {}

  struct Input {
    std::span<float> logits;  ///< one row; overwritten by penalties and bias
    const SamplingParams& params;
    const TokenCounts* counts = nullptr;   ///< null: no penalties
    const TokenMask* mask = nullptr;       ///< null: every token is allowed
    std::span<const int32_t> banned = {};  ///< not drawn, e.g. EOS before min_tokens, unless the
                                           ///< mask allows nothing else
    uint64_t position = 0;                 ///< index of the token in the output
  };
  /// The id, or -1 when no allowed token has a finite logit. Ties go to the lower id.
  int32_t Sample(const Input& input);

 private:
  struct Candidate {
    float weight;
    int32_t id;
  };
  static bool IsHeavier(const Candidate& a, const Candidate& b) {
    return a.weight > b.weight || (a.weight == b.weight && a.id < b.id);
  }
  /// Penalties, bias and bans, in place.
  static void Process(const Input& input);
  bool IsDense(const TokenMask* mask) const;
  int32_t Greedy(std::span<const float> logits, const TokenMask* mask);
  void Collect(std::span<const float> logits, const TokenMask* mask);
  bool Weigh(float temperature);
  int32_t DrawFromAll(double draw) const;
  void CollectAtLeast(float threshold);
  void CollectTop(size_t count);
  void CollectTopP(float top_p);
  void CutToMass(double mass);
  int32_t IdAt(size_t index) const {
    return ids_.empty() ? static_cast<int32_t>(index) : ids_[index];
  }

  int32_t num_tokens_;
  const CpuKernels& kernels_;
  std::vector<uint32_t> allowed_;
  // By ascending id: logits at first, then weights relative to the best; padded with zeros to whole
  // blocks. Of the allowed tokens when they are few; else of all, with none for the others.
  std::vector<float> weights_;
  std::vector<int32_t> ids_;  // empty when a token's index is its id
  size_t num_weights_ = 0;
  // Per block of weights, so that a draw and a search for the best skip what cannot matter.
  std::vector<float> block_sum_, block_max_;
  std::vector<float> scratch_;
  double total_ = 0;
  std::vector<Candidate> candidates_;
};

}  // namespace diecast
