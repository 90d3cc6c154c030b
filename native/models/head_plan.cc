#include "native/models/head_plan.h"

#include <algorithm>

#include "kernels/cpu/packed_matrix.h"

namespace diecast {
namespace {

/// A panel costs a lone row about twice what it costs one of several.
constexpr int kMaxPickedShare = 2;

}  // namespace

HeadPlan::HeadPlan(int vocab_size)
    : num_panels_((vocab_size + kPanelRows - 1) / kPanelRows),
      marked_(static_cast<size_t>(num_panels_) + 2) {}

void HeadPlan::Clear() {
  whole_.clear();
  picked_.clear();
  runs_.clear();
}

void HeadPlan::Add(const std::optional<WantedTokens>& wanted) {
  const int row = num_rows();
  if (!wanted || !Mark(*wanted)) {
    whole_.push_back(row);
    return;
  }
  const size_t first = runs_.size();
  const auto end = marked_.begin() + num_panels_;
  for (auto at = std::find(marked_.begin(), end, 1); at != end;) {
    const auto stop = std::find(at, end, 0);
    runs_.push_back(
        {static_cast<int>(at - marked_.begin()), static_cast<int>(stop - marked_.begin())});
    at = std::find(stop, end, 1);
  }
  picked_.push_back({row, first, runs_.size()});
}

bool HeadPlan::Mark(const WantedTokens& wanted) {
  static_assert(kPanelRows == 16, "a word of 32 ids is two panels");
  std::fill(marked_.begin(), marked_.end(), 0);
  const int most = num_panels_ / kMaxPickedShare;
  const size_t words = std::min(wanted.bits.size(), (static_cast<size_t>(num_panels_) + 1) / 2);
  int count = 0;
  for (size_t w = 0; w < words && count <= most; ++w) {
    const uint32_t bits = wanted.bits[w];
    marked_[2 * w] = (bits & 0xffff) != 0;
    marked_[2 * w + 1] = (bits >> 16) != 0;
    count += marked_[2 * w] + marked_[2 * w + 1];
  }
  for (const int32_t id : wanted.ids) {
    const int panel = id / kPanelRows;
    if (id < 0 || panel >= num_panels_) continue;
    uint8_t& mark = marked_[static_cast<size_t>(panel)];
    count += 1 - mark;
    mark = 1;
  }
  return count <= most;
}

}  // namespace diecast
