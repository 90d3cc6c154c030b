// The forward pass. All threads of the pool walk through the layers together: matrix products and
// attention are dealt out in pieces, and a barrier ends each phase. With few rows the small work
// between products (norms, rotation, quantization) is done by the last thread to reach the barrier,
// which saves a second one.
#include "native/models/llama.h"

#include <algorithm>
#include <cmath>
#include <initializer_list>
#include <string>
#include <utility>
#include <vector>

#include "kernels/cpu/kernels.h"
#include "native/backend/cpu/kv_pool.h"
#include "native/backend/cpu/step_team.h"
#include "native/backend/cpu/thread_pool.h"
#include "native/loader/gguf.h"
#include "native/models/activations.h"
#include "native/models/head_plan.h"
#include "native/models/llama_config.h"
#include "native/models/weights.h"

namespace diecast {
namespace {

constexpr int kMaxPassTokens =
    512;  ///< longer steps are cut: the buffers stay small and the rows in cache
constexpr int kMaxSerialRows = 4;  ///< up to here one thread does the work between products
/// Rows of a gate/up piece, whose products stay in cache: more where each piece unpacks its
/// weights.
constexpr int kGateRows = 32;
constexpr int kTiledGateRows = 256;
/// Bytes fetched ahead for the next phase by a thread that waits, at a time and at most: what fits
/// the second level of cache beside the rows.
constexpr size_t kPrefetchBytes = 512;
constexpr int kMaxPrefetches = 64;
/// Panels of a gate/up piece: long stretches of memory for few rows, what fits L2 beside the rows
/// for many. Pieces of the head are of the greater size.
constexpr int kMaxGatePanels = 12;
constexpr int kMinGatePanels = 8;

struct Layer {
  std::vector<float> attention_norm;
  Linear query, key, value, output;
  std::vector<float> ffn_norm;
  Linear gate, up, down;
};

/// A run of one step row's tokens inside a pass.
struct Segment {
  const StepRow* row = nullptr;
  int first_token = 0;  ///< index in row->tokens
  int num_tokens = 0;
  bool tiled = false;   ///< multiplied by tile_gemm
  int first_index = 0;  ///< index of the first token in the pass
};

struct AttentionTile {
  int segment = 0;
  int first_token = 0;  ///< within the segment
  int num_tokens = 0;
  int row = 0;  ///< of the first token among the TokenRows
};

/// Tokens that go through a layer from its attention on, a row each.
struct TokenRows {
  RowBuffer hidden;      ///< [rows, hidden]: the residual stream
  InputBuffer normed;    ///< [rows, hidden]
  InputBuffer attended;  ///< [rows, heads * head_dim]
  InputBuffer gated;     ///< [rows, ffn]
  std::vector<AttentionTile> attention;
  int num_rows = 0;

  void Resize(int rows, const ModelConfig& config, WeightKinds kinds, int num_tiled) {
    num_rows = rows;
    hidden.Resize(rows, config.hidden_size);
    normed.Resize(rows, config.hidden_size, kinds, num_tiled);
    attended.Resize(rows, config.num_heads * config.head_dim, kinds, num_tiled);
    gated.Resize(rows, config.ffn_size, kinds, num_tiled);
  }
};

/// A matrix and where its product goes.
struct Target {
  const Linear* linear = nullptr;
  float* out = nullptr;
};

std::span<const Target> One(const Target& target) { return {&target, 1}; }

/// What one pass computes: tokens of several rows side by side, those of prompts first where they
/// are multiplied as tiles.
struct Pass {
  explicit Pass(int vocab_size) : head(vocab_size) {}
  std::vector<Segment> segments;   ///< in the order of rows
  std::vector<int> token_segment;  ///< per token of the pass
  int num_tiled = 0;               ///< tokens
  std::vector<int> logit_tokens;   ///< tokens of the pass whose logits are wanted, in order
  HeadPlan head;                   ///< of these
  float* logits = nullptr;
  int num_tokens() const { return num_tokens_; }
  void Add(const Segment& segment) {
    segments.push_back(segment);
    num_tokens_ += segment.num_tokens;
  }
  void Clear() {
    segments.clear();
    token_segment.clear();
    logit_tokens.clear();
    head.Clear();
    num_tokens_ = 0;
  }

