// Reads a tokenizer out of a Hugging Face tokenizer.json: BPE over bytes or characters, or a
// unigram model. Whatever else would change ids or bytes is refused with the
// member's name; truncation and padding do not change what a tokenizer does here.
#include <algorithm>
#include <span>

#include "native/error.h"
#include "native/tokenizer/json_document.h"
#include "native/tokenizer/tokenizer_json_steps.h"
#include "native/tokenizer/tokenizer_spec.h"

namespace diecast {
namespace {

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

// --- model
// -------------------------------------------------------------------------------------------------------------------

const TokenizerSpec::Token kUnused{.bytes = {}, .special = true, .piece = {}};

/// Grows the table to hold `id`; ids in between stay unused (hidden, without text).
TokenizerSpec::Token& TokenAt(TokenizerSpec* spec, int32_t id) {
  const auto index = static_cast<size_t>(id);
  if (index >= spec->tokens.size()) spec->tokens.resize(index + 1, kUnused);
  return spec->tokens[index];
}

TokenizerSpec::Token ModelToken(std::string_view text, const JsonDecoder& decoder) {
  return decoder.byte_level ? ByteLevelToken(text) : PieceToken(text, decoder.byte_fallback);
}

void ReadVocabulary(const JsonValue& model, int64_t id_limit, const JsonDecoder& decoder,
                    TokenizerSpec* spec) {
  const std::string_view field = "model.vocab";
  const JsonValue vocab = model.Get("vocab", field);
  if (!vocab.is_object()) vocab.Fail(field, "expected an object");
  spec->tokens.reserve(static_cast<size_t>(id_limit / 2));
  for (auto entry = vocab.First(field); entry; entry = entry->Next()) {
    TokenizerSpec::Token& token = TokenAt(spec, ReadId(*entry, id_limit, field));
    if (!token.special)
      entry->Fail(field, "the id of " + std::string(entry->key()) + " occurs twice");
    token = ModelToken(entry->key(), decoder);
  }
  if (spec->tokens.empty()) vocab.Fail(field, "the vocabulary is empty");
  BytesIndex seen(spec->tokens.size());
  for (auto entry = vocab.First(field); entry; entry = entry->Next()) {
    if (!seen.Insert(entry->key(), 0)) {
      entry->Fail(field, "token " + std::string(entry->key()) + " occurs twice");
    }
  }
}

/// The vocabulary of a unigram model: pairs of a piece and its score.
void ReadScoredVocabulary(const JsonValue& model, const JsonDecoder& decoder, TokenizerSpec* spec) {
  const std::string_view field = "model.vocab";
  const JsonValue vocab = model.Get("vocab", field);
  if (!vocab.is_array()) vocab.Fail(field, "expected an array");
  for (auto entry = vocab.First(field); entry; entry = entry->Next()) {
    const auto piece = entry->First(field);
    const auto score = piece ? piece->Next() : std::nullopt;
    if (!score || score->Next()) entry->Fail(field, "expected a piece and its score");
    spec->tokens.push_back(ModelToken(piece->AsString(field), decoder));
    spec->scores.push_back(score->AsNumber(field));
  }
  if (spec->tokens.empty()) vocab.Fail(field, "the vocabulary is empty");
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
  MergeResolver resolver(*spec);
  const JsonValue merges = model.Get("merges", field);
  if (!merges.is_array()) merges.Fail(field, "expected an array");
  for (auto entry = merges.First(field); entry; entry = entry->Next()) {
    const auto sides = MergeSides(*entry);
    auto merge = sides ? resolver.Resolve(sides->first, sides->second) : std::nullopt;
    if (!merge) {
      entry->Fail(field, "a merge must be two tokens of the vocabulary that join into a third");
    }
    merge->rank = static_cast<uint32_t>(spec->merges.size());
    spec->merges.push_back(*merge);
  }
}

/// The id of model.unk_token; -1 when there is none.
int32_t UnknownId(const JsonValue& model, const JsonDecoder& decoder, const TokenizerSpec& spec) {
  const std::string_view field = "model.unk_token";
  const auto unknown = model.FindPresent("unk_token", field);
  if (!unknown || unknown->AsString(field).empty()) return -1;
  const TokenizerSpec::Token wanted = ModelToken(unknown->AsString(field), decoder);
  for (size_t id = 0; id < spec.tokens.size(); ++id) {
    if (spec.tokens[id].key() == wanted.key()) return static_cast<int32_t>(id);
  }
  // Some files name an added token.
  if (!decoder.byte_level) unknown->Fail(field, "it is not in the vocabulary");
  return -1;
}

/// Options that would add ids for bytes without a token: harmless when every byte has one.
void RefuseByteFallbacks(const JsonValue& model, const TokenizerSpec& spec) {
  const std::string_view field = "model";
  const auto unknown = model.FindPresent("unk_token", field);
  const bool has_unknown = unknown && !unknown->AsString(field).empty();
  if (!has_unknown && !BoolMember(model, "byte_fallback", false, field)) return;
  const auto single_bytes =
      std::count_if(spec.tokens.begin(), spec.tokens.end(),
                    [](const auto& token) { return token.in_model && token.bytes.size() == 1; });
  if (single_bytes != 256) {
    UnsupportedJson(has_unknown ? "model.unk_token" : "model.byte_fallback",
                    "a vocabulary with " + std::to_string(single_bytes) + " of 256 bytes");
  }
}

void ReadBpe(const JsonValue& model, int64_t id_limit, const JsonDecoder& decoder,
             TokenizerSpec* spec) {
  using Model = TokenizerSpec::Model;
  spec->model = decoder.byte_level ? Model::kByteBpe : Model::kCharacterBpe;
  spec->ignore_merges = BoolMember(model, "ignore_merges", false, "model.ignore_merges");
  for (const char* affix : {"continuing_subword_prefix", "end_of_word_suffix"}) {
    const auto value = model.FindPresent(affix, "model");
    if (value && !value->AsString("model").empty())
      UnsupportedJson(std::string("model.") + affix, "a text");
  }
  const auto dropout = model.FindPresent("dropout", "model");
  if (dropout && dropout->AsNumber("model.dropout") != 0) {
    UnsupportedJson("model.dropout", "a rate");
  }
  ReadVocabulary(model, id_limit, decoder, spec);
  ReadMerges(model, spec);
  const int32_t unknown = UnknownId(model, decoder, *spec);
  if (decoder.byte_level) {
    RefuseByteFallbacks(model, *spec);
  } else {
    spec->byte_fallback = BoolMember(model, "byte_fallback", false, "model.byte_fallback");
    spec->fuses_unknown = BoolMember(model, "fuse_unk", false, "model.fuse_unk");
    spec->unknown_id = unknown;
  }
  if (unknown >= 0) spec->tokens[static_cast<size_t>(unknown)].special = true;
}

void ReadUnigram(const JsonValue& model, const JsonDecoder& decoder, TokenizerSpec* spec) {
  if (decoder.byte_level) UnsupportedJson("model.type", "Unigram over a byte-level alphabet");
  spec->model = TokenizerSpec::Model::kUnigram;
  ReadScoredVocabulary(model, decoder, spec);
  spec->byte_fallback = BoolMember(model, "byte_fallback", false, "model.byte_fallback");
  if (const auto unknown = model.FindPresent("unk_id", "model")) {
    spec->unknown_id = ReadId(*unknown, static_cast<int64_t>(spec->tokens.size()), "model.unk_id");
    spec->tokens[static_cast<size_t>(spec->unknown_id)].special = true;
  }
}

void ReadModel(const JsonValue& root, const JsonDecoder& decoder, TokenizerSpec* spec) {
  const JsonValue model = root.Get("model", "document");
  const std::string_view type =
      model.FindPresent("type", "model") ? TypeOf(model, "model.type") : std::string_view("BPE");
  if (type == "BPE") {
    ReadBpe(model, IdLimit(root), decoder, spec);
  } else if (type == "Unigram") {
    ReadUnigram(model, decoder, spec);
  } else {
    UnsupportedJson("model.type", std::string(type));
  }
}

// --- added tokens and the rest
// -----------------------------------------------------------------------------------------------

void ReadAddedTokens(const JsonValue& root, const JsonDecoder& decoder, TokenizerSpec* spec) {
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
    const TokenizerSpec::Token declared = ModelToken(added.content, decoder);
    const bool is_hole = token.bytes.empty() && token.special;
    if (!is_hole && token.bytes != added.content && token.key() != declared.key()) {
      entry->Fail(field, "the id of " + added.content + " belongs to another token");
    }
    if (decoder.byte_level || added.special) {
      // Its literal text is what it stands for. With a byte-level alphabet, merges cannot make it
      // where that differs from the alphabet's reading.
      token.in_model = token.in_model && (!decoder.byte_level || token.bytes == added.content);
      if (token.in_model && token.key() != added.content) token.piece = token.key();
      token.bytes = added.content;
    } else if (is_hole) {
      token = declared;
      token.in_model = false;
    }
    token.special = added.special || added.id == spec->unknown_id;
    added.spells = token.bytes == added.content;
    spec->added.push_back(std::move(added));
  }
}

/// A file that declares no added tokens leaves it to others to say which tokens are special; those
/// that SentencePiece reserves are.
void MarkReserved(TokenizerSpec* spec) {
  if (!spec->added.empty()) return;
  for (TokenizerSpec::Token& token : spec->tokens) {
    const std::string_view key = token.key();
    if (key == "<s>" || key == "</s>" || key == "<unk>" || key == "<pad>") token.special = true;
  }
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
  const JsonDecoder decoder = ReadSteps(root, &spec);
  ReadModel(root, decoder, &spec);
  ReadAddedTokens(root, decoder, &spec);
  if (!decoder.byte_level) MarkReserved(&spec);
  spec.scores.resize(spec.model == TokenizerSpec::Model::kUnigram ? spec.tokens.size() : 0);
  if (const auto processor = root.FindPresent("post_processor", "document")) {
    ReadPostProcessor(*processor, &spec);
  }
  spec.AddKnownEos();
  return BuildTokenizer(std::move(spec));
}

}  // namespace diecast
