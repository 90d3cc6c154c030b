// Reads a byte-level BPE tokenizer out of a Hugging Face tokenizer.json. Whatever would change the
// ids and is not implemented is refused with the member's name; truncation, padding and the decoder
// do not change what Encode and Decode do here.
#include <algorithm>
#include <span>

#include "native/error.h"
#include "native/tokenizer/json_document.h"
#include "native/tokenizer/tokenizer_spec.h"

namespace diecast {
namespace {

[[noreturn]] void Unsupported(const std::string& field, const std::string& what) {
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

int64_t CountChildren(const JsonValue& value, std::string_view field) {
  int64_t count = 0;
  for (auto child = value.First(field); child; child = child->Next()) ++count;
  return count;
}

/// Ids below this are taken. They may have holes, but the largest one asks for memory, so it is
/// bounded by the number of entries.
int64_t IdLimit(const JsonValue& root) {
  int64_t entries =
      CountChildren(root.Get("model", "document").Get("vocab", "model.vocab"), "model.vocab");
  if (const auto added = root.FindPresent("added_tokens", "document")) {
    entries += CountChildren(*added, "added_tokens");
  }
  return 2 * entries + 1024;
}

int32_t ReadId(const JsonValue& value, int64_t limit, std::string_view field) {
  const int64_t id = value.AsInteger(field);
  if (id < 0 || id >= limit) {
    value.Fail(field, "token id " + std::to_string(id) + " is outside of [0, " +
                          std::to_string(limit) + "), twice the number of entries");
  }
  return static_cast<int32_t>(id);
}

// --- pre-tokenizer
// -----------------------------------------------------------------------------------------------------------

/// The steps of a pre-tokenizer, a Sequence flattened.
std::vector<JsonValue> PretokenizerSteps(const JsonValue& value) {
  const std::string_view field = "pre_tokenizer";
  if (TypeOf(value, field) != "Sequence") return {value};
  std::vector<JsonValue> steps;
  const JsonValue list = value.Get("pretokenizers", field);
  if (!list.is_array()) list.Fail(field, "expected an array");
  for (auto step = list.First(field); step; step = step->Next()) steps.push_back(*step);
  return steps;
}

/// True for a ByteLevel step that splits by GPT-2's pattern itself. Requires: the step is a
/// ByteLevel.
bool ByteLevelSplits(const JsonValue& step) {
  const std::string_view field = "pre_tokenizer ByteLevel";
  if (BoolMember(step, "add_prefix_space", true, field)) {
    Unsupported("pre_tokenizer", "ByteLevel with add_prefix_space");
  }
  return BoolMember(step, "use_regex", true, field);
}

PretokenizerKind KindOfSplit(const JsonValue& split) {
  const std::string_view field = "pre_tokenizer Split";
  const auto regex = split.Get("pattern", field).Find("Regex", field);
  if (!regex) Unsupported("pre_tokenizer", "Split by a literal string");
  const std::string_view behavior = split.Get("behavior", field).AsString(field);
  if (behavior != "Isolated") {
    Unsupported("pre_tokenizer", "Split with behavior " + std::string(behavior));
  }
  if (BoolMember(split, "invert", false, field)) {
    Unsupported("pre_tokenizer", "Split with invert");
  }
  const std::string_view text = regex->AsString(field);
  const auto kind = PretokenizerFromRegex(text);
  if (!kind) Unsupported("pre_tokenizer", "the pattern " + std::string(text));
  return *kind;
}

PretokenizerKind ReadPretokenizer(const JsonValue& root) {
  const auto value = root.FindPresent("pre_tokenizer", "document");
  if (!value) Unsupported("pre_tokenizer", "a tokenizer without one");
  const std::vector<JsonValue> steps = PretokenizerSteps(*value);
  std::vector<std::string_view> types;
  std::string names;
  for (const JsonValue& step : steps) {
    types.push_back(TypeOf(step, "pre_tokenizer"));
    names += (names.empty() ? "" : ", ") + std::string(types.back());
  }
  const bool ends_byte_level = !types.empty() && types.back() == "ByteLevel";
  if (ends_byte_level && types.size() == 1 && ByteLevelSplits(steps[0])) {
    return PretokenizerKind::kGpt2;
  }
  if (ends_byte_level && types.size() == 2) {
    const bool splits_again = ByteLevelSplits(steps[1]);
    if (types[0] == "Split" && !splits_again) return KindOfSplit(steps[0]);
    if (types[0] == "Digits" && splits_again &&
        BoolMember(steps[0], "individual_digits", false, "pre_tokenizer Digits")) {
      return PretokenizerKind::kSmollm;
    }
  }
  Unsupported("pre_tokenizer", "the sequence [" + names + "] with these options");
}

// --- model
// -------------------------------------------------------------------------------------------------------------------

/// Grows the table to hold `id`; ids in between stay unused (hidden, without text).
TokenizerSpec::Token& TokenAt(TokenizerSpec* spec, int32_t id) {
  const auto index = static_cast<size_t>(id);
  if (index >= spec->tokens.size()) spec->tokens.resize(index + 1, {std::string(), true, false});
  return spec->tokens[index];
}

void ReadVocabulary(const JsonValue& model, int64_t id_limit, TokenizerSpec* spec) {
  const std::string_view field = "model.vocab";
  const JsonValue vocab = model.Get("vocab", field);
  if (!vocab.is_object()) vocab.Fail(field, "expected an object");
  for (auto entry = vocab.First(field); entry; entry = entry->Next()) {
    TokenizerSpec::Token& token = TokenAt(spec, ReadId(*entry, id_limit, field));
    if (!token.special)
      entry->Fail(field, "the id of " + std::string(entry->key()) + " occurs twice");
    token = ModelToken(entry->key());
  }
  if (spec->tokens.empty()) vocab.Fail(field, "the vocabulary is empty");
  BytesIndex seen(spec->tokens.size());
  for (auto entry = vocab.First(field); entry; entry = entry->Next()) {
    if (!seen.Insert(entry->key(), 0)) {
      entry->Fail(field, "token " + std::string(entry->key()) + " occurs twice");
    }
  }
}

std::optional<std::pair<std::string_view, std::string_view>> MergeSides(const JsonValue& merge) {
  const std::string_view field = "model.merges";
  if (merge.is_string()) return MergeResolver::SplitSides(merge.AsString(field));
  if (!merge.is_array()) merge.Fail(field, "expected a string or an array of two strings");
  const auto left = merge.First(field);
  const auto right = left ? left->Next() : std::nullopt;
  if (!right || right->Next()) return std::nullopt;
  return std::pair(left->AsString(field), right->AsString(field));
}

void ReadMerges(const JsonValue& model, TokenizerSpec* spec) {
  const std::string_view field = "model.merges";
  const MergeResolver resolver(spec->tokens);
  const JsonValue merges = model.Get("merges", field);
  if (!merges.is_array()) merges.Fail(field, "expected an array");
  for (auto entry = merges.First(field); entry; entry = entry->Next()) {
    const auto sides = MergeSides(*entry);
    const auto merge = sides ? resolver.Resolve(sides->first, sides->second) : std::nullopt;
    if (!merge) {
      entry->Fail(field, "a merge must be two tokens of the vocabulary that join into a third");
    }
    spec->merges.push_back(*merge);
  }
}

/// Options that would add ids for bytes without a token: harmless when every byte has one.
void RefuseFallbacks(const JsonValue& model, const TokenizerSpec& spec) {
  const std::string_view field = "model";
  for (const char* affix : {"continuing_subword_prefix", "end_of_word_suffix"}) {
    const auto value = model.FindPresent(affix, field);
    if (value && !value->AsString(field).empty())
      Unsupported(std::string("model.") + affix, "a text");
  }
  const auto dropout = model.FindPresent("dropout", field);
  if (dropout) Unsupported("model.dropout", "a rate");
  const auto unknown = model.FindPresent("unk_token", field);
  const bool has_unknown = unknown && !unknown->AsString(field).empty();
  if (!has_unknown && !BoolMember(model, "byte_fallback", false, field)) return;
  const auto single_bytes =
      std::count_if(spec.tokens.begin(), spec.tokens.end(),
                    [](const auto& token) { return token.in_model && token.bytes.size() == 1; });
  if (single_bytes != 256) {
    Unsupported(has_unknown ? "model.unk_token" : "model.byte_fallback",
                "a vocabulary with " + std::to_string(single_bytes) + " of 256 bytes");
  }
}

void ReadModel(const JsonValue& root, TokenizerSpec* spec) {
  const JsonValue model = root.Get("model", "document");
  const auto type = model.FindPresent("type", "model");
  if (type && type->AsString("model.type") != "BPE") {
    Unsupported("model.type", std::string(type->AsString("model.type")));
  }
  spec->ignore_merges = BoolMember(model, "ignore_merges", false, "model.ignore_merges");
  ReadVocabulary(model, IdLimit(root), spec);
  ReadMerges(model, spec);
  RefuseFallbacks(model, *spec);
}

// --- added tokens and the rest
// -----------------------------------------------------------------------------------------------

void ReadAddedTokens(const JsonValue& root, TokenizerSpec* spec) {
  const std::string_view field = "added_tokens";
  const auto list = root.FindPresent("added_tokens", "document");
  if (!list) return;
  if (!list->is_array()) list->Fail(field, "expected an array");
  const int64_t id_limit = IdLimit(root);
  for (auto entry = list->First(field); entry; entry = entry->Next()) {
    AddedToken added;
    added.id = ReadId(entry->Get("id", field), id_limit, field);
    added.content = entry->Get("content", field).AsString(field);
    added.special = BoolMember(*entry, "special", false, field);
    added.single_word = BoolMember(*entry, "single_word", false, field);
    added.strip_left = BoolMember(*entry, "lstrip", false, field);
    added.strip_right = BoolMember(*entry, "rstrip", false, field);
    added.normalized = BoolMember(*entry, "normalized", !added.special, field);
    if (added.content.empty()) entry->Fail(field, "the content is empty");
    // A token of the model may be declared again here, with flags; then it keeps its place in
    // merges.
    TokenizerSpec::Token& token = TokenAt(spec, added.id);
    const bool is_hole = token.bytes.empty() && token.special;
    if (!is_hole && token.bytes != added.content) {
      const TokenizerSpec::Token alias = ModelToken(added.content);
      if (token.bytes != alias.bytes) {
        entry->Fail(field, "the id of " + added.content + " belongs to another token");
      }
    }
    // Its literal text is what it stands for; merges cannot make it where that differs from the
    // alphabet's reading.
    token.in_model = token.in_model && token.bytes == added.content;
    token.bytes = added.content;
    token.special = added.special;
    spec->added.push_back(std::move(added));
  }
}

void ReadNormalizer(const JsonValue& root, TokenizerSpec* spec) {
  const auto normalizer = root.FindPresent("normalizer", "document");
  if (!normalizer) return;
  const std::string_view type = TypeOf(*normalizer, "normalizer");
  if (type == "Sequence") {
    const JsonValue steps = normalizer->Get("normalizers", "normalizer");
    if (!steps.First("normalizer")) return;
  }
  if (type != "NFC") Unsupported("normalizer", std::string(type));
  spec->normalize_nfc = true;
}

/// A template that starts a single text with one special token says that the model expects BOS.
void ReadPostProcessor(const JsonValue& value, TokenizerSpec* spec) {
  const std::string_view field = "post_processor";
  const std::string_view type = TypeOf(value, field);
  if (type == "Sequence") {
    const JsonValue list = value.Get("processors", field);
    for (auto step = list.First(field); step; step = step->Next()) {
      // Sequences do not nest in practice; one level keeps hostile files from recursing.
      if (TypeOf(*step, field) != "Sequence") ReadPostProcessor(*step, spec);
    }
    return;
  }
  if (type != "TemplateProcessing") return;
  const auto first = value.Get("single", field).First(field);
  const auto special = first ? first->Find("SpecialToken", field) : std::nullopt;
  if (!special) return;
  const std::string_view content = special->Get("id", field).AsString(field);
  for (const AddedToken& added : spec->added) {
    if (added.content != content) continue;
    spec->bos_id = added.id;
    spec->adds_bos = true;
  }
}

}  // namespace

std::shared_ptr<const Tokenizer> Tokenizer::FromJson(std::string_view tokenizer_json) {
  const JsonDocument document = JsonDocument::Parse(tokenizer_json);
  const JsonValue root = document.root();
  TokenizerSpec spec;
  spec.pretokenizer = ReadPretokenizer(root);
  ReadNormalizer(root, &spec);
  ReadModel(root, &spec);
  ReadAddedTokens(root, &spec);
  if (const auto processor = root.FindPresent("post_processor", "document")) {
    ReadPostProcessor(*processor, &spec);
  }
  spec.AddKnownEos();
  return BuildBpeTokenizer(std::move(spec));
}

}  // namespace diecast
