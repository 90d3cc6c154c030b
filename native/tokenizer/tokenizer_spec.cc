// The rules that both readers share.
#include "native/tokenizer/tokenizer_spec.h"

#include <algorithm>

#include "native/tokenizer/byte_alphabet.h"

namespace diecast {
namespace {

/// Names of special tokens that end a turn or a text, over the model families.
constexpr std::string_view kEndNames[] = {
    "<|endoftext|>",
    "<|end_of_text|>",
    "<|im_end|>",
    "<|eot_id|>",
    "<|eom_id|>",
    "<|end|>",
    "<|eot|>",
    "<end_of_turn>",
    "<|end_of_turn|>",
    "<|return|>",
    "<|call|>",
    "</s>",
    "<eos>",
    "<EOT>",
    "<|END_OF_TURN_TOKEN|>",
    "<|eos|>",
    // DeepSeek's, with fullwidth bars and space marks.
    "<\xef\xbd\x9c"
    "end\xe2\x96\x81of\xe2\x96\x81sentence\xef\xbd\x9c>",
};

}  // namespace

void TokenizerSpec::AddEos(int32_t id) {
  if (std::find(eos_ids.begin(), eos_ids.end(), id) == eos_ids.end()) eos_ids.push_back(id);
}

void TokenizerSpec::AddKnownEos() {
  for (size_t id = 0; id < tokens.size(); ++id) {
    const Token& token = tokens[id];
    if (!token.special) continue;
    if (std::find(std::begin(kEndNames), std::end(kEndNames), token.bytes) != std::end(kEndNames)) {
      AddEos(static_cast<int32_t>(id));
    }
  }
}

TokenizerSpec::Token ByteLevelToken(std::string_view text) {
  TokenizerSpec::Token token;
  std::optional<std::string> bytes = BytesFromAlphabet(text);
  token.in_model = bytes.has_value() && !bytes->empty();
  token.bytes = bytes ? std::move(*bytes) : std::string(text);
  return token;
}

std::optional<uint8_t> ByteOfPiece(std::string_view text) {
  if (text.size() != 6 || !text.starts_with("<0x") || text[5] != '>') return std::nullopt;
  int value = 0;
  for (const char c : text.substr(3, 2)) {
    const bool is_digit = c >= '0' && c <= '9';
    if (!is_digit && !(c >= 'A' && c <= 'F')) return std::nullopt;
    value = value * 16 + (is_digit ? c - '0' : c - 'A' + 10);
  }
  return static_cast<uint8_t>(value);
}

TokenizerSpec::Token PieceToken(std::string_view text, bool byte_fallback) {
  TokenizerSpec::Token token;
  token.in_model = !text.empty();
  if (const auto byte = ByteOfPiece(text); byte && byte_fallback) {
    token.is_byte = true;
    token.bytes = std::string(1, static_cast<char>(*byte));
    token.piece = text;
  } else if (text.find(kSpaceMark) != std::string_view::npos) {
    token.bytes = ReplaceText(text, kSpaceMark, " ");
    token.piece = text;
  } else {
    token.bytes = text;
  }
  return token;
}

MergeResolver::MergeResolver(const TokenizerSpec& spec) : spec_(spec), index_(spec.tokens.size()) {
  for (size_t id = 0; id < spec.tokens.size(); ++id) {
    const TokenizerSpec::Token& token = spec.tokens[id];
    if (token.in_model) index_.Insert(token.key(), static_cast<int32_t>(id));
  }
}

std::optional<BpeMerge> MergeResolver::Resolve(std::string_view left, std::string_view right) {
  std::optional<std::string> left_bytes;
  std::optional<std::string> right_bytes;
  if (spec_.model == TokenizerSpec::Model::kByteBpe) {
    left_bytes = BytesFromAlphabet(left);
    right_bytes = BytesFromAlphabet(right);
    if (!left_bytes || !right_bytes) return std::nullopt;
    left = *left_bytes;
    right = *right_bytes;
  }
  joined_.assign(left).append(right);
  const BpeMerge merge{index_.Find(left), index_.Find(right), index_.Find(joined_), 0};
  if (merge.left < 0 || merge.right < 0 || merge.merged < 0) return std::nullopt;
  return merge;
}

std::vector<BpeMerge> MergeResolver::ByScore() const {
  std::vector<BpeMerge> merges;
  for (size_t id = 0; id < spec_.tokens.size(); ++id) {
    const TokenizerSpec::Token& token = spec_.tokens[id];
    const std::string_view key = token.key();
    if (!token.in_model || token.is_byte || index_.Find(key) != static_cast<int32_t>(id)) continue;
    for (size_t at = 1; at < key.size(); ++at) {
      if ((static_cast<uint8_t>(key[at]) & 0xc0) == 0x80) continue;
      const int32_t left = index_.Find(key.substr(0, at));
      const int32_t right = left < 0 ? -1 : index_.Find(key.substr(at));
      if (right >= 0) merges.push_back({left, right, static_cast<int32_t>(id), 0});
    }
  }
  const auto score = [&](const BpeMerge& merge) {
    return spec_.scores[static_cast<size_t>(merge.merged)];
  };
  std::stable_sort(merges.begin(), merges.end(),
                   [&](const BpeMerge& a, const BpeMerge& b) { return score(a) > score(b); });
  // Equal scores are equal ranks: the leftmost pair is joined first.
  for (size_t i = 1; i < merges.size(); ++i) {
    merges[i].rank = merges[i - 1].rank + (score(merges[i]) < score(merges[i - 1]) ? 1 : 0);
  }
  return merges;
}

std::optional<std::pair<std::string_view, std::string_view>> MergeResolver::SplitSides(
    std::string_view merge) {
  const size_t space = merge.find(' ');
  if (space == std::string_view::npos || space == 0 || space + 1 == merge.size() ||
      merge.find(' ', space + 1) != std::string_view::npos) {
    return std::nullopt;
  }
  return std::pair(merge.substr(0, space), merge.substr(space + 1));
}

}  // namespace diecast
