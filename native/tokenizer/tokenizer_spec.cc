// The rules that both readers share.
#include "native/tokenizer/tokenizer_spec.h"

#include <algorithm>

#include "native/tokenizer/byte_alphabet.h"

namespace diecast {
namespace {

/// Names of special tokens that end a turn or a text, over the model families that use byte-level
/// BPE.
constexpr std::string_view kEndNames[] = {
    "<|endoftext|>", "<|end_of_text|>", "<|im_end|>",    "<|eot_id|>",      "<|eom_id|>",
    "<|end|>",       "<|eot|>",         "<end_of_turn>", "<|end_of_turn|>", "<|return|>",
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

TokenizerSpec::Token ModelToken(std::string_view text) {
  TokenizerSpec::Token token;
  std::optional<std::string> bytes = BytesFromAlphabet(text);
  token.in_model = bytes.has_value() && !bytes->empty();
  token.bytes = bytes ? std::move(*bytes) : std::string(text);
  return token;
}

MergeResolver::MergeResolver(const std::vector<TokenizerSpec::Token>& tokens)
    : index_(tokens.size()) {
  for (size_t id = 0; id < tokens.size(); ++id) {
    if (tokens[id].in_model) index_.Insert(tokens[id].bytes, static_cast<int32_t>(id));
  }
}

std::optional<BpeMerge> MergeResolver::Resolve(std::string_view left,
                                               std::string_view right) const {
  const std::optional<std::string> left_bytes = BytesFromAlphabet(left);
  const std::optional<std::string> right_bytes = BytesFromAlphabet(right);
  if (!left_bytes || !right_bytes) return std::nullopt;
  const BpeMerge merge{index_.Find(*left_bytes), index_.Find(*right_bytes),
                       index_.Find(*left_bytes + *right_bytes)};
  if (merge.left < 0 || merge.right < 0 || merge.merged < 0) return std::nullopt;
  return merge;
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
