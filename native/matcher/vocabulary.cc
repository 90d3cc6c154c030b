#include "native/matcher/vocabulary.h"

#include <algorithm>

#include "native/error.h"
#include "native/matcher/lexeme_table.h"
#include "native/matcher/matcher.h"

namespace diecast {
namespace {

/// Tables kept for lexemes to come.
constexpr size_t kMaxStateTableBytes = size_t{256} << 20;
/// Shared lexemes kept: far more than there are, were it not for hostile programs.
constexpr size_t kMaxSharedLexemes = 4096;
/// Answers kept about how tokens are cut.
constexpr size_t kMaxCrossings = 65536;
/// Unions kept: 16 KB each with 128,000 tokens.
constexpr size_t kMaxUnions = 4096;

}  // namespace

Vocabulary::Vocabulary(std::shared_ptr<const Tokenizer> tokenizer, int32_t vocab_size)
    : tokenizer_(std::move(tokenizer)),
      vocab_size_(vocab_size == 0 ? tokenizer_->vocab_size() : vocab_size) {
  if (vocab_size_ < tokenizer_->vocab_size()) {
    throw Error(ErrorCode::kInvalidArgument, "vocabulary size " + std::to_string(vocab_size_) +
                                                 " is below the tokenizer's " +
                                                 std::to_string(tokenizer_->vocab_size()));
  }
  std::vector<std::pair<std::string_view, uint32_t>> entries;
  std::vector<uint32_t> text_tokens;
  entries.reserve(static_cast<size_t>(tokenizer_->vocab_size()));
  for (int32_t id = 0; id < tokenizer_->vocab_size(); ++id) {
    if (tokenizer_->IsSpecial(id) || IsEos(id)) continue;
    if (tokenizer_->TokenBytes(id).empty()) continue;
    entries.emplace_back(tokenizer_->TokenBytes(id), static_cast<uint32_t>(id));
    text_tokens.push_back(static_cast<uint32_t>(id));
  }
  trie_ = TokenTrie::Build(std::move(entries));
  classes_ = std::make_unique<TokenClasses>(*tokenizer_, text_tokens, num_words());
  for (uint32_t i = 0; i < trie_.size(); i = trie_.node(i).subtree_end) {
    if (!trie_.ValuesAt(i).empty()) Insert(&producible_, trie_.node(i).byte);
  }
}

bool Vocabulary::IsEos(int32_t id) const {
  const auto eos = tokenizer_->eos_ids();
  return std::find(eos.begin(), eos.end(), id) != eos.end();
}

std::shared_ptr<LexemeTable> Vocabulary::Lexeme(const Program& program, uint32_t rule) {
  LexemeAutomaton automaton(program, rule);
  if (!program.rules()[rule].shared())
    return std::make_shared<LexemeTable>(std::move(automaton), *this);
  std::string shape = LexemeAutomaton::Shape(program, rule);
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (const auto it = lexemes_.find(shape); it != lexemes_.end()) return it->second;
  }
  automaton.Detach();
  auto table = std::make_shared<LexemeTable>(std::move(automaton), *this);
  const std::lock_guard<std::mutex> lock(mutex_);
  if (lexemes_.size() >= kMaxSharedLexemes) lexemes_.clear();  // those in use live on
  return lexemes_.emplace(std::move(shape), std::move(table)).first->second;  // the first one made
}

std::shared_ptr<StateTable> Vocabulary::FindStateTable(const std::string& future) {
  const std::lock_guard<std::mutex> lock(state_mutex_);
  const auto it = state_tables_.find(future);
  return it == state_tables_.end() ? nullptr : it->second;
}

void Vocabulary::AddStateTable(const std::string& future,
                               const std::shared_ptr<StateTable>& table) {
  const std::lock_guard<std::mutex> lock(state_mutex_);
  state_table_bytes_ += table->memory_bytes() + future.size();
  if (state_table_bytes_ > kMaxStateTableBytes) {  // those in use live on with their lexemes
    state_tables_.clear();
    state_table_bytes_ = table->memory_bytes() + future.size();
  }
  state_tables_.emplace(future, table);
}

std::shared_ptr<const std::vector<uint32_t>> Vocabulary::Crossing(std::string_view before,
                                                                  int32_t usual, uint32_t node) {
  const std::tuple key(std::string(before), usual, node);
  const std::lock_guard<std::mutex> lock(crossing_mutex_);
  if (const auto it = crossing_.find(key); it != crossing_.end()) return it->second;
  const size_t depth = trie_.node(node).depth;
  auto crossing = std::make_shared<std::vector<uint32_t>>();
  std::string text;
  for (const uint32_t longer : trie_.ValuesUnder(node)) {
    const auto bytes = tokenizer_->TokenBytes(static_cast<int32_t>(longer));
    if (bytes.size() == depth) continue;  // ends with the forced text
    text.assign(before).append(bytes);
    const std::vector<int32_t> ids = tokenizer_->Encode(text, false);
    size_t at = 0;
    for (size_t i = 0; i < ids.size() && at < before.size(); ++i)
      at += tokenizer_->TokenBytes(ids[i]).size();
    if (at == before.size() && ids.front() != usual) crossing->push_back(longer);
  }
  if (crossing_.size() >= kMaxCrossings) crossing_.clear();
  crossing_.emplace(key, crossing);
  return crossing;
}

std::shared_ptr<const TokenBitmap> Vocabulary::Union(Bitmaps bitmaps) {
  std::sort(bitmaps.begin(), bitmaps.end());
  const std::lock_guard<std::mutex> lock(union_mutex_);
  if (const auto it = unions_.find(bitmaps); it != unions_.end()) return it->second;
  auto all = std::make_shared<TokenBitmap>();
  all->words.assign(num_words(), 0);
  for (const auto& bitmap : bitmaps) {
    for (size_t i = 0; i < all->words.size(); ++i) all->words[i] |= bitmap->words[i];
  }
  all->Recount();
  if (unions_.size() >= kMaxUnions) unions_.clear();
  unions_.emplace(std::move(bitmaps), all);
  return all;
}

std::shared_ptr<Vocabulary> CreateVocabulary(std::shared_ptr<const Tokenizer> tokenizer,
                                             int32_t vocab_size) {
  return std::make_shared<Vocabulary>(std::move(tokenizer), vocab_size);
}

}  // namespace diecast
