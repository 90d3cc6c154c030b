// Range arithmetic and the table of properties.
#include "native/tokenizer/code_point_set.h"

#include <algorithm>

#include "native/tokenizer/unicode_class.h"

namespace diecast {
namespace {

constexpr uint32_t kLastCodePoint = 0x10ffff;

struct PropertyRange {
  uint32_t first, last;
  uint8_t property;
};

#include "native/tokenizer/general_category_table.inc"

CodePointSet OfClass(UnicodeClass wanted) {
  std::vector<CodePointSet::Range> ranges;
  for (uint32_t c = 0; c <= kLastCodePoint; ++c) {
    if ((UnicodeClassOf(c) & wanted) != 0) ranges.push_back({c, c});
  }
  return CodePointSet(std::move(ranges));
}

}  // namespace

CodePointSet::CodePointSet(std::vector<Range> ranges) {
  std::sort(ranges.begin(), ranges.end(),
            [](const Range& a, const Range& b) { return a.first < b.first; });
  for (const Range& range : ranges) {
    if (!ranges_.empty() && range.first <= ranges_.back().last + 1) {
      ranges_.back().last = std::max(ranges_.back().last, range.last);
    } else {
      ranges_.push_back(range);
    }
  }
}

std::optional<CodePointSet> CodePointSet::OfProperty(std::string_view name) {
  if (name == "Any") return CodePointSet({{0, kLastCodePoint}});
  if (name == "White_Space") return OfClass(kWhiteSpace);
  if (name == "Word") return OfClass(kWord);
  if (name == "HexDigit") return CodePointSet({{'0', '9'}, {'A', 'F'}, {'a', 'f'}});
  std::vector<Range> ranges;
  bool known = false;
  for (size_t i = 0; i < std::size(kCategoryNames); ++i) {
    // A name of one letter stands for all categories that begin with it.
    if (name.empty() || name.size() > 2 || kCategoryNames[i].substr(0, name.size()) != name) {
      continue;
    }
    known = true;
    for (const PropertyRange& r : kCategoryRanges) {
      if (r.property == i) ranges.push_back({r.first, r.last});
    }
  }
  if (known && name == "C") {  // unassigned code points have no range of their own
    std::vector<Range> assigned;
    for (const PropertyRange& r : kCategoryRanges) assigned.push_back({r.first, r.last});
    return CodePointSet(std::move(ranges)).Union(CodePointSet(std::move(assigned)).Complement());
  }
  for (size_t i = 0; i < std::size(kScriptNames); ++i) {
    if (kScriptNames[i] != name) continue;
    known = true;
    for (const PropertyRange& r : kScriptRanges) {
      if (r.property == i) ranges.push_back({r.first, r.last});
    }
  }
  if (!known) return std::nullopt;
  return CodePointSet(std::move(ranges));
}

CodePointSet CodePointSet::Union(const CodePointSet& other) const {
  std::vector<Range> ranges = ranges_;
  ranges.insert(ranges.end(), other.ranges_.begin(), other.ranges_.end());
  return CodePointSet(std::move(ranges));
}

CodePointSet CodePointSet::Complement() const {
  std::vector<Range> ranges;
  uint32_t next = 0;
  for (const Range& range : ranges_) {
    if (range.first > next) ranges.push_back({next, range.first - 1});
    next = range.last + 1;
  }
  if (next <= kLastCodePoint) ranges.push_back({next, kLastCodePoint});
  return CodePointSet(std::move(ranges));
}

CodePointSet CodePointSet::Intersection(const CodePointSet& other) const {
  return Complement().Union(other.Complement()).Complement();
}

CodePointSet CodePointSet::FoldAsciiCase() const {
  std::vector<Range> ranges = ranges_;
  for (uint32_t lower = 'a'; lower <= 'z'; ++lower) {
    const uint32_t upper = lower - 32;
    const bool has = std::any_of(ranges_.begin(), ranges_.end(), [&](const Range& r) {
      return (r.first <= lower && lower <= r.last) || (r.first <= upper && upper <= r.last);
    });
    if (!has) continue;
    ranges.push_back({lower, lower});
    ranges.push_back({upper, upper});
    if (lower == 's') ranges.push_back({0x17f, 0x17f});    // long s
    if (lower == 'k') ranges.push_back({0x212a, 0x212a});  // kelvin sign
  }
  return CodePointSet(std::move(ranges));
}

bool CodePointSet::is_ascii() const { return ranges_.empty() || ranges_.back().last < 0x80; }

void CodePointSet::Freeze() {
  bits_.assign(0x10000 / 64, 0);
  for (const Range& range : ranges_) {
    for (uint32_t c = range.first; c <= range.last && c < 0x10000; ++c) {
      bits_[c >> 6] |= uint64_t{1} << (c & 63);
    }
  }
}

bool CodePointSet::ContainsBeyond(uint32_t code_point) const {
  const auto after = std::upper_bound(ranges_.begin(), ranges_.end(), code_point,
                                      [](uint32_t c, const Range& r) { return c < r.first; });
  return after != ranges_.begin() && code_point <= (after - 1)->last;
}

}  // namespace diecast
