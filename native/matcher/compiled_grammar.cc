#include "native/matcher/compiled_grammar.h"

#include <algorithm>
#include <bit>

#include "native/matcher/matcher.h"

namespace diecast {
namespace {

/// States with at least this many live bytes are worth a table; narrower ones visit only a small
/// part of the trie.
constexpr uint32_t kDenseBytes = 24;
/// Beyond this many single ids a bitmap is smaller and faster.
constexpr size_t kMaxExtra = 1024;
/// How many trailing tokens of a forced run are checked for longer alternatives. A token that could
/// swallow more than this many others would have to be longer than any merge of canonical text.
constexpr size_t kExtendWindow = 4;
/// Tokens of context given to the tokenizer before the forced text.
constexpr size_t kContextTokens = 8;

}  // namespace

CompiledGrammar::CompiledGrammar(std::shared_ptr<Vocabulary> vocabulary,
                                 std::span<const uint8_t> program)
    : vocabulary_(std::move(vocabulary)), program_(program, vocabulary_->producible()) {
  store_ = std::make_shared<ConfigStore>(program_, vocabulary_->max_token_bytes());
  tables_.resize(program_.rules().size());
  uses_table_.assign(program_.num_states(), false);
  for (uint32_t s = 0; s < program_.num_states(); ++s) {
    const Program::Rule& rule = program_.RuleOf(s);
    if (!rule.lexeme()) continue;
    uint32_t live = 0;
    for (const auto& e : program_.ByteEdges(s)) live += uint32_t{e.hi()} - e.lo() + 1;
    uses_table_[s] = rule.shared() || live >= kDenseBytes;
  }
}

void CompiledGrammar::EvictIfOverBudget() {
  if (store_->memory_bytes() > memo_budget_) {
    store_ = std::make_shared<ConfigStore>(program_, vocabulary_->max_token_bytes());
  }
}

size_t CompiledGrammar::memory_bytes() { return program_.memory_bytes() + store_->memory_bytes(); }

bool CompiledGrammar::UsesTable(uint32_t state) const {
  return state < program_.num_states() && uses_table_[state];
}

LexemeTable& CompiledGrammar::TableOf(uint32_t rule) {
  if (!tables_[rule]) tables_[rule] = vocabulary_->Lexeme(program_, rule);
  return *tables_[rule];
}

std::shared_ptr<const MaskEntry> CompiledGrammar::Mask(ConfigStore& store, uint32_t config,
                                                       bool* computed) {
  const uint32_t cls = store.ClassOf(config);
  if (const auto& known = store.MaskOfClass(cls)) return known;
  *computed = true;
  auto entry = BuildMask(store, config);
  store.NoteMaskBytes(entry->memory_bytes);
  store.MaskOfClass(cls) = entry;
  return entry;
}

template <typename Visit>
void CompiledGrammar::Walk(ConfigStore& store, const TokenTrie& trie, uint32_t parent,
                           uint32_t config, Visit&& visit) {
  if (trie.size() == 0) return;
  const uint32_t base = parent == TokenTrie::kNone ? 0 : trie.node(parent).depth;
  path_.resize(std::max<size_t>(path_.size(), size_t{trie.max_depth()} + 1));
  path_[0] = config;
  // One live first byte after the other, each with its whole subtree.
  ByteSet first = store.Live(config);
  for (size_t w = 0; w < first.size(); ++w) {
    for (; first[w] != 0; first[w] &= first[w] - 1) {
      const auto byte =
          static_cast<uint8_t>(w * 64 + static_cast<size_t>(std::countr_zero(first[w])));
      const uint32_t root = trie.Child(parent, byte);
      if (root == TokenTrie::kNone) continue;
      const uint32_t end = trie.node(root).subtree_end;
      for (uint32_t i = root; i < end;) {
        const TokenTrie::Node& node = trie.node(i);
        const uint32_t depth = node.depth - base;
        const uint32_t from = path_[depth - 1];
        if (!Contains(store.Live(from), node.byte)) {
          i = node.subtree_end;
          continue;
        }
        path_[depth] = store.Step(from, node.byte);
        if (path_[depth] == ConfigStore::kDead) {
          i = node.subtree_end;
          continue;
        }
        if (const auto values = trie.ValuesAt(i); !values.empty() && !visit(values)) return;
        ++i;
      }
    }
  }
}

void CompiledGrammar::AddLexemeMember(ConfigStore& store, const ConfigStore::Member& member,
                                      std::vector<std::shared_ptr<const TokenBitmap>>* bases,
                                      std::vector<int32_t>* ids) {
  const uint32_t rule_index = program_.RuleIndexOf(member.state);
  const uint32_t local = member.state - program_.rules()[rule_index].first_state;
  const ConfigStore::Room room = store.RoomOf(member.state, member.reg);
  const auto table = TableOf(rule_index).TableOf(local);
  auto inside = table->Inside({room.to_max, room.to_min});
  // A text that must differ from others: tokens that complete one of them, or leave no way around
  // it, are taken out.
  const bool captures = member.text != RegisterStore::kNoText;
  std::vector<ConfigStore::Member> alone{member};
  const uint32_t config = captures ? store.Intern(&alone) : ConfigStore::kDead;
  const auto dead = [&](uint32_t token) {
    const auto bytes = vocabulary_->tokenizer().TokenBytes(static_cast<int32_t>(token));
    return store.StepAll(config, bytes) == ConfigStore::kDead;
  };
  if (captures) inside = WithoutForbidden(store, member, std::move(inside), dead);
  // Alternatives with a common prefix stand in the same lexeme state: one bitmap serves them all.
  if (inside->count != 0 && std::find(bases->begin(), bases->end(), inside) == bases->end()) {
    bases->push_back(std::move(inside));
  }
  const bool counted = program_.rules()[rule_index].counted();
  const uint32_t follow = store.Follow(member.stack);
  const ByteSet live = store.Live(follow);
  for (StateTable* t = table.get(); t != nullptr; t = t->base()) {
    for (uint32_t byte = 0; byte < 256; ++byte) {
      if (!Contains(live, static_cast<uint8_t>(byte))) continue;
      const auto& remainders = t->RemaindersFrom(static_cast<uint8_t>(byte));
      Walk(store, remainders.trie, TokenTrie::kNone, follow, [&](std::span<const uint32_t> values) {
        for (const uint32_t v : values) {
          const auto& exit = remainders.exits[v];
          if (counted && (exit.count < room.to_min || exit.count > room.to_max)) continue;
          if (t != table.get() && table->Overrides(exit.token)) continue;
          if (!captures || !dead(exit.token)) ids->push_back(static_cast<int32_t>(exit.token));
        }
        return true;
      });
    }
  }
}

std::shared_ptr<const TokenBitmap> CompiledGrammar::WithoutForbidden(
    ConfigStore& store, const ConfigStore::Member& member,
    std::shared_ptr<const TokenBitmap> inside, const std::function<bool(uint32_t)>& dead) {
  const TokenTrie& trie = vocabulary_->trie();
  std::shared_ptr<TokenBitmap> own;
  for (const std::string& rest : store.Forbidden(member)) {
    uint32_t node = TokenTrie::kNone;
    for (const char c : rest) {
      node = trie.Child(node, static_cast<uint8_t>(c));
      if (node == TokenTrie::kNone) break;
      for (const uint32_t token : trie.ValuesAt(node)) {
        if (!TestBit(inside->words, token) || !dead(token)) continue;
        if (!own) own = std::make_shared<TokenBitmap>(*inside);
        own->Remove(token);
      }
    }
  }
  if (!own) return inside;
  return own;
}

std::shared_ptr<const MaskEntry> CompiledGrammar::BuildMask(ConfigStore& store, uint32_t config) {
  std::vector<std::shared_ptr<const TokenBitmap>> bases;
  std::vector<int32_t> ids;
  if (store.complete(config)) {
    const auto eos = vocabulary_->tokenizer().eos_ids();
    ids.assign(eos.begin(), eos.end());
  }
  // A token is allowed when one member allows it, so members are taken apart: those inside of a
  // lexeme use its table, the rest walk the trie together.
  const auto span = store.members(config);
  const std::vector<ConfigStore::Member> members(span.begin(), span.end());
  std::vector<ConfigStore::Member> walked;
  for (const ConfigStore::Member& m : members) {
    if (m.state == ConfigStore::kCompleteState) continue;
    if (program_.HasTokenEdges(m.state)) AddTokenEdges(m, &bases, &ids);
    if (UsesTable(m.state)) {
      AddLexemeMember(store, m, &bases, &ids);
    } else {
      walked.push_back(m);
    }
  }
  if (!walked.empty()) {
    const uint32_t part = walked.size() == members.size() ? config : store.Intern(&walked);
    Walk(store, vocabulary_->trie(), TokenTrie::kNone, part, [&](std::span<const uint32_t> tokens) {
      ids.insert(ids.end(), tokens.begin(), tokens.end());
      return true;
    });
  }
  std::sort(ids.begin(), ids.end());
  ids.erase(std::unique(ids.begin(), ids.end()), ids.end());

  auto entry = std::make_shared<MaskEntry>();
  entry->memory_bytes = sizeof(MaskEntry);
  if (bases.size() == 1 && ids.size() <= kMaxExtra) {
    entry->base = bases.front();
  } else if (!bases.empty() || ids.size() > kMaxExtra) {
    auto own = std::make_shared<TokenBitmap>();
    own->words.assign(vocabulary_->num_words(), 0);
    for (const auto& base : bases) {
      for (size_t i = 0; i < own->words.size(); ++i) own->words[i] |= base->words[i];
    }
    for (const int32_t id : ids) SetBit(&own->words, static_cast<uint32_t>(id));
    ids.clear();
    own->Recount();
    entry->memory_bytes += own->words.size() * 4 + sizeof(TokenBitmap);
    entry->base = std::move(own);
  }
  if (entry->base) {
    std::erase_if(
        ids, [&](int32_t id) { return TestBit(entry->base->words, static_cast<uint32_t>(id)); });
  }
  entry->extra.assign(ids.begin(), ids.end());
  entry->memory_bytes += entry->extra.size() * sizeof(int32_t);
  return entry;
}

void CompiledGrammar::AddTokenEdges(const ConfigStore::Member& member,
                                    std::vector<std::shared_ptr<const TokenBitmap>>* bases,
                                    std::vector<int32_t>* ids) {
  const auto end = static_cast<uint32_t>(vocabulary_->tokenizer().vocab_size());
  for (const Program::TokenEdge& e : program_.TokenEdges(member.state)) {
    const uint32_t hi = std::min(e.hi, end - 1);
    if (e.lo > hi) continue;
    if (hi - e.lo < kMaxExtra / 4) {
      for (uint32_t id = e.lo; id <= hi; ++id) ids->push_back(static_cast<int32_t>(id));
      continue;
    }
    auto range = std::make_shared<TokenBitmap>();
    range->words.assign(vocabulary_->num_words(), 0);
    for (uint32_t id = e.lo; id <= hi; ++id) SetBit(&range->words, id);
    range->Recount();
    bases->push_back(std::move(range));
  }
}

int32_t CompiledGrammar::ForcedTokenId(ConfigStore& store, uint32_t config) {
  if (!store.HasTokenMoves(config) || store.complete(config) || store.Live(config) != ByteSet{})
    return -1;
  int32_t forced = -1;
  for (const ConfigStore::Member& m : store.members(config)) {
    for (const Program::TokenEdge& e : program_.TokenEdges(m.state)) {
      if (e.lo != e.hi || (forced >= 0 && e.lo != static_cast<uint32_t>(forced))) return -1;
      forced = static_cast<int32_t>(e.lo);
    }
  }
  return forced < vocabulary_->tokenizer().vocab_size() ? forced : -1;
}

std::string CompiledGrammar::ForcedBytes(ConfigStore& store, uint32_t config, size_t max_bytes) {
  std::string bytes;
  while (bytes.size() < max_bytes) {
    const int byte = store.ForcedByte(config);
    if (byte < 0) break;
    bytes.push_back(static_cast<char>(byte));
    config = store.Step(config, static_cast<uint8_t>(byte));
  }
  return bytes;
}

bool CompiledGrammar::CanExtend(ConfigStore& store, uint32_t end, std::string_view text) {
  const TokenTrie& trie = vocabulary_->trie();
  uint32_t node = TokenTrie::kNone;
  for (const char c : text) {
    node = trie.Child(node, static_cast<uint8_t>(c));
    if (node == TokenTrie::kNone) return false;
  }
  bool found = false;
  Walk(store, trie, node, end, [&](std::span<const uint32_t>) {
    found = true;
    return false;
  });
  return found;
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
  size_t kept = tokens.size();
  size_t first_checked = tokens.size() > kExtendWindow ? tokens.size() - kExtendWindow : 0;
  size_t offset = 0;
  for (size_t i = 0; i < tokens.size(); ++i) {
    if (i >= first_checked && CanExtend(store, end, std::string_view(forced).substr(offset))) {
      kept = i;
      break;
    }
    offset += tokenizer.TokenBytes(tokens[i]).size();
  }
  tokens.resize(kept);
  return tokens;
}

}  // namespace diecast
