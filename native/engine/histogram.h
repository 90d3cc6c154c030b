// How often values of each size came, in buckets whose bounds double.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>

namespace diecast {

/// Bucket 0 counts values of at most 1, bucket i those in (2^(i-1), 2^i], the last one all larger
/// ones. Values are whole or in units small enough that what is below 1 does not matter. Adding
/// costs a few instructions and no memory.
class Histogram {
 public:
  static constexpr size_t kNumBuckets = 28;

  void Add(double value) {
    const double whole = std::clamp(value, 0.0, 0x1p62);
    const auto floor = static_cast<uint64_t>(whole);
    // The least integer that is not below the value.
    const uint64_t up = floor + (static_cast<double>(floor) < whole ? 1 : 0);
    const auto bucket = static_cast<size_t>(up <= 1 ? 0 : std::bit_width(up - 1));
    counts_[std::min(bucket, kNumBuckets - 1)]++;
    count_++;
    sum_ += value;
  }

  const std::array<int64_t, kNumBuckets>& counts() const { return counts_; }
  /// The largest value of a bucket but the last.
  static double UpperBound(size_t bucket) { return static_cast<double>(uint64_t{1} << bucket); }
  int64_t count() const { return count_; }
  double sum() const { return sum_; }

 private:
  std::array<int64_t, kNumBuckets> counts_ = {};
  int64_t count_ = 0;
  double sum_ = 0;
};

}  // namespace diecast
