// The backtracking matcher.
#include "native/tokenizer/split_pattern.h"

#include "native/error.h"
#include "native/tokenizer/utf8.h"

namespace diecast {
namespace {

struct Char {
  uint32_t code_point;
  uint32_t length;
};

/// A byte that is not part of a character counts as an unassigned code point: it is in complements
/// only. Requires: pos < text.size().
inline Char CharAt(std::string_view text, size_t pos) {
  const auto byte = static_cast<uint8_t>(text[pos]);
  if (byte < 0x80) return {byte, 1};
  const Utf8Char c = DecodeUtf8(text, pos);
  if (c.kind != Utf8Char::kValid) return {0x10ffff, 1};
  return {c.code_point, c.length};
}

/// Start of the character that ends at `end`. Requires: end > 0.
inline size_t PreviousStart(std::string_view text, size_t end) {
  size_t start = end - 1;
  while (start > 0 && end - start < 4 && (static_cast<uint8_t>(text[start]) & 0xc0) == 0x80)
    --start;
  return start + CharAt(text, start).length == end ? start : end - 1;
}

}  // namespace

SplitPattern::Matches::Matches(const SplitPattern& pattern, std::string_view text)
    : pattern_(pattern), text_(text), budget_(kStepsPerByte * (text.size() + 1000)) {}

void SplitPattern::Matches::Spend() {
  if (budget_-- == 0 || stack_.size() > (size_t{1} << 22)) {
    throw Error(ErrorCode::kInvalidArgument,
                "the tokenizer's split pattern takes more than " + std::to_string(kStepsPerByte) +
                    " steps per byte of a text of " + std::to_string(text_.size()) + " bytes");
  }
}

bool SplitPattern::Matches::Next(size_t* begin, size_t* end) {
  while (position_ < text_.size()) {
    const size_t found = Run(0, position_);
    if (found != kNoMatch) {
      *begin = position_;
      *end = found;
      position_ = found;
      return true;
    }
    position_ += CharAt(text_, position_).length;
  }
  return false;
}

size_t SplitPattern::Matches::Run(uint32_t pc, size_t pos) {
  const size_t bottom = stack_.size();
  const auto& sets = pattern_.sets_;
  while (true) {
    Spend();
    const Instruction& i = pattern_.program_[pc];
    bool fails = false;
    switch (i.op) {
      case Op::kAccept:
        stack_.resize(bottom);
        return pos;
      case Op::kSet: {
        if (pos < text_.size()) {
          const Char c = CharAt(text_, pos);
          if (sets[i.a].Contains(c.code_point)) {
            pos += c.length;
            ++pc;
            break;
          }
        }
        fails = true;
        break;
      }
      case Op::kRun:
      case Op::kRunAll: {
        const CodePointSet& set = sets[i.a];
        uint32_t count = 0;
        size_t least = pos;
        while (count < i.c && pos < text_.size()) {
          const Char c = CharAt(text_, pos);
          if (!set.Contains(c.code_point)) break;
          pos += c.length;
          if (++count == i.b) least = pos;
        }
        if (count < i.b) {
          fails = true;
        } else {
          ++pc;
          if (i.op == Op::kRun && pos > least) stack_.push_back({pc, pos, least});
        }
        break;
      }
      case Op::kSplit:
        stack_.push_back({i.b, pos, pos});
        pc = i.a;
        break;
      case Op::kJump:
        pc = i.a;
        break;
      case Op::kLookahead:
      case Op::kNotAhead:
        fails = (Run(pc + 1, pos) != kNoMatch) != (i.op == Op::kLookahead);
        pc = i.a;
        break;
      case Op::kAtomic: {
        const size_t end = Run(pc + 1, pos);
        fails = end == kNoMatch;
        if (!fails) pos = end;
        pc = i.a;
        break;
      }
      case Op::kTextStart:
        fails = pos != 0;
        ++pc;
        break;
      case Op::kTextEnd:
        fails = pos != text_.size();
        ++pc;
        break;
      case Op::kLineStart:  // not after a newline that ends the text
        fails = pos != 0 && (text_[pos - 1] != '\n' || pos == text_.size());
        ++pc;
        break;
      case Op::kLineEnd:
        fails = pos != text_.size() && text_[pos] != '\n';
        ++pc;
        break;
    }
    if (!fails) continue;
    if (stack_.size() == bottom) return kNoMatch;
    Saved& saved = stack_.back();
    pc = saved.pc;
    if (saved.pos == saved.least) {
      pos = saved.pos;
      stack_.pop_back();
    } else {  // a run gives back its last character
      saved.pos = pos = PreviousStart(text_, saved.pos);
      if (saved.pos == saved.least) stack_.pop_back();
    }
  }
}

}  // namespace diecast
