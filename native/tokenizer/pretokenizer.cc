// The scanners follow their patterns alternative by alternative; the comments quote them.
#include "native/tokenizer/pretokenizer.h"

#include <array>

#include "native/tokenizer/unicode_class.h"
#include "native/tokenizer/utf8.h"

namespace diecast {
namespace {

constexpr std::string_view kGpt2Regex =
    R"re('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)re";
constexpr std::string_view kLlama3Regex =
    R"re((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)re";
constexpr std::string_view kQwen2Regex =
    R"re((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)re";

constexpr uint8_t kSplitClasses = kLetter | kNumber | kWhiteSpace;

constexpr std::array<uint8_t, 128> kAsciiClass = [] {
  std::array<uint8_t, 128> table{};
  for (int c = 0; c < 128; ++c) {
    if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')) table[c] = kLetter;
    if (c >= '0' && c <= '9') table[c] = kNumber;
    if (c == ' ' || (c >= '\t' && c <= '\r')) table[c] = kWhiteSpace;
  }
  return table;
}();

struct ClassedChar {
  uint8_t char_class;  ///< kLetter, kNumber, kWhiteSpace, or 0 for other characters
  uint8_t length;
};

/// Requires: pos < text.size().
inline ClassedChar CharAt(std::string_view text, size_t pos) {
  const auto byte = static_cast<uint8_t>(text[pos]);
  if (byte < 0x80) return {kAsciiClass[byte], 1};
  const Utf8Char c = DecodeUtf8(text, pos);
  if (c.kind != Utf8Char::kValid) return {0, 1};
  return {static_cast<uint8_t>(UnicodeClassOf(c.code_point) & kSplitClasses), c.length};
}

/// End of the run of characters of `char_class` that starts at `pos`.
size_t RunEnd(std::string_view text, size_t pos, uint8_t char_class) {
  while (pos < text.size()) {
    const ClassedChar c = CharAt(text, pos);
    if (c.char_class != char_class) break;
    pos += c.length;
  }
  return pos;
}

bool IsNewline(char c) { return c == '\r' || c == '\n'; }

char LowerAscii(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; }

/// Length of the contraction at `pos` ('s|'t|'re|'ve|'m|'ll|'d), 0 when there is none. Ignoring
/// case takes U+017F, the long s, for an s, as Unicode's case folding does.
size_t ContractionLength(std::string_view text, size_t pos, bool ignore_case) {
  if (text[pos] != '\'' || pos + 1 >= text.size()) return 0;
  const char first = ignore_case ? LowerAscii(text[pos + 1]) : text[pos + 1];
  if (first == 's' || first == 't' || first == 'm' || first == 'd') return 2;
  if (pos + 2 >= text.size()) return 0;
  if (ignore_case && text.substr(pos + 1, 2) == "\xc5\xbf") return 3;
  const char second = ignore_case ? LowerAscii(text[pos + 2]) : text[pos + 2];
  const bool matches = (first == 'r' && second == 'e') || (first == 'v' && second == 'e') ||
                       (first == 'l' && second == 'l');
  return matches ? 3 : 0;
}

/// `\s+(?!\S)|\s+` at a whitespace character: the run without its last character, which stays with
/// what follows, unless the run ends the text or is that one character.
size_t ScanSpaces(std::string_view text, size_t pos) {
  size_t end = pos;
  size_t last = pos;
  while (end < text.size()) {
    const ClassedChar c = CharAt(text, end);
    if (c.char_class != kWhiteSpace) break;
    last = end;
    end += c.length;
  }
  return end == text.size() || last == pos ? end : last;
}

size_t ScanGpt2(std::string_view text, size_t pos) {
  if (const size_t length = ContractionLength(text, pos, false); length != 0) return pos + length;
  // ` ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+`
  const size_t start = text[pos] == ' ' && pos + 1 < text.size() ? pos + 1 : pos;
  const ClassedChar c = CharAt(text, start);
  if (c.char_class != kWhiteSpace) return RunEnd(text, start + c.length, c.char_class);
  return ScanSpaces(text, pos);
}

size_t ScanLlama3(std::string_view text, size_t pos, int max_digits) {
  if (const size_t length = ContractionLength(text, pos, true); length != 0) return pos + length;
  const ClassedChar c = CharAt(text, pos);
  size_t next = pos + c.length;
  // `[^\r\n\p{L}\p{N}]?\p{L}+`
  if (c.char_class == kLetter) return RunEnd(text, next, kLetter);
  const bool has_next = next < text.size();
  const ClassedChar after = has_next ? CharAt(text, next) : ClassedChar{0, 0};
  if (c.char_class != kNumber && !IsNewline(text[pos]) && after.char_class == kLetter) {
    return RunEnd(text, next + after.length, kLetter);
  }
  // `\p{N}{1,3}` or `\p{N}`
  if (c.char_class == kNumber) {
    for (int digits = 1; digits < max_digits && next < text.size(); ++digits) {
      const ClassedChar digit = CharAt(text, next);
      if (digit.char_class != kNumber) break;
      next += digit.length;
    }
    return next;
  }
  // ` ?[^\s\p{L}\p{N}]+[\r\n]*`
  if (c.char_class == 0 || (text[pos] == ' ' && has_next && after.char_class == 0)) {
    size_t end = RunEnd(text, next, 0);
    while (end < text.size() && IsNewline(text[end])) ++end;
    return end;
  }
  // `\s*[\r\n]+`: through the last newline of the whitespace run.
  size_t newline_end = 0;
  for (size_t end = pos; end < text.size();) {
    const ClassedChar space = CharAt(text, end);
    if (space.char_class != kWhiteSpace) break;
    const bool newline = IsNewline(text[end]);
    end += space.length;
    if (newline) newline_end = end;
  }
  return newline_end != 0 ? newline_end : ScanSpaces(text, pos);
}

}  // namespace

std::optional<PretokenizerKind> PretokenizerFromRegex(std::string_view regex) {
  if (regex == kGpt2Regex) return PretokenizerKind::kGpt2;
  if (regex == kLlama3Regex) return PretokenizerKind::kLlama3;
  if (regex == kQwen2Regex) return PretokenizerKind::kQwen2;
  return std::nullopt;
}

size_t PretokenScanner::ScanSmollm() {
  if (position_ == piece_end_) {
    const ClassedChar c = CharAt(text_, position_);
    if (c.char_class == kNumber) {
      piece_end_ = position_ + c.length;
      return piece_end_;
    }
    piece_end_ += c.length;
    while (piece_end_ < text_.size()) {
      const ClassedChar following = CharAt(text_, piece_end_);
      if (following.char_class == kNumber) break;
      piece_end_ += following.length;
    }
  }
  return ScanGpt2(text_.substr(0, piece_end_), position_);
}

bool PretokenScanner::Next(std::string_view* pretoken) {
  if (position_ == text_.size()) return false;
  size_t end = 0;
  switch (kind_) {
    case PretokenizerKind::kGpt2:
      end = ScanGpt2(text_, position_);
      break;
    case PretokenizerKind::kSmollm:
      end = ScanSmollm();
      break;
    case PretokenizerKind::kLlama3:
      end = ScanLlama3(text_, position_, 3);
      break;
    case PretokenizerKind::kQwen2:
      end = ScanLlama3(text_, position_, 1);
      break;
  }
  *pretoken = text_.substr(position_, end - position_);
  position_ = end;
  return true;
}

}  // namespace diecast
