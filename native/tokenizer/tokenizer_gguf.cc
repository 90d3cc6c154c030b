// Reads a tokenizer out of GGUF metadata (the keys tokenizer.ggml.*): byte-level BPE (model gpt2)
// or SentencePiece BPE, where scores stand in for merges (model llama).
#include <cmath>

#include "native/loader/gguf.h"
#include "native/tokenizer/tokenizer_spec.h"

namespace diecast {
namespace {

constexpr int32_t kMaxTokens = 1 << 22;

/// GGUF's numbers for the kinds of tokens.
enum GgufTokenType : int64_t {
  kTypeNormal = 1,
  kTypeUnknown = 2,
  kTypeControl = 3,
  kTypeUserDefined = 4,
  kTypeUnused = 5,
  kTypeByte = 6,
};

[[noreturn]] void Invalid(const std::string& key, const std::string& problem) {
  throw Error(ErrorCode::kModelInvalid, "metadata tokenizer.ggml." + key + ": " + problem);
}

[[noreturn]] void Unsupported(const std::string& key, std::string_view value) {
  throw Error(ErrorCode::kModelUnsupported, "metadata tokenizer.ggml." + key + ": \"" +
                                                std::string(value) + "\" is not supported");
}

std::string Key(const char* name) { return std::string("tokenizer.ggml.") + name; }

void ReadTokens(const GgufFile& file, TokenizerSpec* spec) {
  const std::vector<std::string_view> texts = file.GetStringArray(Key("tokens"));
  if (texts.empty()) Invalid("tokens", "missing or empty");
  if (texts.size() > static_cast<size_t>(kMaxTokens)) {
    Invalid("tokens",
            std::to_string(texts.size()) + " tokens; the limit is " + std::to_string(kMaxTokens));
  }
  const std::vector<int64_t> types = file.GetIntArray(Key("token_type"));
  if (!types.empty() && types.size() != texts.size()) {
    Invalid("token_type", std::to_string(types.size()) + " types for " +
                              std::to_string(texts.size()) + " tokens");
  }
  const bool by_bytes = spec->model == TokenizerSpec::Model::kByteBpe;
  spec->tokens.reserve(texts.size());
  for (size_t i = 0; i < texts.size(); ++i) {
    const auto id = static_cast<int32_t>(i);
    const int64_t type = types.empty() ? int64_t{kTypeNormal} : types[i];
    TokenizerSpec::Token token =
        by_bytes ? ByteLevelToken(texts[i]) : PieceToken(texts[i], type == kTypeByte);
    const bool is_added = type == kTypeUnknown || type == kTypeControl || type == kTypeUserDefined;
    if (is_added || type == kTypeUnused) {
      token.special = type != kTypeUserDefined;
      token.in_model = false;
      // What a user defines may have space marks; a byte-level alphabet is not undone in it.
      if (by_bytes || token.special) {
        token.bytes = texts[i];
        token.piece.clear();
      }
      if (is_added) {
        AddedToken added;
        added.id = id;
        added.content = token.bytes;
        added.special = token.special;
        spec->added.push_back(std::move(added));
      }
      if (type == kTypeUnknown && !by_bytes && spec->unknown_id < 0) spec->unknown_id = id;
    } else if (type == kTypeByte && !token.is_byte) {
      Invalid("token_type", "token " + std::to_string(i) + " is a byte and is not called <0xNN>");
    } else if (type != kTypeNormal && (by_bytes || type != kTypeByte)) {
      Invalid("token_type", "type " + std::to_string(type) + " of token " + std::to_string(i) +
                                " does not belong into this vocabulary");
    }
    spec->tokens.push_back(std::move(token));
  }
}

/// SentencePiece: the scores, and the steps around the model.
void ReadScores(const GgufFile& file, TokenizerSpec* spec) {
  const std::vector<float> scores = file.GetFloatArray(Key("scores"));
  spec->scores.assign(scores.begin(), scores.end());
  if (spec->scores.size() != spec->tokens.size()) {
    Invalid("scores", std::to_string(spec->scores.size()) + " scores for " +
                          std::to_string(spec->tokens.size()) + " tokens");
  }
  for (const double score : spec->scores) {
    if (!std::isfinite(score)) Invalid("scores", "a score is not a number");
  }
  spec->merges = MergeResolver(*spec).ByScore();
  spec->scores.clear();
  spec->byte_fallback = true;
  if (file.GetBool(Key("add_space_prefix")).value_or(true)) {
    Normalizer::Step prefix;
    prefix.kind = Normalizer::Step::kPrepend;
    prefix.with = kSpaceMark;
    spec->normalizer.push_back(prefix);
    spec->steps_text += "prefix";
  }
  Normalizer::Step mark;
  mark.kind = Normalizer::Step::kReplaceText;
  mark.what = " ";
  mark.with = kSpaceMark;
  spec->normalizer.push_back(mark);
}

void ReadMerges(const GgufFile& file, TokenizerSpec* spec) {
  const std::vector<std::string_view> merges = file.GetStringArray(Key("merges"));
  MergeResolver resolver(*spec);
  spec->merges.reserve(merges.size());
  for (size_t i = 0; i < merges.size(); ++i) {
    const auto sides = MergeResolver::SplitSides(merges[i]);
    auto merge = sides ? resolver.Resolve(sides->first, sides->second) : std::nullopt;
    if (!merge) {
      Invalid("merges", "merge " + std::to_string(i) + " (" + std::string(merges[i].substr(0, 80)) +
                            ") is not two tokens of the vocabulary that join into a third");
    }
    merge->rank = static_cast<uint32_t>(i);
    spec->merges.push_back(*merge);
  }
}

/// -1 when the key is missing.
int32_t ReadId(const GgufFile& file, const TokenizerSpec& spec, const char* name) {
  const std::optional<uint64_t> id = file.GetUint(Key(name));
  if (!id) return -1;
  if (*id >= spec.tokens.size()) {
    Invalid(name, std::to_string(*id) + " is outside of the vocabulary of " +
                      std::to_string(spec.tokens.size()));
  }
  return static_cast<int32_t>(*id);
}

}  // namespace

std::shared_ptr<const Tokenizer> Tokenizer::FromGguf(const GgufFile& file) {
  const std::optional<std::string_view> model = file.GetString(Key("model"));
  if (!model) Invalid("model", "missing");
  const bool by_bytes = *model == "gpt2";
  if (!by_bytes && *model != "llama") Unsupported("model", *model);

  TokenizerSpec spec;
  bool is_llama3 = false;
  if (by_bytes) {
    const std::string_view pre = file.GetString(Key("pre")).value_or("default");
    const auto steps = PretokenizerFromGgufName(pre);
    if (!steps) Unsupported("pre", pre);
    is_llama3 = steps->size() == 1 && steps->front().scanner == PretokenizerKind::kLlama3;
    spec.pretokenizer = *steps;
    spec.steps_text = pre;
    spec.ignore_merges = is_llama3 || pre == "tekken" || pre == "gpt-oss";
    ReadTokens(file, &spec);
    ReadMerges(file, &spec);
  } else {
    spec.model = TokenizerSpec::Model::kCharacterBpe;
    ReadTokens(file, &spec);
    ReadScores(file, &spec);
  }
  spec.bos_id = ReadId(file, spec, "bos_token_id");
  spec.adds_bos =
      spec.bos_id >= 0 && file.GetBool(Key("add_bos_token")).value_or(is_llama3 || !by_bytes);
  for (const char* name : {"eos_token_id", "eot_token_id", "eom_token_id"}) {
    if (const int32_t id = ReadId(file, spec, name); id >= 0) spec.AddEos(id);
  }
  spec.AddKnownEos();
  spec.chat_template = file.GetString("tokenizer.chat_template").value_or("");
  return BuildTokenizer(std::move(spec));
}

}  // namespace diecast
