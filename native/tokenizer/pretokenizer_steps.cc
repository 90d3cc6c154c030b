// Splitting with the behaviours of the `tokenizers` package.
#include "native/tokenizer/pretokenizer_steps.h"

#include <algorithm>

#include "native/tokenizer/normalizer.h"

namespace diecast {
namespace {

struct Part {
  size_t begin, end;
  bool is_match;
};

/// Matches and what lies between them, in order, without gaps.
std::vector<Part> PartsOf(std::string_view text, const PretokenizerStep& step) {
  std::vector<Part> parts;
  size_t done = 0;
  const auto add_match = [&](size_t begin, size_t end) {
    if (done < begin) parts.push_back({done, begin, step.invert});
    parts.push_back({begin, end, !step.invert});
    done = end;
  };
  if (step.kind == PretokenizerStep::kText) {
    for (size_t at = text.find(step.text); at != std::string_view::npos;
         at = text.find(step.text, done)) {
      add_match(at, at + step.text.size());
    }
  } else {
    size_t begin = 0;
    size_t end = 0;
    SplitPattern::Matches matches(*step.pattern, text);
    while (matches.Next(&begin, &end)) add_match(begin, end);
  }
  if (done < text.size()) parts.push_back({done, text.size(), step.invert});
  return parts;
}

/// Joins parts as the behaviour says.
void Join(SplitBehavior behavior, std::vector<Part>* parts) {
  std::vector<Part> joined;
  bool previous_match = false;
  const auto step = [&](const Part& part, bool joins) {
    if (joins && !joined.empty()) {
      joined.back().begin = std::min(joined.back().begin, part.begin);
      joined.back().end = std::max(joined.back().end, part.end);
    } else {
      joined.push_back(part);
    }
    previous_match = part.is_match;
  };
  switch (behavior) {
    case SplitBehavior::kRemoved:
    case SplitBehavior::kIsolated:
      return;
    case SplitBehavior::kMergedWithPrevious:
      for (const Part& part : *parts) step(part, part.is_match && !previous_match);
      break;
    case SplitBehavior::kMergedWithNext:
      for (auto part = parts->rbegin(); part != parts->rend(); ++part) {
        step(*part, part->is_match && !previous_match);
      }
      std::reverse(joined.begin(), joined.end());
      break;
    case SplitBehavior::kContiguous:
      for (const Part& part : *parts) step(part, part.is_match == previous_match);
      break;
  }
  *parts = std::move(joined);
}

// Patterns of model families that GGUF names and does not spell out.
constexpr std::string_view kDigitTriples = "\\p{N}{1,3}";
constexpr std::string_view kDeepSeekScripts = "[\u4e00-\u9fa5\u3040-\u309f\u30a0-\u30ff]+";
constexpr std::string_view kDeepSeek3 =
    R"re([!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)re";
constexpr std::string_view kGpt4o =
    R"re([^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+)re";
constexpr std::string_view kTekken =
    R"re([^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+)re";

PretokenizerStep Scanner(PretokenizerKind kind) {
  PretokenizerStep step;
  step.kind = PretokenizerStep::kScanner;
  step.scanner = kind;
  return step;
}

PretokenizerStep Isolate(std::string_view regex) {
  PretokenizerStep step;
  step.kind = PretokenizerStep::kPattern;
  step.pattern = SplitPattern::Compile(regex);
  return step;
}

}  // namespace

std::optional<std::vector<PretokenizerStep>> PretokenizerFromGgufName(std::string_view name) {
  using Steps = std::vector<PretokenizerStep>;
  const auto is_any = [&](std::initializer_list<std::string_view> names) {
    return std::find(names.begin(), names.end(), name) != names.end();
  };
  if (is_any({"smollm", "starcoder", "refact", "command-r", "codeshell"})) {
    return Steps{Scanner(PretokenizerKind::kSmollm)};
  }
  if (is_any({"gpt-2", "gpt2", "default", "phi-2", "mpt", "olmo", "jais"})) {
    return Steps{Scanner(PretokenizerKind::kGpt2)};
  }
  if (is_any({"llama-bpe", "llama3", "llama-v3"})) return Steps{Scanner(PretokenizerKind::kLlama3)};
  if (is_any({"qwen2", "deepseek-r1-qwen"})) return Steps{Scanner(PretokenizerKind::kQwen2)};
  if (name == "deepseek-v3") {
    return Steps{Isolate(kDigitTriples), Isolate(kDeepSeekScripts), Isolate(kDeepSeek3)};
  }
  if (is_any({"gpt-4o", "gpt-oss"})) return Steps{Isolate(kGpt4o)};
  if (name == "tekken") return Steps{Isolate(kTekken)};
  return std::nullopt;
}

PretokenizerSteps::PretokenizerSteps(std::vector<PretokenizerStep> steps)
    : steps_(std::move(steps)) {
  marks_spaces_ = std::any_of(steps_.begin(), steps_.end(), [](const PretokenizerStep& step) {
    return step.kind == PretokenizerStep::kMetaspace && step.text == kSpaceMark;
  });
}

std::string_view PretokenizerSteps::Pieces::Keep(std::string text) {
  return *texts.emplace_back(std::make_unique<std::string>(std::move(text)));
}

void PretokenizerSteps::Pieces::Apply(const PretokenizerStep& step) {
  next.clear();
  next.reserve(list.size());
  for (size_t i = 0; i < list.size(); ++i) {
    const std::string_view piece = list[i];
    switch (step.kind) {
      case PretokenizerStep::kScanner: {
        PretokenScanner scanner(step.scanner, piece);
        std::string_view pretoken;
        while (scanner.Next(&pretoken)) next.push_back(pretoken);
        break;
      }
      case PretokenizerStep::kPattern:
      case PretokenizerStep::kText:
        Split(piece, step);
        break;
      case PretokenizerStep::kMetaspace:
        Metaspace(piece, i == 0 && place == Place::kStart, step);
        break;
      case PretokenizerStep::kPrefixSpace:
        next.push_back(place == Place::kMiddle || piece[0] == ' '
                           ? piece
                           : Keep(std::string(1, ' ').append(piece)));
        break;
    }
  }
  list.swap(next);
}

void PretokenizerSteps::Pieces::Split(std::string_view piece, const PretokenizerStep& step) {
  std::vector<Part> parts = PartsOf(piece, step);
  Join(step.behavior, &parts);
  const bool drops = step.behavior == SplitBehavior::kRemoved && place != Place::kMiddle;
  for (const Part& part : parts) {
    if (!(drops && part.is_match)) next.push_back(piece.substr(part.begin, part.end - part.begin));
  }
}

void PretokenizerSteps::Pieces::Metaspace(std::string_view piece, bool is_first,
                                          const PretokenizerStep& step) {
  const bool prepends = step.prepend == PretokenizerStep::kAlways ||
                        (step.prepend == PretokenizerStep::kFirst && is_first);
  std::string marked = ReplaceText(piece, " ", step.text);
  if (prepends && place != Place::kMiddle && !marked.starts_with(step.text)) {
    marked.insert(0, step.text);
  }
  const std::string_view text = Keep(std::move(marked));
  size_t begin = 0;
  while (step.splits) {
    const size_t end = text.find(
        step.text, begin + (text.substr(begin).starts_with(step.text) ? step.text.size() : 0));
    if (end == std::string_view::npos) break;
    next.push_back(text.substr(begin, end - begin));
    begin = end;
  }
  next.push_back(text.substr(begin));
}

}  // namespace diecast
