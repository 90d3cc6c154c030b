// Decompose, order by combining class, compose: the three steps of UAX #15, on one run of
// characters at a time.
#include "native/tokenizer/normal_form.h"

#include <algorithm>
#include <cstdint>
#include <iterator>
#include <vector>

#include "native/tokenizer/utf8.h"

namespace diecast {
namespace {

struct Decomposition {
  uint32_t code_point, first, second;
};
struct Composition {
  uint32_t first, second, composed;
};
struct CombiningRange {
  uint32_t first, last;
  uint8_t combining_class;
};
struct CompatibilityMapping {
  uint32_t code_point, begin, length;
};
struct LowerCase {
  uint32_t code_point, lower;
};

#include "native/tokenizer/normal_form_table.inc"

// Hangul syllables are leading consonant, vowel and optional trailing consonant, in arithmetic
// order.
constexpr uint32_t kSyllableBase = 0xac00, kLeadBase = 0x1100, kVowelBase = 0x1161,
                   kTrailBase = 0x11a7;
constexpr uint32_t kNumLeads = 19, kNumVowels = 21, kNumTrails = 28;
constexpr uint32_t kNumSyllables = kNumLeads * kNumVowels * kNumTrails;

struct Char {
  uint32_t code_point;
  uint8_t combining_class;
};

uint8_t CombiningClassOf(uint32_t code_point) {
  const auto* range =
      std::upper_bound(std::begin(kCombiningRanges), std::end(kCombiningRanges), code_point,
                       [](uint32_t c, const CombiningRange& r) { return c < r.first; });
  if (range == std::begin(kCombiningRanges)) return 0;
  --range;
  return code_point <= range->last ? range->combining_class : 0;
}

/// The entry of a table that is ordered by code point; nullptr when there is none.
template <typename Entry, size_t size>
const Entry* FindEntry(const Entry (&table)[size], uint32_t code_point) {
  const auto* found =
      std::lower_bound(std::begin(table), std::end(table), code_point,
                       [](const Entry& entry, uint32_t c) { return entry.code_point < c; });
  return found != std::end(table) && found->code_point == code_point ? found : nullptr;
}

void Decompose(uint32_t code_point, bool compatible, std::vector<Char>* out) {
  if (const uint32_t syllable = code_point - kSyllableBase; syllable < kNumSyllables) {
    out->push_back({kLeadBase + syllable / (kNumVowels * kNumTrails), 0});
    out->push_back({kVowelBase + syllable % (kNumVowels * kNumTrails) / kNumTrails, 0});
    if (syllable % kNumTrails != 0) out->push_back({kTrailBase + syllable % kNumTrails, 0});
    return;
  }
  if (const Decomposition* found = FindEntry(kDecompositions, code_point)) {
    Decompose(found->first, compatible, out);
    if (found->second != 0) Decompose(found->second, compatible, out);
    return;
  }
  const CompatibilityMapping* mapping =
      compatible ? FindEntry(kCompatibility, code_point) : nullptr;
  if (mapping == nullptr) {
    out->push_back({code_point, CombiningClassOf(code_point)});
    return;
  }
  for (uint32_t i = 0; i < mapping->length; ++i) {
    Decompose(kMapped[mapping->begin + i], compatible, out);
  }
}

/// 0 when the two do not compose.
uint32_t Compose(uint32_t first, uint32_t second) {
  if (first - kLeadBase < kNumLeads && second - kVowelBase < kNumVowels) {
    return kSyllableBase + ((first - kLeadBase) * kNumVowels + (second - kVowelBase)) * kNumTrails;
  }
  const uint32_t syllable = first - kSyllableBase;
  if (syllable < kNumSyllables && syllable % kNumTrails == 0 && second > kTrailBase &&
      second < kTrailBase + kNumTrails) {
    return first + (second - kTrailBase);
  }
  const auto* found = std::lower_bound(
      std::begin(kCompositions), std::end(kCompositions), std::pair(first, second),
      [](const Composition& c, auto key) { return std::pair(c.first, c.second) < key; });
  const bool composes =
      found != std::end(kCompositions) && found->first == first && found->second == second;
  return composes ? found->composed : 0;
}

void OrderMarks(std::vector<Char>* run) {
  for (auto begin = run->begin(); begin != run->end();) {
    if (begin->combining_class == 0) {
      ++begin;
      continue;
    }
    const auto end =
        std::find_if(begin, run->end(), [](const Char& c) { return c.combining_class == 0; });
    std::stable_sort(begin, end, [](const Char& a, const Char& b) {
      return a.combining_class < b.combining_class;
    });
    begin = end;
  }
}

/// Composes each mark with the last starter unless an equal or higher class lies between them.
void ComposeRun(std::vector<Char>* run) {
  size_t size = 0;
  size_t starter = run->size();  // none yet
  for (const Char c : *run) {
    if (starter < size) {
      const uint8_t last_class = (*run)[size - 1].combining_class;
      const bool adjacent = size - 1 == starter;
      if (adjacent || (last_class != 0 && last_class < c.combining_class)) {
        if (const uint32_t composed = Compose((*run)[starter].code_point, c.code_point)) {
          (*run)[starter].code_point = composed;
          continue;
        }
      }
    }
    if (c.combining_class == 0) starter = size;
    (*run)[size++] = c;
  }
  run->resize(size);
}

}  // namespace

bool IsPlainNfc(std::string_view text) {
  // U+0300 is CC 80 in UTF-8, and lead bytes grow with the character.
  return std::none_of(text.begin(), text.end(),
                      [](char c) { return static_cast<uint8_t>(c) >= 0xcc; });
}

std::string Normalize(std::string_view text, NormalForm form) {
  const bool composes = form == NormalForm::kNfc || form == NormalForm::kNfkc;
  const bool compatible = form == NormalForm::kNfkc || form == NormalForm::kNfkd;
  std::string out;
  out.reserve(text.size());
  std::vector<Char> run;
  const auto flush = [&] {
    OrderMarks(&run);
    if (composes) ComposeRun(&run);
    for (const Char& c : run) AppendUtf8(c.code_point, &out);
    run.clear();
  };
  for (size_t pos = 0; pos < text.size();) {
    const Utf8Char c = DecodeUtf8(text, pos);
    if (c.kind == Utf8Char::kValid) {
      Decompose(c.code_point, compatible, &run);
    } else {
      flush();
      out += text.substr(pos, c.length);
    }
    pos += c.length;
  }
  flush();
  return out;
}

std::string ToLowerCase(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (size_t pos = 0; pos < text.size();) {
    const Utf8Char c = DecodeUtf8(text, pos);
    if (c.kind != Utf8Char::kValid) {
      out += text.substr(pos, c.length);
    } else if (c.code_point == 0x130) {  // a capital i with a dot: the dot stays, as a mark
      out += "i\xcc\x87";
    } else {
      const LowerCase* lower = FindEntry(kLowerCase, c.code_point);
      AppendUtf8(lower == nullptr ? c.code_point : lower->lower, &out);
    }
    pos += c.length;
  }
  return out;
}

}  // namespace diecast
