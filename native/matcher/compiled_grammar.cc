#include "native/matcher/compiled_grammar.h"

#include <algorithm>

#include "native/matcher/matcher.h"

namespace diecast {
namespace {

/// Tokens of context given to the tokenizer before the forced text.
constexpr size_t kContextTokens = 8;

}  // namespace

CompiledGrammar::CompiledGrammar(std::shared_ptr<Vocabulary> vocabulary,
                                 std::span<const uint8_t> program)
    : vocabulary_(std::move(vocabulary)),
      program_(program, vocabulary_->producible()),
      program_bytes_(program_.memory_bytes()),
      lexemes_(*vocabulary_, program_),
      builder_(*vocabulary_, program_, lexemes_),
      store_(NewStore()) {
  NoteMemory();
}

std::shared_ptr<ConfigStore> CompiledGrammar::NewStore() const {
  return std::make_shared<ConfigStore>(program_, vocabulary_->max_token_bytes());
}

void CompiledGrammar::EvictIfOverBudget() {
  const size_t bytes = NoteMemory();
  if (bytes <= std::max(memo_budget_, 2 * live_bytes_)) return;
  live_bytes_ = 0;
  store_ = NewStore();
  habits_.Clear();
}

size_t CompiledGrammar::NoteMemory() {
  const size_t memo = store_->memory_bytes();
  memory_bytes_.store(program_bytes_ + memo + habits_.memory_bytes(), std::memory_order_relaxed);
  return memo;
}

std::shared_ptr<const MaskEntry> CompiledGrammar::Mask(ConfigStore& store, uint32_t config,
                                                       Pace& pace) {
  auto entry = builder_.Build(store, config, pace);
  KeepMask(store, store.ClassOf(config), entry);
  return entry;
}

void CompiledGrammar::KeepMask(ConfigStore& store, uint32_t cls,
                               const std::shared_ptr<const MaskEntry>& entry) {
  auto& kept = store.MaskOfClass(cls);
  if (kept != nullptr) return;
  kept = entry;
  store.NoteMaskBytes(entry->memory_bytes);
  NoteMemory();
}

int32_t CompiledGrammar::ForcedTokenId(ConfigStore& store, uint32_t config) {
  if (!store.HasTokenMoves(config) || store.Complete(config) || store.HasByteMoves(config))
    return -1;
  int32_t forced = -1;
  store.Close(store.items(config), &closed_);
  for (const ConfigStore::Item& m : closed_) {
    for (const Program::TokenEdge& e : program_.TokenEdges(m.state)) {
      if (e.lo != e.hi || (forced >= 0 && e.lo != static_cast<uint32_t>(forced))) return -1;
      forced = static_cast<int32_t>(e.lo);
    }
  }
  return forced < vocabulary_->tokenizer().vocab_size() ? forced : -1;
}

std::string CompiledGrammar::ForcedBytes(ConfigStore& store, uint32_t config, size_t max_bytes) {
  std::string bytes;
  int64_t work = 0;
  while (bytes.size() < max_bytes && work < Pace::kMostOfStep) {
    const int byte = store.ForcedByte(config);
    if (byte < 0) break;
    work += store.WorkOfForced(config);
    bytes.push_back(static_cast<char>(byte));
    config = store.Step(config, static_cast<uint8_t>(byte));
  }
  return bytes;
}

bool CompiledGrammar::MayBeCutOtherwise(ConfigStore& store, uint32_t end, int32_t token,
                                        std::string_view rest, Pace& pace) {
  const ConfigStore::PaceScope scope(&store, &pace);
  const TokenTrie& trie = vocabulary_->trie();
  const size_t length = vocabulary_->tokenizer().TokenBytes(token).size();
  const auto descend = [&](std::string_view text) {
    uint32_t node = TokenTrie::kNone;
    for (const char c : text) {
      node = trie.Child(node, static_cast<uint8_t>(c));
      if (node == TokenTrie::kNone) break;
    }
    return node;
  };
  // A cut after this token is no news, unless a longer one could stand in its place.
  size_t first_end = rest.size();
  uint32_t node = TokenTrie::kNone;
  for (size_t i = 0; i + 1 < rest.size(); ++i) {
    node = trie.Child(node, static_cast<uint8_t>(rest[i]));
    if (node == TokenTrie::kNone) break;
    if (i + 1 > length && !trie.ValuesAt(node).empty()) {
      first_end = i + 1;
      break;
    }
  }
  for (size_t offset = 0; offset < rest.size(); ++offset) {
    if (offset == length) offset = first_end;
    if (offset >= rest.size()) break;
    const uint32_t begun = descend(rest.substr(offset));
    if (begun == TokenTrie::kNone || trie.node(begun).subtree_end == begun + 1) continue;
    bool found = false;
    if (offset == 0) {  // where a token ends already, any longer one may follow
      found = builder_.IsAnyAlive(store, begun, store.items(end), pace);
    } else {
      for (const uint32_t longer : *vocabulary_->Crossing(rest.substr(0, offset), token, begun)) {
        const auto bytes = vocabulary_->tokenizer().TokenBytes(static_cast<int32_t>(longer));
        found = found || store.CanStepAll(store.items(end), bytes.substr(rest.size() - offset));
      }
    }
    if (found) return true;
  }
  return false;
}

std::vector<int32_t> CompiledGrammar::ForcedTokens(ConfigStore& store, uint32_t config,
                                                   std::span<const int32_t> context) {
  const std::string forced = ForcedBytes(store, config, 4096);
  if (forced.empty()) {
    const int32_t id = ForcedTokenId(store, config);
    return id < 0 ? std::vector<int32_t>{} : std::vector<int32_t>{id};
  }
  const Tokenizer& tokenizer = vocabulary_->tokenizer();

  // The context that the tokenizer may merge over: back to the last special token, at most
  // kContextTokens.
  size_t start = context.size();
  while (start > 0 && context.size() - start < kContextTokens) {
    const int32_t id = context[start - 1];
    if (id < 0 || id >= tokenizer.vocab_size() || tokenizer.IsSpecial(id) || vocabulary_->IsEos(id))
      break;
    --start;
  }
  // The window's left edge may cut a word, so that its own tokens come out differently: then look
  // at less of it.
  std::vector<int32_t> tokens;
  for (;; ++start) {
    const auto window = context.subspan(start);
    std::string text = tokenizer.Decode(window, false);
    text += forced;
    tokens = tokenizer.Encode(text, false);
    if (tokens.size() > window.size() && std::equal(window.begin(), window.end(), tokens.begin())) {
      tokens.erase(tokens.begin(), tokens.begin() + static_cast<std::ptrdiff_t>(window.size()));
      break;
    }
    // Even the last token alone would merge with the forced text: the model chose otherwise, and
    // goes on choosing.
    if (window.size() <= 1) return {};
  }

  uint32_t end = config;
  for (const char c : forced) end = store.Step(end, static_cast<uint8_t>(c));
  // Once more text is there, the tokenizer may cut from some place on otherwise: where a token can
  // begin that runs on past the end. Whatever stands before that place stays.
  Pace pace = Pace::OfStep();
  size_t kept = 0;
  for (size_t offset = 0; kept < tokens.size(); ++kept) {
    const std::string_view rest = std::string_view(forced).substr(offset);
    if (rest.size() <= vocabulary_->max_token_bytes() &&
        MayBeCutOtherwise(store, end, tokens[kept], rest, pace)) {
      break;
    }
    offset += tokenizer.TokenBytes(tokens[kept]).size();
  }
  tokens.resize(kept);
  return tokens;
}

}  // namespace diecast
