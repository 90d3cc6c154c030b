#include "native/matcher/mask_builder.h"

#include <algorithm>
#include <bit>
#include <string_view>
#include <tuple>

namespace diecast {
namespace {

/// Beyond this many single ids a bitmap is smaller and faster.
constexpr size_t kMaxExtra = 1024;

}  // namespace

MaskBuilder::MaskBuilder(Vocabulary& vocabulary, const Program& program, ProgramLexemes& lexemes)
    : vocabulary_(vocabulary),
      program_(program),
      lexemes_(lexemes),
      ids_(static_cast<size_t>(vocabulary.vocab_size())) {}

std::shared_ptr<const MaskEntry> MaskBuilder::Build(ConfigStore& store, uint32_t config,
                                                    Pace& pace) {
  const ConfigStore::PaceScope scope(&store, &pace);
  pace_ = &pace;
  return Make(store, config);
}

bool MaskBuilder::IsAnyAlive(ConfigStore& store, uint32_t parent, ConfigStore::Items items,
                             Pace& pace) {
  const ConfigStore::PaceScope scope(&store, &pace);
  pace_ = &pace;
  bool found = false;
  Walk<false>(store, vocabulary_.trie(), parent, items, [&](std::span<const uint32_t>) {
    found = true;
    return false;
  });
  return found;
}

bool MaskBuilder::IsSafe(ConfigStore& store, const TokenTrie& trie, uint32_t node, Level* level) {
  if (!level->asked) {
    level->asked = true;
    level->safe = nullptr;
    for (const ConfigStore::Item& m : level->items) {
      if (!lexemes_.UsesTable(m.state) || m.at_risk() || program_.has_scarce_unique()) continue;
      const uint32_t rule_index = program_.RuleIndexOf(m.state);
      const Program::Rule& rule = program_.rules()[rule_index];
      uint32_t max_safe = SafeCharacters::kUnlimited;
      if (rule.counted()) {
        const auto [to_max, to_min] = store.RoomOf(m.state, m.reg);
        const auto [min, max] = program_.DistanceOf(m.state);
        if (to_max < min || (max != layout::kInfinityWord && to_min > max)) continue;
        max_safe = to_max - min;
      }
      const auto& safe =
          lexemes_.TableOf(rule_index, *pace_).SafeFrom(m.state - rule.first_state, *pace_);
      level->safe = &safe;
      level->max_safe = std::min(max_safe, safe.depth);
      break;
    }
  }
  return level->safe != nullptr && trie.AllWithin(node, level->safe->bytes, level->max_safe);
}

template <bool kUsesTables, typename Visit>
void MaskBuilder::Walk(ConfigStore& store, const TokenTrie& trie, uint32_t parent,
                       ConfigStore::Items items, Visit&& visit) {
  if (trie.size() == 0 || items.empty()) return;
  const uint32_t base = parent == TokenTrie::kNone ? 0 : trie.node(parent).depth;
  if (levels_.size() <= trie.max_depth()) levels_.resize(size_t{trie.max_depth()} + 1);
  levels_[0].items.assign(items.begin(), items.end());
  levels_[0].may_follow = store.MayFollow(items, &levels_[0].exact);
  levels_[0].asked = false;
  // One first byte after the other, each with its whole subtree.
  ByteSet first = levels_[0].may_follow;
  for (size_t w = 0; w < first.size(); ++w) {
    for (; first[w] != 0; first[w] &= first[w] - 1) {
      const auto byte =
          static_cast<uint8_t>(w * 64 + static_cast<size_t>(std::countr_zero(first[w])));
      const uint32_t root = trie.Child(parent, byte);
      if (root == TokenTrie::kNone) continue;
      const uint32_t end = trie.node(root).subtree_end;
      for (uint32_t i = root; i < end;) {
        pace_->Tick();
        const TokenTrie::Node& node = trie.node(i);
        Level& from = levels_[node.depth - base - 1];
        if (!Contains(from.may_follow, node.byte)) {
          i = node.subtree_end;
          continue;
        }
        if (node.subtree_end == i + 1) {  // nothing below: being alive is all that matters
          if ((from.exact || store.CanStep(from.items, node.byte)) && !visit(trie.ValuesAt(i)))
            return;
          ++i;
          continue;
        }
        if (kUsesTables && node.subtree_end - i >= TokenTrie::kWorthAsking &&
            IsSafe(store, trie, i, &from)) {
          if (!visit(trie.ValuesUnder(i))) return;
          i = node.subtree_end;
          continue;
        }
        Level& to = levels_[node.depth - base];
        if (!store.StepItems(from.items, node.byte, &to.items)) {
          i = node.subtree_end;
          continue;
        }
        to.may_follow = store.MayFollow(to.items, &to.exact);
        to.asked = false;
        if (const auto values = trie.ValuesAt(i); !values.empty() && !visit(values)) return;
        ++i;
      }
    }
  }
}

const MaskBuilder::LiteralTokens& MaskBuilder::TokensAt(uint32_t position) {
  if (const uint32_t known = literals_.Get(position); known != FlatMap::kNone)
    return literal_tokens_[known];
  const TokenTrie& trie = vocabulary_.trie();
  LiteralTokens tokens{static_cast<uint32_t>(literal_ids_.size()), 0, TokenTrie::kNone, position};
  uint32_t node = TokenTrie::kNone;
  bool inside = true;  // the vocabulary has longer tokens along the literal
  for (uint32_t at = position; program_.IsLiteralPosition(at); at = program_.LiteralNext(at)) {
    pace_->Tick();
    tokens.target = program_.LiteralNext(at);
    if (!inside) continue;
    node = trie.Child(node, program_.LiteralByte(at));
    if (node == TokenTrie::kNone) {
      inside = false;
      continue;
    }
    const auto values = trie.ValuesAt(node);
    literal_ids_.insert(literal_ids_.end(), values.begin(), values.end());
  }
  if (inside && trie.node(node).subtree_end > node + 1) tokens.beyond = node;
  tokens.count = static_cast<uint32_t>(literal_ids_.size()) - tokens.first;
  literals_.Put(position, static_cast<uint32_t>(literal_tokens_.size()));
  literal_tokens_.push_back(tokens);
  return literal_tokens_.back();
}

void MaskBuilder::AddLiteral(ConfigStore& store, const ConfigStore::Item& item, uint32_t position) {
  const LiteralTokens& tokens = TokensAt(position);
  AddIds(std::span(literal_ids_).subspan(tokens.first, tokens.count));
  if (tokens.beyond == TokenTrie::kNone) return;
  store.AfterLiteral(item, tokens.target, &after_);
  Walk(store, vocabulary_.trie(), tokens.beyond, after_, [&](std::span<const uint32_t> values) {
    AddIds(values);
    return true;
  });
}

void MaskBuilder::Bitmaps::Add(std::shared_ptr<const TokenBitmap> bitmap) {
  if (bitmap->count != 0 && std::find(list.begin(), list.end(), bitmap) == list.end())
    list.push_back(std::move(bitmap));
}

void MaskBuilder::AddLexemeItems(ConfigStore& store, ConfigStore::Items items, Bitmaps* bitmaps) {
  const ConfigStore::Item& item = items.front();
  const uint32_t rule_index = program_.RuleIndexOf(item.state);
  const Program::Rule& rule = program_.rules()[rule_index];
  const ConfigStore::Room room = store.RoomOf(item.state, item.reg);
  const LexemeTable::Entry& entry =
      lexemes_.TableOf(rule_index, *pace_).EntryOf(item.state - rule.first_state, *pace_);
  const auto of_table =
      rule.counted() ? entry.table->Inside({room.to_max, room.to_min}, *pace_) : entry.inside;
  // A text that must differ from those seen: tokens that complete one of them, or leave no way
  // around it, are taken out.
  const auto rests = store.Forbidden(item);
  auto inside = rests.empty() ? of_table : WithoutForbidden(store, item, of_table, rests);
  bitmaps->shared &= inside == of_table;
  bitmaps->Add(std::move(inside));

  after_.clear();
  bool any_captures = false;
  bool knows_ends = true;  // the walk's tokens that end a text, end one that is not forbidden
  uint32_t captured = layout::kInfinityWord;
  for (const ConfigStore::Item& m : items) {
    store.Return(m.stack, &after_one_);
    after_.insert(after_.end(), after_one_.begin(), after_one_.end());
    if (!m.captures()) continue;
    any_captures = true;
    captured = std::min(captured, store.CapturedLength(m));
    knows_ends &= store.EndsCapture(m) || !m.at_risk();
  }
  const auto allowed = [&](uint32_t token, uint32_t offset) {
    if (!any_captures) return true;
    const auto bytes = vocabulary_.tokenizer().TokenBytes(static_cast<int32_t>(token));
    const std::string_view end = bytes.substr(0, offset);
    const std::string_view rest = bytes.substr(offset);
    // The walk does not know the text that ends here. That matters to a token which completes the
    // same text again.
    bool exact = knows_ends;
    if (exact && rest.size() > captured + end.size()) {
      for (const ConfigStore::Item& m : items) {
        if (m.captures() && rest.find(store.CapturedText(m).append(end)) != std::string_view::npos)
          exact = false;
      }
    }
    if (!exact) return store.CanStepAll(items, bytes);
    return !std::binary_search(rests.begin(), rests.end(), end);
  };
  const ByteSet may_follow = store.MayFollow(after_, nullptr);
  for (const auto& exit : entry.exits) {
    const auto bytes = vocabulary_.tokenizer().TokenBytes(static_cast<int32_t>(exit.token));
    const auto rest = bytes.substr(exit.offset);
    if (Contains(may_follow, static_cast<uint8_t>(rest[0])) && store.CanStepAll(after_, rest) &&
        allowed(exit.token, exit.offset)) {
      ids_.Add(exit.token);
    }
  }
  for (size_t w = 0; w < may_follow.size(); ++w) {
    for (uint64_t bits = may_follow[w]; bits != 0; bits &= bits - 1) {
      const auto byte = static_cast<uint8_t>(w * 64 + static_cast<size_t>(std::countr_zero(bits)));
      const auto& remainders = entry.table->RemaindersFrom(byte, *pace_);
      if (remainders.exits.empty()) continue;
      const auto visit = [&](std::span<const uint32_t> values) {
        for (const uint32_t v : values) {
          const auto& exit = remainders.exits[v];
          if (rule.counted() && (exit.count < room.to_min || exit.count > room.to_max)) continue;
          if (!entry.Overrides(exit.token) && allowed(exit.token, exit.offset))
            ids_.Add(exit.token);
        }
        return true;
      };
      Walk(store, remainders.trie, TokenTrie::kNone, after_, visit);
    }
  }
}

std::shared_ptr<const TokenBitmap> MaskBuilder::WithoutForbidden(
    ConfigStore& store, const ConfigStore::Item& item, std::shared_ptr<const TokenBitmap> inside,
    const std::vector<std::string_view>& rests) {
  const TokenTrie& trie = vocabulary_.trie();
  std::shared_ptr<TokenBitmap> own;
  std::string_view previous;
  std::vector<uint32_t> path;                  // trie nodes along `previous`
  std::vector<ConfigStore::ItemSet> steps(1);  // the items after as many bytes
  steps[0].push_back(item);
  for (const std::string_view rest : rests) {
    // In order, so that what was looked at along a common prefix need not be looked at again.
    const auto differs = std::mismatch(previous.begin(), previous.end(), rest.begin(), rest.end());
    const auto common = static_cast<size_t>(differs.first - previous.begin());
    previous = rest;
    if (path.size() < common) continue;  // the vocabulary has no such long token
    path.resize(common);
    for (size_t i = common; i < rest.size(); ++i) {
      const auto byte = static_cast<uint8_t>(rest[i]);
      const uint32_t node = trie.Child(path.empty() ? TokenTrie::kNone : path.back(), byte);
      if (node == TokenTrie::kNone) break;
      path.push_back(node);
      if (steps.size() <= i + 1) steps.resize(i + 2);
      if (store.StepItems(steps[i], byte, &steps[i + 1])) continue;
      for (const uint32_t token : trie.ValuesAt(node)) {
        if (!inside->Has(token)) continue;
        if (!own) own = std::make_shared<TokenBitmap>(*inside);
        own->Remove(token);
      }
    }
  }
  if (!own) return inside;
  return own;
}

std::shared_ptr<const MaskEntry> MaskBuilder::Make(ConfigStore& store, uint32_t config) {
  Bitmaps bitmaps;
  // A token is allowed when one item allows it, so items are taken apart: those inside of a lexeme
  // use its table, those at literals a list, the rest walk the trie together.
  std::vector<int32_t> extra;
  ids_.Take(nullptr, &extra);  // what a mask that failed has left
  store.Close(store.items(config), &closed_);
  walked_.clear();
  in_tables_.clear();
  for (const ConfigStore::Item& m : closed_) {
    if (m.state == ConfigStore::kCompleteState) {
      for (const int32_t eos : vocabulary_.tokenizer().eos_ids())
        ids_.Add(static_cast<uint32_t>(eos));
      continue;
    }
    if (program_.HasTokenEdges(m.state)) AddTokenEdges(m, &bitmaps);
    if (program_.IsLiteralPosition(m.state)) {
      if (m.captures()) {
        walked_.push_back(m);
      } else {
        AddLiteral(store, m, m.state);
      }
    } else if (lexemes_.UsesTable(m.state) || (m.captures() && program_.RuleOf(m.state).lexeme())) {
      in_tables_.push_back(m);
    } else if (m.captures() || !program_.ByteEdges(m.state).empty()) {
      walked_.push_back(m);
    } else {
      for (const Program::LiteralEdge& e : program_.LiteralEdges(m.state)) {
        if (store.Admits(e.target, m.reg)) AddLiteral(store, m, program_.num_states() + e.offset);
      }
    }
  }
  // Alternatives with a common prefix stand in the same lexeme state.
  const auto key = [](const ConfigStore::Item& m) {
    return std::tuple(m.state, m.reg, m.at_risk());
  };
  std::sort(in_tables_.begin(), in_tables_.end(),
            [&](const auto& a, const auto& b) { return key(a) < key(b); });
  for (size_t i = 0, end; i < in_tables_.size(); i = end) {
    for (end = i + 1; end < in_tables_.size(); ++end) {
      if (in_tables_[end].at_risk() || key(in_tables_[end]) != key(in_tables_[i])) break;
    }
    AddLexemeItems(store, ConfigStore::Items(in_tables_).subspan(i, end - i), &bitmaps);
  }
  if (!walked_.empty()) {
    Walk(store, vocabulary_.trie(), TokenTrie::kNone, walked_,
         [&](std::span<const uint32_t> tokens) {
           AddIds(tokens);
           return true;
         });
  }

  auto entry = std::make_shared<MaskEntry>();
  entry->memory_bytes = sizeof(MaskEntry);
  if (bitmaps.list.size() == 1) {
    entry->base = std::move(bitmaps.list.front());
  } else if (!bitmaps.list.empty() && bitmaps.shared) {
    entry->base = vocabulary_.Union(std::move(bitmaps.list));
  } else if (!bitmaps.list.empty()) {
    entry->base = OwnBitmap(bitmaps.list, {}, entry.get());
  }
  ids_.Take(entry->base.get(), &extra);
  if (extra.size() > kMaxExtra) {
    bitmaps.list.clear();
    if (entry->base) bitmaps.list.push_back(entry->base);
    entry->base = OwnBitmap(bitmaps.list, extra, entry.get());
    extra.clear();
  }
  if (program_.has_token_limits()) LeaveOutCut(store, config, entry.get(), &extra);
  entry->extra.assign(extra.begin(), extra.end());
  entry->memory_bytes += entry->extra.size() * sizeof(int32_t);
  return entry;
}

void MaskBuilder::LeaveOutCut(ConfigStore& store, uint32_t config, MaskEntry* entry,
                              std::vector<int32_t>* extra) {
  // A rule that is entered inside of a token may end with the same token.
  bool may_end = program_.least_token_limit() == 1;
  for (const ConfigStore::Item& m : closed_) may_end |= store.IsLastToken(m);
  if (!may_end) return;
  const auto is_alive = [&](int32_t id) {
    return store.StepToken(config, id, vocabulary_.tokenizer().TokenBytes(id)) !=
           ConfigStore::kDead;
  };
  std::shared_ptr<TokenBitmap> own;
  for (const uint32_t token : vocabulary_.classes().cut_characters()) {
    const auto id = static_cast<int32_t>(token);
    if (!entry->base || !entry->base->Has(token) || is_alive(id)) continue;
    if (!own) {
      own = std::make_shared<TokenBitmap>(*entry->base);
      entry->memory_bytes += own->words.size() * 4 + sizeof(TokenBitmap);
    }
    own->Remove(token);
  }
  if (own) entry->base = std::move(own);
  std::erase_if(*extra, [&](int32_t id) {
    const auto& cut = vocabulary_.classes().cut_characters();
    return std::binary_search(cut.begin(), cut.end(), static_cast<uint32_t>(id)) && !is_alive(id);
  });
}

std::shared_ptr<const TokenBitmap> MaskBuilder::OwnBitmap(const Vocabulary::Bitmaps& bitmaps,
                                                          std::span<const int32_t> ids,
                                                          MaskEntry* entry) {
  auto own = std::make_shared<TokenBitmap>();
  own->words.assign(vocabulary_.num_words(), 0);
  for (const auto& bitmap : bitmaps) {
    for (size_t i = 0; i < own->words.size(); ++i) own->words[i] |= bitmap->words[i];
  }
  for (const int32_t id : ids) SetBit(&own->words, static_cast<uint32_t>(id));
  own->Recount();
  entry->memory_bytes += own->words.size() * 4 + sizeof(TokenBitmap);
  return own;
}

void MaskBuilder::AddTokenEdges(const ConfigStore::Item& item, Bitmaps* bitmaps) {
  const auto end = static_cast<uint32_t>(vocabulary_.tokenizer().vocab_size());
  for (const Program::TokenEdge& e : program_.TokenEdges(item.state)) {
    const uint32_t hi = std::min(e.hi, end - 1);
    if (e.lo > hi) continue;
    if (hi - e.lo < kMaxExtra / 4) {
      for (uint32_t id = e.lo; id <= hi; ++id) ids_.Add(id);
      continue;
    }
    auto range = std::make_shared<TokenBitmap>();
    range->words.assign(vocabulary_.num_words(), 0);
    for (uint32_t id = e.lo; id <= hi; ++id) SetBit(&range->words, id);
    range->Recount();
    bitmaps->shared = false;
    bitmaps->Add(std::move(range));
  }
}

}  // namespace diecast
