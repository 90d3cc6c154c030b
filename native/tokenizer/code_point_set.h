// Sets of Unicode code points, as the classes of split patterns need them: built once by union,
// intersection and complement of ranges, then tested per character with one lookup in the basic
// plane.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

namespace diecast {

class CodePointSet {
 public:
  struct Range {
    uint32_t first, last;
    bool operator==(const Range&) const = default;
  };

  CodePointSet() = default;
  explicit CodePointSet(std::vector<Range> ranges);

  /// A general category (L, Lu, Letter is not accepted), a script, Any, or one of the names that
  /// shorthands stand for (White_Space, Word, HexDigit); nullopt for an unknown name.
  static std::optional<CodePointSet> OfProperty(std::string_view name);

  CodePointSet Union(const CodePointSet& other) const;
  CodePointSet Complement() const;
  CodePointSet Intersection(const CodePointSet& other) const;
  /// The set with the other case of its ASCII letters, and with the two characters outside of ASCII
  /// that fold to one.
  CodePointSet FoldAsciiCase() const;
  bool is_ascii() const;
  const std::vector<Range>& ranges() const { return ranges_; }

  /// Builds the lookup table; Contains needs it.
  void Freeze();
  bool Contains(uint32_t code_point) const {
    if (code_point < 0x10000) return (bits_[code_point >> 6] >> (code_point & 63) & 1) != 0;
    return ContainsBeyond(code_point);
  }

 private:
  bool ContainsBeyond(uint32_t code_point) const;

  std::vector<Range> ranges_;   ///< ascending, neither touching nor overlapping
  std::vector<uint64_t> bits_;  ///< of the basic plane, once frozen
};

}  // namespace diecast
