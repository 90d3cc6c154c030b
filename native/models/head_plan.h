// Which part of the head each row of logits needs. A grammar often leaves a handful of tokens, and
// the head is a third of a small model: what nobody reads is not multiplied.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "native/models/model.h"

namespace diecast {

/// Panels [begin, end) of the head.
struct PanelRun {
  int begin;
  int end;
};

/// Rows are added in the order of the logits and computed in another: those that need (nearly) all
/// panels side by side, so that each panel is unpacked once for all of them, then the others one by
/// one. A row's bits are the same either way.
class HeadPlan {
 public:
  /// A row of logits of which only some panels are computed.
  struct PickedRow {
    int logits_row;
    size_t runs_begin, runs_end;
  };

  explicit HeadPlan(int vocab_size);

  void Clear();
  /// The next row of logits. Without `wanted`, all of it is needed.
  void Add(const std::optional<WantedTokens>& wanted);

  int num_rows() const { return static_cast<int>(whole_.size() + picked_.size()); }
  int num_whole() const { return static_cast<int>(whole_.size()); }
  /// The rows of logits that are computed whole, ascending.
  std::span<const int> whole() const { return whole_; }
  std::span<const PickedRow> picked() const { return picked_; }
  /// What a picked row needs, ascending and apart from each other.
  std::span<const PanelRun> runs(const PickedRow& row) const {
    return std::span(runs_).subspan(row.runs_begin, row.runs_end - row.runs_begin);
  }
  /// The row of logits that is computed as number `index`.
  int logits_row(int index) const {
    const auto i = static_cast<size_t>(index);
    return i < whole_.size() ? whole_[i] : picked_[i - whole_.size()].logits_row;
  }

 private:
  /// Marks the panels of `wanted`; false when picking them would not pay.
  bool Mark(const WantedTokens& wanted);

  const int num_panels_;
  std::vector<uint8_t> marked_;  ///< per panel; two more so that whole words can be marked
  std::vector<int> whole_;
  std::vector<PickedRow> picked_;
  std::vector<PanelRun> runs_;
};

}  // namespace diecast
