// One function per kind of step.
#include "native/tokenizer/tokenizer_json_steps.h"

#include <iterator>

#include "native/error.h"

namespace diecast {
namespace {

/// The steps of a Sequence (nested ones flattened), or the value itself.
void Flatten(const JsonValue& value, std::string_view field, std::string_view list_name, int depth,
             std::vector<JsonValue>* steps) {
  if (TypeOf(value, field) != "Sequence") {
    steps->push_back(value);
    return;
  }
  if (depth == 4) UnsupportedJson(std::string(field), "a Sequence nested as deep as this");
  const JsonValue list = value.Get(list_name, field);
  if (!list.is_array()) list.Fail(field, "expected an array");
  for (auto step = list.First(field); step; step = step->Next()) {
    Flatten(*step, field, list_name, depth + 1, steps);
  }
}

std::vector<JsonValue> StepsOf(const JsonValue& root, std::string_view field,
                               std::string_view list_name) {
  std::vector<JsonValue> steps;
  if (const auto value = root.FindPresent(field, "document")) {
    Flatten(*value, field, list_name, 0, &steps);
  }
  return steps;
}

/// Appends to the text that the fingerprint covers, with separators that no field contains alone.
void Spell(TokenizerSpec* spec, std::initializer_list<std::string_view> parts) {
  for (const std::string_view part : parts) {
    spec->steps_text += std::to_string(part.size()) + ":";
    spec->steps_text += part;
  }
}

struct Pattern {
  std::string_view text;
  bool is_regex;
};

Pattern ReadPattern(const JsonValue& step, std::string_view field) {
  const JsonValue pattern = step.Get("pattern", field);
  if (const auto regex = pattern.Find("Regex", field)) return {regex->AsString(field), true};
  const Pattern found{pattern.Get("String", field).AsString(field), false};
  if (found.text.empty()) pattern.Fail(field, "the pattern is empty");
  return found;
}

// --- normalizer
// --------------------------------------------------------------------------------------------------------------

Normalizer::Step ReadNormalizerStep(const JsonValue& value) {
  const std::string field = "normalizer";
  const std::string_view type = TypeOf(value, field);
  Normalizer::Step step;
  step.kind = Normalizer::Step::kForm;
  if (type == "NFC") {
    step.form = NormalForm::kNfc;
  } else if (type == "NFD") {
    step.form = NormalForm::kNfd;
  } else if (type == "NFKC") {
    step.form = NormalForm::kNfkc;
  } else if (type == "NFKD") {
    step.form = NormalForm::kNfkd;
  } else if (type == "Lowercase") {
    step.kind = Normalizer::Step::kLowerCase;
  } else if (type == "Prepend") {
    step.kind = Normalizer::Step::kPrepend;
    step.with = value.Get("prepend", field).AsString(field);
  } else if (type == "Strip") {
    step.kind = Normalizer::Step::kStrip;
    step.left = BoolMember(value, "strip_left", true, field);
    step.right = BoolMember(value, "strip_right", true, field);
  } else if (type == "Replace") {
    const Pattern pattern = ReadPattern(value, field);
    step.with = value.Get("content", field).AsString(field);
    if (pattern.is_regex) {
      step.kind = Normalizer::Step::kReplacePattern;
      step.pattern = SplitPattern::Compile(pattern.text);
    } else {
      step.kind = Normalizer::Step::kReplaceText;
    }
    step.what = pattern.text;
  } else {
    UnsupportedJson(field, std::string(type));
  }
  return step;
}

// --- pre-tokenizer
// -----------------------------------------------------------------------------------------------------------

SplitBehavior ReadBehavior(const JsonValue& step, std::string_view field) {
  const std::string_view name = step.Get("behavior", field).AsString(field);
  if (name == "Removed") return SplitBehavior::kRemoved;
  if (name == "Isolated") return SplitBehavior::kIsolated;
  if (name == "MergedWithPrevious") return SplitBehavior::kMergedWithPrevious;
  if (name == "MergedWithNext") return SplitBehavior::kMergedWithNext;
  if (name == "Contiguous") return SplitBehavior::kContiguous;
  step.Fail(field, "an unknown behavior " + std::string(name));
}

PretokenizerStep ScannerStep(PretokenizerKind kind) {
  PretokenizerStep step;
  step.kind = PretokenizerStep::kScanner;
  step.scanner = kind;
  return step;
}

PretokenizerStep PatternStep(std::string_view regex, SplitBehavior behavior, bool invert) {
  PretokenizerStep step;
  step.kind = PretokenizerStep::kPattern;
  step.behavior = behavior;
  step.invert = invert;
  // The patterns with scanners take every character, so what does not match is nothing.
  const bool isolates = (behavior == SplitBehavior::kIsolated && !invert) ||
                        (behavior == SplitBehavior::kRemoved && invert);
  const auto scanner = PretokenizerFromRegex(regex);
  if (isolates && scanner) return ScannerStep(*scanner);
  step.pattern = SplitPattern::Compile(regex);
  return step;
}

PretokenizerStep ReadMetaspace(const JsonValue& value) {
  const std::string_view field = "pre_tokenizer Metaspace";
  PretokenizerStep step;
  step.kind = PretokenizerStep::kMetaspace;
  step.text = value.Get("replacement", field).AsString(field);
  if (step.text.empty()) value.Fail(field, "the replacement is empty");
  if (step.text != kSpaceMark) {
    UnsupportedJson("pre_tokenizer", "Metaspace with " + step.text + " for a space");
  }
  step.splits = BoolMember(value, "split", true, field);
  const auto scheme = value.FindPresent("prepend_scheme", field);
  const std::string_view name = scheme ? scheme->AsString(field)
                                : BoolMember(value, "add_prefix_space", true, field) ? "always"
                                                                                     : "never";
  if (name == "first") {
    step.prepend = PretokenizerStep::kFirst;
  } else if (name == "always") {
    step.prepend = PretokenizerStep::kAlways;
  } else if (name != "never") {
    value.Fail(field, "an unknown prepend_scheme " + std::string(name));
  }
  return step;
}

/// The steps that one member stands for.
std::vector<PretokenizerStep> ReadPretokenizerStep(const JsonValue& value) {
  const std::string field = "pre_tokenizer";
  const std::string_view type = TypeOf(value, field);
  if (type == "Split") {
    const Pattern pattern = ReadPattern(value, field);
    const SplitBehavior behavior = ReadBehavior(value, field);
    const bool invert = BoolMember(value, "invert", false, field);
    if (pattern.is_regex) return {PatternStep(pattern.text, behavior, invert)};
    PretokenizerStep step;
    step.kind = PretokenizerStep::kText;
    step.text = pattern.text;
    step.behavior = behavior;
    step.invert = invert;
    return {step};
  }
  if (type == "Digits") {
    const bool individual = BoolMember(value, "individual_digits", false, field);
    return {PatternStep("\\p{N}",
                        individual ? SplitBehavior::kIsolated : SplitBehavior::kContiguous, false)};
  }
  if (type == "ByteLevel") {
    std::vector<PretokenizerStep> steps;
    if (BoolMember(value, "add_prefix_space", true, field)) {
      steps.emplace_back().kind = PretokenizerStep::kPrefixSpace;
    }
    if (BoolMember(value, "use_regex", true, field)) {
      steps.push_back(ScannerStep(PretokenizerKind::kGpt2));
    }
    return steps;
  }
  if (type == "Metaspace") return {ReadMetaspace(value)};
  if (type == "Punctuation") {
    return {PatternStep("[\\p{P}$+<=>^`|~]",
                        value.FindPresent("behavior", field) ? ReadBehavior(value, field)
                                                             : SplitBehavior::kIsolated,
                        false)};
  }
  if (type == "WhitespaceSplit") return {PatternStep("\\s", SplitBehavior::kRemoved, false)};
  if (type == "Whitespace") {
    return {PatternStep("\\w+|[^\\w\\s]+", SplitBehavior::kRemoved, true)};
  }
  UnsupportedJson(field, std::string(type));
}

bool IsByteLevel(const JsonValue& step) { return TypeOf(step, "pre_tokenizer") == "ByteLevel"; }

/// True when the last step is the one that maps bytes to the alphabet.
bool ReadPretokenizer(const JsonValue& root, TokenizerSpec* spec) {
  const std::vector<JsonValue> steps = StepsOf(root, "pre_tokenizer", "pretokenizers");
  bool byte_level = false;
  for (const JsonValue& step : steps) {
    if (byte_level) UnsupportedJson("pre_tokenizer", "a step after ByteLevel");
    byte_level = IsByteLevel(step);
    for (PretokenizerStep& read : ReadPretokenizerStep(step)) {
      spec->pretokenizer.push_back(std::move(read));
    }
  }
  // Single digits, then GPT-2's pattern: one scanner does both.
  if (steps.size() == 2 && spec->pretokenizer.size() == 2 && byte_level &&
      TypeOf(steps[0], "pre_tokenizer") == "Digits" &&
      spec->pretokenizer[0].behavior == SplitBehavior::kIsolated &&
      spec->pretokenizer[1].kind == PretokenizerStep::kScanner) {
    spec->pretokenizer = {ScannerStep(PretokenizerKind::kSmollm)};
  }
  return byte_level;
}

// --- decoder
// -----------------------------------------------------------------------------------------------------------------

/// Requires: normalizer and pre-tokenizer are read.
JsonDecoder ReadDecoder(const JsonValue& root, bool byte_level, bool marks_spaces) {
  const std::string field = "decoder";
  JsonDecoder decoder;
  bool unmarks = false;
  const std::vector<JsonValue> steps = StepsOf(root, field, "decoders");
  for (const JsonValue& step : steps) {
    const std::string_view type = TypeOf(step, field);
    if (type == "ByteLevel") {
      decoder.byte_level = true;
    } else if (type == "ByteFallback") {
      decoder.byte_fallback = true;
    } else if (type == "Metaspace") {
      unmarks = true;
    } else if (type == "Replace") {
      const Pattern pattern = ReadPattern(step, field);
      const std::string_view content = step.Get("content", field).AsString(field);
      if (pattern.is_regex || pattern.text != kSpaceMark || content != " ") {
        UnsupportedJson(field, "Replace of " + std::string(pattern.text));
      }
      unmarks = true;
    } else if (type == "Strip") {
      // Takes the first word's space off the beginning of a document; what continues a text keeps
      // it.
      if (step.Get("content", field).AsString(field) != " ") {
        UnsupportedJson(field, "Strip of another character than a space");
      }
    } else if (type != "Fuse") {
      UnsupportedJson(field, std::string(type));
    }
  }
  if (byte_level) {
    if (!steps.empty() && !decoder.byte_level) {
      UnsupportedJson(field, "a pre_tokenizer with ByteLevel and a decoder without");
    }
    decoder.byte_level = true;
  } else if (decoder.byte_level) {
    UnsupportedJson(field, "ByteLevel without a ByteLevel step in the pre_tokenizer");
  } else if (steps.empty()) {
    UnsupportedJson(field, "a tokenizer without one, unless it is byte-level,");
  }
  if (decoder.byte_level && (unmarks || decoder.byte_fallback || marks_spaces)) {
    UnsupportedJson(field, "ByteLevel together with space marks or byte fallback");
  }
  if (!decoder.byte_level && unmarks != marks_spaces) {
    UnsupportedJson(field, "space marks in only one of encoding and decoding");
  }
  return decoder;
}

}  // namespace

void UnsupportedJson(const std::string& field, const std::string& what) {
  throw Error(ErrorCode::kModelUnsupported,
              "tokenizer.json: " + field + ": " + what + " is not supported");
}

std::string_view TypeOf(const JsonValue& value, std::string_view field) {
  return value.Get("type", field).AsString(field);
}

bool BoolMember(const JsonValue& object, std::string_view key, bool fallback,
                std::string_view field) {
  const auto member = object.FindPresent(key, field);
  return member ? member->AsBool(field) : fallback;
}

JsonDecoder ReadSteps(const JsonValue& root, TokenizerSpec* spec) {
  for (const JsonValue& value : StepsOf(root, "normalizer", "normalizers")) {
    const Normalizer::Step step = ReadNormalizerStep(value);
    Spell(spec, {TypeOf(value, "normalizer"), step.what, step.with, step.left ? "l" : "",
                 step.right ? "r" : ""});
    spec->normalizer.push_back(step);
  }
  for (const JsonValue& value : StepsOf(root, "pre_tokenizer", "pretokenizers")) {
    Spell(spec, {"pre", TypeOf(value, "pre_tokenizer")});
    // Every member, in order: strings, and the names of what is not a string.
    for (auto member = value.First("pre_tokenizer"); member; member = member->Next()) {
      Spell(spec, {member->key(), member->is_string() ? member->AsString("pre_tokenizer") : "",
                   member->is_true() ? "t" : ""});
      if (!member->is_object()) continue;
      for (auto inner = member->First("pre_tokenizer"); inner; inner = inner->Next()) {
        if (inner->is_string()) Spell(spec, {inner->key(), inner->AsString("pre_tokenizer")});
      }
    }
  }
  const bool byte_level = ReadPretokenizer(root, spec);
  const bool marks_spaces = Normalizer(spec->normalizer).marks_spaces() ||
                            PretokenizerSteps(spec->pretokenizer).marks_spaces();
  return ReadDecoder(root, byte_level, marks_spaces);
}

}  // namespace diecast