 private:
  int num_tokens_ = 0;
};

/// What a thread needs for itself.
struct ThreadScratch {
  RowBuffer attention;
  RowBuffer gate;
  RowBuffer up;
};

class LlamaModel final : public CausalModel {
 public:
  LlamaModel(std::shared_ptr<const GgufFile> file, ThreadPool& pool, const ModelOptions& options);

  const ModelConfig& config() const override { return config_; }
  std::unique_ptr<KvPool> CreateKvPool(int32_t num_slots) const override {
    return std::make_unique<CpuKvPool>(kv_type_, config_.num_layers, num_slots,
                                       config_.num_kv_heads, config_.head_dim);
  }
  int64_t kv_bytes_per_token() const override {
    return 2 * int64_t{config_.num_layers} *
           static_cast<int64_t>(KvTokenBytes(kv_type_, config_.num_kv_heads, config_.head_dim));
  }
  void Forward(std::span<const StepRow> rows, KvPool& pool, std::span<float> logits) override;

 private:
  void CheckStep(std::span<const StepRow> rows, const CpuKvPool& kv, size_t num_logits) const;
  /// Gives the pass's tokens their places and says what is computed of each.
  void LayOutPass();
  void RunPass(const CpuKvPool& kv);
  void Work(StepTeam::Member member, const CpuKvPool& kv);
  void Embed(int index);
  void RotateAndStore(int layer, int index, const CpuKvPool& kv);
  /// Attention of a tile and a key/value head; there are NumAttentionUnits.
  void Attend(TokenRows& rows, int layer, int unit, int thread, const CpuKvPool& kv);
  AttentionArgs AttentionOf(TokenRows& rows, int layer, int unit, const CpuKvPool& kv);
  int NumAttentionUnits(const TokenRows& rows) const {
    return static_cast<int>(rows.attention.size()) * config_.num_kv_heads;
  }
  /// What a layer does after its attention.
  void FinishLayer(StepTeam::Member& member, TokenRows& rows, const Layer& layer);
  void GateAndUp(TokenRows& rows, const Layer& layer, int panel_begin, int panel_end, int thread);
  /// Makes the logits of these panels, of each row those that it needs.
  void Head(int panel_begin, int panel_end, int thread);
  /// Multiplies one input by several matrices, dealt out as one row of panels.
  void Product(StepTeam::Member& member, std::span<const Target> targets, const InputBuffer& input,
               int num_rows, ptrdiff_t stride, OutputMode mode) const;
  int Piece(const StepTeam::Member& member, int num_panels) const;
  /// Matrices that are dealt out as one row of panels.
  using Weights = std::initializer_list<const Linear*>;
  /// Runs fn(row) for all rows between two phases. `next` is what the second one reads.
  template <typename Fn>
  void BetweenPhases(StepTeam::Member& member, int num_rows, std::initializer_list<Weights> next,
                     Fn&& fn) const;
  /// Fetches part number `step` of what this thread will read of `next`; false when it is enough.
  bool Prefetch(const StepTeam::Member& member, std::initializer_list<Weights> next,
                int step) const;

  std::shared_ptr<const GgufFile> file_;
  ThreadPool& pool_;
  ModelConfig config_;
  const CpuKernels& kernels_;
  const int gate_rows_;
  KvType kv_type_;
  WeightKinds kinds_;
  std::vector<float> rope_frequencies_;
  const TensorView* embedding_ = nullptr;
  std::vector<Layer> layers_;
  std::vector<float> output_norm_;
  Linear head_;

