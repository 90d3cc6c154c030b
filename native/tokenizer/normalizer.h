// What a tokenizer does to a text before it splits it, step by step.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "native/tokenizer/normal_form.h"
#include "native/tokenizer/split_pattern.h"

namespace diecast {

/// U+2581, which stands for a space in the vocabularies of SentencePiece.
inline constexpr std::string_view kSpaceMark = "\xe2\x96\x81";

class Normalizer {
 public:
  struct Step {
    enum Kind : uint8_t {
      kForm,            ///< to `form`
      kLowerCase,       ///<
      kPrepend,         ///< `with`, unless the text is empty
      kReplaceText,     ///< every `what` becomes `with`
      kReplacePattern,  ///< every match of `pattern` becomes `with`
      kStrip,           ///< white space at the ends that `left` and `right` name
    };
    Kind kind = kForm;
    NormalForm form = NormalForm::kNfc;
    std::string what;
    std::string with;
    std::shared_ptr<const SplitPattern> pattern;
    bool left = false;
    bool right = false;
  };

  explicit Normalizer(std::vector<Step> steps = {});

  /// Spaces become kSpaceMark.
  bool marks_spaces() const { return marks_spaces_; }
  /// True when Apply would return `text` itself; cheap.
  bool Keeps(std::string_view text) const;
  /// Without `prepends`, kPrepend does nothing: `text` continues another one.
  std::string Apply(std::string_view text, bool prepends) const;

 private:
  std::vector<Step> steps_;
  bool marks_spaces_ = false;
};

/// Every occurrence of `what` in `text`, which do not overlap, becomes `with`. Requires: `what` is
/// not empty.
std::string ReplaceText(std::string_view text, std::string_view what, std::string_view with);

}  // namespace diecast
