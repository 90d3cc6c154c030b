// Reads a byte-level BPE tokenizer out of GGUF metadata (the keys tokenizer.ggml.*).
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
  spec->tokens.reserve(texts.size());
  for (size_t i = 0; i < texts.size(); ++i) {
    const int64_t type = types.empty() ? int64_t{kTypeNormal} : types[i];
    switch (type) {
      case kTypeNormal:
        spec->tokens.push_back(ModelToken(texts[i]));
        break;
      case kTypeUnknown:
      case kTypeControl:
      case kTypeUserDefined: {
        const bool special = type != kTypeUserDefined;
        AddedToken added;
        added.id = static_cast<int32_t>(i);
        added.content = texts[i];
        added.special = special;
        spec->added.push_back(std::move(added));
        spec->tokens.push_back({std::string(texts[i]), special, false});
        break;
      }
      case kTypeUnused:
        spec->tokens.push_back({std::string(texts[i]), true, false});
        break;
      default:
        Invalid("token_type", "type " + std::to_string(type) + " of token " + std::to_string(i) +
                                  " does not belong into a byte-level vocabulary");
    }
  }
}

void ReadMerges(const GgufFile& file, TokenizerSpec* spec) {
  const std::vector<std::string_view> merges = file.GetStringArray(Key("merges"));
  const MergeResolver resolver(spec->tokens);
  spec->merges.reserve(merges.size());
  for (size_t i = 0; i < merges.size(); ++i) {
    const auto sides = MergeResolver::SplitSides(merges[i]);
    const auto merge = sides ? resolver.Resolve(sides->first, sides->second) : std::nullopt;
    if (!merge) {
      Invalid("merges", "merge " + std::to_string(i) + " (" + std::string(merges[i].substr(0, 80)) +
                            ") is not two tokens of the vocabulary that join into a third");
    }
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
  if (*model != "gpt2") Unsupported("model", *model);
  const std::string_view pre = file.GetString(Key("pre")).value_or("default");
  const std::optional<PretokenizerKind> pretokenizer = PretokenizerFromGgufName(pre);
  if (!pretokenizer) Unsupported("pre", pre);

  TokenizerSpec spec;
  spec.pretokenizer = *pretokenizer;
  const bool is_llama3 = spec.pretokenizer == PretokenizerKind::kLlama3;
  spec.ignore_merges = is_llama3;
  ReadTokens(file, &spec);
  ReadMerges(file, &spec);
  spec.bos_id = ReadId(file, spec, "bos_token_id");
  spec.adds_bos = spec.bos_id >= 0 && file.GetBool(Key("add_bos_token")).value_or(is_llama3);
  for (const char* name : {"eos_token_id", "eot_token_id", "eom_token_id"}) {
    if (const int32_t id = ReadId(file, spec, name); id >= 0) spec.AddEos(id);
  }
  spec.AddKnownEos();
  spec.chat_template = file.GetString("tokenizer.chat_template").value_or("");
  return BuildBpeTokenizer(std::move(spec));
}

}  // namespace diecast