  Pass pass_;
  RowBuffer qkv_;         ///< [tokens, queries | keys | values]
  RowBuffer rotation_;    ///< [tokens, cosine and sine per pair]
  TokenRows all_rows_;    ///< all tokens of the pass
  TokenRows logit_rows_;  ///< those with logits: the last layer makes keys and values of others
  InputBuffer head_in_;   ///< [tokens with logits, hidden], in the order of the head's plan
  std::vector<ThreadScratch> scratch_;
};

LlamaModel::LlamaModel(std::shared_ptr<const GgufFile> file, ThreadPool& pool,
                       const ModelOptions& options)
    : file_(std::move(file)),
      pool_(pool),
      config_(ReadLlamaConfig(*file_)),
      kernels_(KernelsOf(ChooseCpuLevel())),
      gate_rows_(kernels_.tile_row != nullptr ? kTiledGateRows : kGateRows),
      // Halves would be converted one by one in portable code, and parity wants what was computed.
      kv_type_(options.kv_type.value_or(options.mode == WeightMode::kDequantized ||
                                                kernels_.level == CpuLevel::kPortable
                                            ? KvType::kF32
                                            : KvType::kF16)),
      rope_frequencies_(ReadRopeFrequencies(*file_, config_)),
      pass_(config_.vocab_size),
      scratch_(static_cast<size_t>(pool.num_threads())) {
  const int hidden = config_.hidden_size;
  const int query_size = config_.num_heads * config_.head_dim;
  const int kv_size = config_.num_kv_heads * config_.head_dim;
  if (config_.num_heads / config_.num_kv_heads > kMaxQueriesPerTile) {
    throw Error(ErrorCode::kModelUnsupported, "more than " + std::to_string(kMaxQueriesPerTile) +
                                                  " query heads share a key/value head");
  }
  const WeightReader reader(*file_, pool, options.mode);
  embedding_ = &reader.MatrixView("token_embd.weight", config_.vocab_size, hidden);
  for (int i = 0; i < config_.num_layers; ++i) {
    const std::string prefix = "blk." + std::to_string(i) + ".";
    Layer layer;
    layer.attention_norm = reader.ReadVector(prefix + "attn_norm.weight", hidden);
    layer.query = reader.ReadLinear(prefix + "attn_q", query_size, hidden);
    layer.key = reader.ReadLinear(prefix + "attn_k", kv_size, hidden);
    layer.value = reader.ReadLinear(prefix + "attn_v", kv_size, hidden);
    layer.output = reader.ReadLinear(prefix + "attn_output", hidden, query_size);
    layer.ffn_norm = reader.ReadVector(prefix + "ffn_norm.weight", hidden);
    layer.gate = reader.ReadLinear(prefix + "ffn_gate", config_.ffn_size, hidden);
    layer.up = reader.ReadLinear(prefix + "ffn_up", config_.ffn_size, hidden);
    layer.down = reader.ReadLinear(prefix + "ffn_down", hidden, config_.ffn_size);
    for (const Linear* linear : {&layer.query, &layer.key, &layer.value, &layer.output, &layer.gate,
                                 &layer.up, &layer.down}) {
      kinds_.Add(linear->weight.format);
    }
    layers_.push_back(std::move(layer));
  }
  output_norm_ = reader.ReadVector("output_norm.weight", hidden);
  // Files without an output matrix tie the head to the embedding.
  const bool tied = file_->FindTensor("output.weight") == nullptr;
  head_.weight = reader.Pack(
      tied ? *embedding_ : reader.MatrixView("output.weight", config_.vocab_size, hidden),
      config_.vocab_size, hidden);
  kinds_.Add(head_.weight.format);
  if (kinds_.quantized &&
      (hidden % kBlock != 0 || query_size % kBlock != 0 || config_.ffn_size % kBlock != 0)) {
    throw Error(
        ErrorCode::kModelUnsupported,
        "quantized weights need layer sizes that are multiples of " + std::to_string(kBlock));
  }
}

void LlamaModel::CheckStep(std::span<const StepRow> rows, const CpuKvPool& kv,
                           size_t num_logits) const {
  auto fail = [](size_t row, const std::string& what) {
    throw Error(ErrorCode::kInvalidArgument, "step row " + std::to_string(row) + ": " + what);
  };
  if (kv.type() != kv_type_ || kv.num_layers() != config_.num_layers ||
      kv.num_heads() != config_.num_kv_heads || kv.head_dim() != config_.head_dim) {
    throw Error(ErrorCode::kInvalidArgument, "the KV pool was made for another model");
  }
  size_t wanted = 0;
  for (size_t i = 0; i < rows.size(); ++i) {
    const StepRow& row = rows[i];
    if (row.tokens.empty()) fail(i, "no tokens");
    if (row.context_length < 0 || row.tokens.size() + static_cast<size_t>(row.context_length) >
                                      static_cast<size_t>(config_.context_length)) {
      fail(i, "beyond the context of " + std::to_string(config_.context_length) + " tokens");
    }
    if (row.kv_slots.size() != row.tokens.size() + static_cast<size_t>(row.context_length)) {
      fail(i, "the number of KV slots differs from the number of tokens");
    }
    if (row.num_prompt_tokens < 0 || static_cast<size_t>(row.num_prompt_tokens) > row.tokens.size())
      fail(i, "num_prompt_tokens out of range");
    if (row.num_logits < 0 || static_cast<size_t>(row.num_logits) > row.tokens.size())
      fail(i, "num_logits out of range");
    if (!row.wanted.empty() && row.wanted.size() != static_cast<size_t>(row.num_logits))
      fail(i, "the number of wanted sets differs from the number of logits rows");
    for (int32_t token : row.tokens) {
      if (token < 0 || token >= config_.vocab_size)
        fail(i, "token " + std::to_string(token) + " out of range");
    }
    for (int32_t slot : row.kv_slots) {
      if (slot < 0 || slot >= kv.num_slots())
        fail(i, "KV slot " + std::to_string(slot) + " out of range");
    }
    wanted += static_cast<size_t>(row.num_logits);
  }
  if (num_logits != wanted * static_cast<size_t>(config_.vocab_size)) {
    throw Error(ErrorCode::kInvalidArgument,
                "logits hold " + std::to_string(num_logits) + " values; the step makes " +
                    std::to_string(wanted) + " rows of " + std::to_string(config_.vocab_size));
  }
}

void LlamaModel::Forward(std::span<const StepRow> rows, KvPool& pool, std::span<float> logits) {
  const CpuKvPool* kv = dynamic_cast<const CpuKvPool*>(&pool);
  if (kv == nullptr)
    throw Error(ErrorCode::kInvalidArgument, "the KV pool was made for another backend");
  CheckStep(rows, *kv, logits.size());
  pass_.Clear();
  pass_.logits = logits.data();
  for (const StepRow& row : rows) {
    const int total = static_cast<int>(row.tokens.size());
    const int num_tiled = kernels_.tile_row != nullptr ? row.num_prompt_tokens : 0;
    for (int done = 0; done < total;) {
      const int room = kMaxPassTokens - pass_.num_tokens();
      const bool tiled = done < num_tiled;
      const int count = std::min((tiled ? num_tiled : total) - done, room);
      pass_.Add({&row, done, count, tiled});
      done += count;
      if (pass_.num_tokens() == kMaxPassTokens) RunPass(*kv);
    }
  }
  if (pass_.num_tokens() > 0) RunPass(*kv);
}

void LlamaModel::LayOutPass() {
  const int tile_tokens =
      std::max(1, kMaxQueriesPerTile / (config_.num_heads / config_.num_kv_heads));
  all_rows_.attention.clear();
  logit_rows_.attention.clear();
  int index = 0;
  for (const bool tiled : {true, false}) {
    for (size_t s = 0; s < pass_.segments.size(); ++s) {
      Segment& segment = pass_.segments[s];
      if (segment.tiled != tiled) continue;
      segment.first_index = index;
      index += segment.num_tokens;
      pass_.token_segment.resize(static_cast<size_t>(index), static_cast<int>(s));
    }
    if (tiled) pass_.num_tiled = index;
  }
  for (size_t s = 0; s < pass_.segments.size(); ++s) {
    const Segment& segment = pass_.segments[s];
    const StepRow& row = *segment.row;
    const int first_logits = static_cast<int>(row.tokens.size()) - row.num_logits;
    // The segment's tokens from `first` on have rows from `first_row` on.
    const auto add_tiles = [&](TokenRows& rows, int first, int first_row) {
      for (int t = first; t < segment.num_tokens; t += tile_tokens) {
        rows.attention.push_back({static_cast<int>(s), t,
                                  std::min(tile_tokens, segment.num_tokens - t),
                                  first_row + t - first});
      }
    };
    const int silent = std::clamp(first_logits - segment.first_token, 0, segment.num_tokens);
    add_tiles(all_rows_, 0, segment.first_index);
    add_tiles(logit_rows_, silent, static_cast<int>(pass_.logit_tokens.size()));
    for (int t = silent; t < segment.num_tokens; ++t) {
      pass_.logit_tokens.push_back(segment.first_index + t);
      const auto logits_row = static_cast<size_t>(segment.first_token + t - first_logits);
      pass_.head.Add(row.wanted.empty() ? std::nullopt : row.wanted[logits_row]);
    }
  }
  // The tiles with the most keys first, so that no thread ends with a long one.
  for (TokenRows* rows : {&all_rows_, &logit_rows_})
    std::reverse(rows->attention.begin(), rows->attention.end());
}

void LlamaModel::RunPass(const CpuKvPool& kv) {
  LayOutPass();
  const int n = pass_.num_tokens();
  const int query_size = config_.num_heads * config_.head_dim;
  const int kv_size = config_.num_kv_heads * config_.head_dim;
  const int num_logits = static_cast<int>(pass_.logit_tokens.size());
  qkv_.Resize(n, query_size + 2 * kv_size);
  rotation_.Resize(n, config_.rope_dim);
  all_rows_.Resize(n, config_, kinds_, pass_.num_tiled);
  // A prompt has one token with logits, unless all are to be scored: no tiles.
  logit_rows_.Resize(num_logits, config_, kinds_, 0);
  head_in_.Resize(num_logits, config_.hidden_size, kinds_);
  for (ThreadScratch& scratch : scratch_) {
    scratch.attention.Resize(1, static_cast<int>(AttentionScratchFloats(config_.head_dim)));
    scratch.gate.Resize(gate_rows_, kMaxGatePanels * kPanelRows);
    scratch.up.Resize(gate_rows_, kMaxGatePanels * kPanelRows);
  }
  StepTeam team(pool_.num_threads());
  pool_.Run([&](int thread) { Work({team, thread}, kv); });
  pass_.logits += pass_.logit_tokens.size() * static_cast<size_t>(config_.vocab_size);
  pass_.Clear();
}

template <typename Fn>
void LlamaModel::BetweenPhases(StepTeam::Member& member, int num_rows,
                               std::initializer_list<Weights> next, Fn&& fn) const {
  if (num_rows <= kMaxSerialRows) {
    member.Sync(
        [&] {
          for (int row = 0; row < num_rows; ++row) fn(row);
        },
        [&](int i) { return Prefetch(member, next, i); });
    return;
  }
  member.Sync();
  member.ForPieces(num_rows, std::clamp(num_rows / (member.num_threads() * 4), 1, 8),
                   [&](int begin, int end) {
                     for (int row = begin; row < end; ++row) fn(row);
                   });
  member.Sync();
}

bool LlamaModel::Prefetch(const StepTeam::Member& member, std::initializer_list<Weights> next,
                          int step) const {
  if (step == kMaxPrefetches) return false;
  for (const Weights& matrices : next) {
    int num_panels = 0;
    for (const Linear* linear : matrices) num_panels += linear->weight.num_panels();
    int panel = member.RangeBegin(num_panels, Piece(member, num_panels));
    for (const Linear* linear : matrices) {
      const PackedMatrix& weight = linear->weight;
      if (panel < weight.num_panels()) {
        const size_t begin = weight.panel_bytes * static_cast<size_t>(panel) +
                             kPrefetchBytes * static_cast<size_t>(step);
        const size_t end = std::min(begin + kPrefetchBytes, weight.bytes.size());
        for (size_t i = begin; i < end; i += kCacheLine)
          __builtin_prefetch(weight.bytes.data() + i, 0, 2);
        break;
      }
      panel -= weight.num_panels();
    }
  }
  return next.size() != 0;
}

int LlamaModel::Piece(const StepTeam::Member& member, int num_panels) const {
  return std::max(2, num_panels / (member.num_threads() * 8) & ~1);  // kernels like pairs of panels
}

void LlamaModel::Product(StepTeam::Member& member, std::span<const Target> targets,
                         const InputBuffer& input, int num_rows, ptrdiff_t stride,
                         OutputMode mode) const {
  int num_panels = 0;
  for (const Target& target : targets) num_panels += target.linear->weight.num_panels();
  const Activations view = input.view();
  member.ForPieces(num_panels, Piece(member, num_panels), [&](int begin, int end) {
    int first_panel = 0;  // of the target among all panels
    for (const Target& target : targets) {
      const PackedMatrix& weight = target.linear->weight;
      const int from = std::max(begin - first_panel, 0);
      const int to = std::min(end - first_panel, weight.num_panels());
      first_panel += weight.num_panels();
      if (from >= to) continue;
      const int column = from * kPanelRows;
      Multiply(kernels_, weight, from, to, view, 0, num_rows, target.out + column, stride, mode);
      const std::vector<float>& bias = target.linear->bias;
      if (bias.empty()) continue;
      const int count = std::min(to * kPanelRows, weight.rows) - column;
      for (int row = 0; row < num_rows; ++row)
        kernels_.add(bias.data() + column, count, target.out + row * stride + column);
    }
  });
}

void LlamaModel::Embed(int index) {
  const Segment& segment =
      pass_.segments[static_cast<size_t>(pass_.token_segment[static_cast<size_t>(index)])];
  const int offset = segment.first_token + index - segment.first_index;
  const int token = segment.row->tokens[static_cast<size_t>(offset)];
  const size_t row_bytes = embedding_->data.size() / static_cast<size_t>(config_.vocab_size);
  Dequantize(embedding_->type, embedding_->data.data() + row_bytes * static_cast<size_t>(token),
             all_rows_.hidden.row(index), static_cast<uint64_t>(config_.hidden_size));
  const float position = static_cast<float>(segment.row->context_length + offset);
  float* rotation = rotation_.row(index);
  for (size_t i = 0; i < rope_frequencies_.size(); ++i) {
    const float angle = position * rope_frequencies_[i];
    rotation[2 * i] = std::cos(angle);
    rotation[2 * i + 1] = std::sin(angle);
  }
}

void LlamaModel::RotateAndStore(int layer, int index, const CpuKvPool& kv) {
  const int dim = config_.head_dim;
  float* query = qkv_.row(index);
  float* key = query + config_.num_heads * dim;
  const float scale = 1.0f / std::sqrt(static_cast<float>(dim));
  kernels_.rope(query, config_.num_heads, dim, config_.rope_dim, rotation_.row(index), scale);
  const Segment& segment =
      pass_.segments[static_cast<size_t>(pass_.token_segment[static_cast<size_t>(index)])];
  const int position =
      segment.row->context_length + segment.first_token + index - segment.first_index;
  const int32_t slot = segment.row->kv_slots[static_cast<size_t>(position)];
  const auto store = kernels_.store_kv[static_cast<int>(kv.type())];
  store(key, config_.num_kv_heads, dim, config_.rope_dim, rotation_.row(index), kv.keys(layer),
        slot);
  store(key + config_.num_kv_heads * dim, config_.num_kv_heads, dim, 0, nullptr, kv.values(layer),
        slot);
}

AttentionArgs LlamaModel::AttentionOf(TokenRows& rows, int layer, int unit, const CpuKvPool& kv) {
  const int kv_head = unit % config_.num_kv_heads;
  const AttentionTile& tile = rows.attention[static_cast<size_t>(unit / config_.num_kv_heads)];
  const Segment& segment = pass_.segments[static_cast<size_t>(tile.segment)];
  const int dim = config_.head_dim;
  const int group = config_.num_heads / config_.num_kv_heads;
  AttentionArgs args;
  const ptrdiff_t head_slots = static_cast<ptrdiff_t>(kv_head) * kv.num_slots();
  const ptrdiff_t head_bytes = head_slots * dim * static_cast<ptrdiff_t>(KvElementBytes(kv.type()));
  const KvLayer keys = kv.keys(layer);
  const KvLayer values = kv.values(layer);
  args.keys = keys.elements + head_bytes;
  args.values = values.elements + head_bytes;
  if (keys.scales != nullptr) {
    args.key_scales = keys.scales + head_slots;
    args.value_scales = values.scales + head_slots;
  }
  args.slots = segment.row->kv_slots.data();
  args.first_position = segment.row->context_length + segment.first_token + tile.first_token;
  args.num_tokens = tile.num_tokens;
  args.group = group;
  args.head_dim = dim;
  args.query = qkv_.row(segment.first_index + tile.first_token) + kv_head * group * dim;
  args.query_stride = qkv_.cols();
  args.out = rows.attended.row(tile.row) + kv_head * group * dim;
  args.out_stride = config_.num_heads * dim;
  return args;
}

void LlamaModel::Attend(TokenRows& rows, int layer, int unit, int thread, const CpuKvPool& kv) {
  AttentionArgs args = AttentionOf(rows, layer, unit, kv);
  args.scratch = scratch_[static_cast<size_t>(thread)].attention.row(0);
  AttentionArgs next;
  if (unit + 1 < NumAttentionUnits(rows)) {
    next = AttentionOf(rows, layer, unit + 1, kv);
    args.next = &next;
  }
  kernels_.attention[static_cast<int>(kv.type())](args);
}

void LlamaModel::GateAndUp(TokenRows& rows, const Layer& layer, int panel_begin, int panel_end,
                           int thread) {
  ThreadScratch& scratch = scratch_[static_cast<size_t>(thread)];
  const PackedMatrix& gate = layer.gate.weight;
  const PackedMatrix& up = layer.up.weight;
  const Activations input = rows.normed.view();
  const int num_rows = rows.num_rows;
  const int step = num_rows <= gate_rows_ ? kMaxGatePanels : kMinGatePanels;
  for (int panel = panel_begin; panel < panel_end; panel += step) {
    const int end = std::min(panel + step, panel_end);
    const int column = panel * kPanelRows;
    const int count = std::min(end * kPanelRows, config_.ffn_size) - column;
    for (int row = 0; row < num_rows; row += gate_rows_) {
      const int rows_end = std::min(row + gate_rows_, num_rows);
      const ptrdiff_t stride = scratch.gate.cols();
      Multiply(kernels_, gate, panel, end, input, row, rows_end, scratch.gate.row(0), stride,
               OutputMode::kStore);
      Multiply(kernels_, up, panel, end, input, row, rows_end, scratch.up.row(0), stride,
               OutputMode::kStore);
      for (int r = row; r < rows_end; ++r) {
        float* gate_row = scratch.gate.row(r - row);
        float* up_row = scratch.up.row(r - row);
        if (!layer.gate.bias.empty())
          kernels_.add(layer.gate.bias.data() + column, count, gate_row);
        if (!layer.up.bias.empty()) kernels_.add(layer.up.bias.data() + column, count, up_row);
        kernels_.silu_mul(gate_row, up_row, count, rows.gated.row(r) + column);
      }
    }
  }
}

void LlamaModel::Head(int panel_begin, int panel_end, int thread) {
  const PackedMatrix& weight = head_.weight;
  const GemmFn gemm = kernels_.gemm[static_cast<int>(weight.format)];
  const Activations input = head_in_.view();
  const std::span<const int> whole = pass_.head.whole();
  const int num_whole = pass_.head.num_whole();
  const bool side_by_side = num_whole > 0 && whole.back() - whole.front() == num_whole - 1;
  const RowBuffer& scratch = scratch_[static_cast<size_t>(thread)].gate;
  const ptrdiff_t stride = config_.vocab_size;
  for (int panel = panel_begin; panel < panel_end; panel += kMaxGatePanels) {
    const int end = std::min(panel + kMaxGatePanels, panel_end);
    const int column = panel * kPanelRows;
    const int count = std::min(end * kPanelRows, config_.vocab_size) - column;
    if (side_by_side) {
      gemm(weight, panel, end, input, 0, num_whole, pass_.logits + whole.front() * stride + column,
           stride, OutputMode::kStore);
    } else {
      for (int row = 0; row < num_whole; row += gate_rows_) {
        const int rows_end = std::min(row + gate_rows_, num_whole);
        gemm(weight, panel, end, input, row, rows_end, scratch.row(0), scratch.cols(),
             OutputMode::kStore);
        for (int r = row; r < rows_end; ++r)
          std::copy_n(scratch.row(r - row), count,
                      pass_.logits + whole[static_cast<size_t>(r)] * stride + column);
      }
    }
    int row = num_whole;
    for (const HeadPlan::PickedRow& picked : pass_.head.picked()) {
      const std::span<const PanelRun> runs = pass_.head.runs(picked);
      auto run = std::upper_bound(runs.begin(), runs.end(), panel,
                                  [](int first, const PanelRun& r) { return first < r.end; });
      for (; run != runs.end() && run->begin < end; ++run) {
        const int from = std::max(run->begin, panel);
        gemm(weight, from, std::min(run->end, end), input, row, row + 1,
             pass_.logits + picked.logits_row * stride + from * kPanelRows, stride,
             OutputMode::kStore);
      }
      ++row;
    }
  }
}

void LlamaModel::FinishLayer(StepTeam::Member& member, TokenRows& rows, const Layer& layer) {
  const int n = rows.num_rows;
  const int hidden = config_.hidden_size;
  BetweenPhases(member, n, {{&layer.output}}, [&](int row) {
    if (&rows == &logit_rows_) {  // the residual stream so far is among all tokens' rows
      const int token = pass_.logit_tokens[static_cast<size_t>(row)];
      std::copy_n(all_rows_.hidden.row(token), hidden, logit_rows_.hidden.row(row));
    }
    rows.attended.QuantizeRow(kernels_, row, kAttendedOutlierRatio);
  });
  Product(member, One({&layer.output, rows.hidden.row(0)}), rows.attended, n, hidden,
          OutputMode::kAdd);
  BetweenPhases(member, n, {{&layer.gate}, {&layer.up}}, [&](int row) {
    rows.normed.NormRow(kernels_, rows.hidden.row(row), layer.ffn_norm.data(), config_.rms_eps,
                        row);
  });
  const int ffn_panels = layer.gate.weight.num_panels();
  member.ForPieces(ffn_panels, Piece(member, ffn_panels), [&](int begin, int end) {
    GateAndUp(rows, layer, begin, end, member.thread());
  });
  BetweenPhases(member, n, {{&layer.down}},
                [&](int row) { rows.gated.QuantizeRow(kernels_, row, kGatedOutlierRatio); });
  Product(member, One({&layer.down, rows.hidden.row(0)}), rows.gated, n, hidden, OutputMode::kAdd);
}

void LlamaModel::Work(StepTeam::Member member, const CpuKvPool& kv) {
  const int n = pass_.num_tokens();
  const int query_size = config_.num_heads * config_.head_dim;
  const int kv_size = config_.num_kv_heads * config_.head_dim;
  const auto norm = [&](const Layer& layer, int row) {
    all_rows_.normed.NormRow(kernels_, all_rows_.hidden.row(row), layer.attention_norm.data(),
                             config_.rms_eps, row);
  };
  BetweenPhases(member, n, {{&layers_[0].query, &layers_[0].key, &layers_[0].value}}, [&](int row) {
    Embed(row);
    norm(layers_[0], row);
  });
  for (int l = 0; l < config_.num_layers; ++l) {
    const Layer& layer = layers_[static_cast<size_t>(l)];
    float* qkv = qkv_.row(0);
    const ptrdiff_t stride = qkv_.cols();
    const Target targets[] = {{&layer.query, qkv},
                              {&layer.key, qkv + query_size},
                              {&layer.value, qkv + query_size + kv_size}};
    Product(member, targets, all_rows_.normed, n, stride, OutputMode::kStore);
    BetweenPhases(member, n, {}, [&](int row) { RotateAndStore(l, row, kv); });
    const bool is_last = l + 1 == config_.num_layers;
    TokenRows& rows = is_last ? logit_rows_ : all_rows_;
    if (rows.num_rows == 0) return;
    member.ForPieces(NumAttentionUnits(rows), 1, [&](int begin, int end) {
      for (int unit = begin; unit < end; ++unit) Attend(rows, l, unit, member.thread(), kv);
    });
    FinishLayer(member, rows, layer);
    if (is_last) break;
    const Layer& next = layers_[static_cast<size_t>(l + 1)];
    BetweenPhases(member, n, {{&next.query, &next.key, &next.value}},
                  [&](int row) { norm(next, row); });
  }
  BetweenPhases(member, logit_rows_.num_rows, {{&head_}}, [&](int row) {
    head_in_.NormRow(kernels_, logit_rows_.hidden.row(pass_.head.logits_row(row)),
                     output_norm_.data(), config_.rms_eps, row);
  });
  const int head_panels = head_.weight.num_panels();
  member.ForPieces(head_panels, Piece(member, head_panels),
                   [&](int begin, int end) { Head(begin, end, member.thread()); });
}

}  // namespace

std::unique_ptr<CausalModel> LoadLlama(std::shared_ptr<const GgufFile> file, ThreadPool& pool,
                                       const ModelOptions& options) {
  return std::make_unique<LlamaModel>(std::move(file), pool, options);
}

}  // namespace diecast
