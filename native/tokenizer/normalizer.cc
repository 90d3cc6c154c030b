// The steps.
#include "native/tokenizer/normalizer.h"

#include <algorithm>

#include "native/tokenizer/unicode_class.h"
#include "native/tokenizer/utf8.h"

namespace diecast {
namespace {

std::string ReplacePattern(std::string_view text, const SplitPattern& pattern,
                           std::string_view with) {
  std::string out;
  size_t done = 0;
  size_t begin = 0;
  size_t end = 0;
  for (SplitPattern::Matches matches(pattern, text); matches.Next(&begin, &end); done = end) {
    out += text.substr(done, begin - done);
    out += with;
  }
  return out.append(text.substr(done));
}

bool IsSpaceAt(std::string_view text, size_t pos) {
  const Utf8Char c = DecodeUtf8(text, pos);
  return c.kind == Utf8Char::kValid && (UnicodeClassOf(c.code_point) & kWhiteSpace) != 0;
}

std::string_view Strip(std::string_view text, bool left, bool right) {
  while (left && !text.empty() && IsSpaceAt(text, 0)) {
    text.remove_prefix(DecodeUtf8(text, 0).length);
  }
  while (right && !text.empty()) {
    size_t start = text.size() - 1;
    while (start > 0 && (static_cast<uint8_t>(text[start]) & 0xc0) == 0x80) --start;
    if (!IsSpaceAt(text, start)) break;
    text = text.substr(0, start);
  }
  return text;
}

}  // namespace

std::string ReplaceText(std::string_view text, std::string_view what, std::string_view with) {
  std::string out;
  out.reserve(text.size() + text.size() / 4);
  size_t done = 0;
  for (size_t at = text.find(what); at != std::string_view::npos; at = text.find(what, done)) {
    out += text.substr(done, at - done);
    out += with;
    done = at + what.size();
  }
  return out.append(text.substr(done));
}

Normalizer::Normalizer(std::vector<Step> steps) : steps_(std::move(steps)) {
  for (const Step& step : steps_) {
    marks_spaces_ = marks_spaces_ || (step.kind == Step::kReplaceText && step.what == " " &&
                                      step.with == kSpaceMark);
  }
}

bool Normalizer::Keeps(std::string_view text) const {
  return std::all_of(steps_.begin(), steps_.end(), [&](const Step& step) {
    return step.kind == Step::kForm && step.form == NormalForm::kNfc && IsPlainNfc(text);
  });
}

std::string Normalizer::Apply(std::string_view text, bool prepends) const {
  std::string out(text);
  for (const Step& step : steps_) {
    switch (step.kind) {
      case Step::kForm:
        out = Normalize(out, step.form);
        break;
      case Step::kLowerCase:
        out = ToLowerCase(out);
        break;
      case Step::kPrepend:
        if (prepends && !out.empty()) out.insert(0, step.with);
        break;
      case Step::kReplaceText:
        out = ReplaceText(out, step.what, step.with);
        break;
      case Step::kReplacePattern:
        out = ReplacePattern(out, *step.pattern, step.with);
        break;
      case Step::kStrip:
        out = std::string(Strip(out, step.left, step.right));
        break;
    }
  }
  return out;
}

}  // namespace diecast
