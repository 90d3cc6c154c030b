// Follows a compiled grammar over a model's tokens: which tokens may come next, what is forced,
// what was accepted.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace diecast {

class Tokenizer;

/// The tokens allowed next: a bitmap shared by many configurations (nothing is copied) plus a few
/// ids besides it. Inside a string the base holds tens of thousands of tokens; between strings
/// there is usually no base and only a list.
struct TokenMask {
  /// ceil(vocab_size / 32) words, bit i % 32 of word i / 32 is 1 when token i is allowed; nullptr
  /// when `extra` is all there is.
  const uint32_t* base = nullptr;
  size_t num_words = 0;
  /// Ids allowed besides the base, ascending and disjoint from it.
  std::span<const int32_t> extra;
  int32_t num_allowed = 0;
  bool cold = false;                  ///< computed by this call rather than found in the memo
  std::shared_ptr<const void> owner;  ///< keeps base and extra alive

  bool Allows(int32_t id) const;
  /// Writes the whole mask as a bitmap of num_words words.
  void CopyTo(uint32_t* words) const;
};

/// Everything about a tokenizer that grammars share: token trie, lexeme bitmaps, mask arena. One
/// per tokenizer and process. Thread-safe.
class Vocabulary;
std::shared_ptr<Vocabulary> CreateVocabulary(std::shared_ptr<const Tokenizer> tokenizer,
                                             int32_t vocab_size);

/// An immutable grammar program bound to a vocabulary, with the memo of configurations that its
/// matchers share. Thread-safe.
class CompiledGrammar;
/// Checks every index of `program` (src/fsm/program-layout.ts); throws Error{kGrammarInvalid}.
std::shared_ptr<CompiledGrammar> LoadGrammar(std::shared_ptr<Vocabulary> vocabulary,
                                             std::span<const uint8_t> program);
/// Bytes held by a grammar: the program and its memo.
size_t GrammarMemoryBytes(const CompiledGrammar& grammar);
/// Bytes that the memo may hold before it is dropped and rebuilt; results never depend on it.
void SetGrammarMemoBudget(CompiledGrammar& grammar, size_t bytes);

/// What masks that are not in the memo may cost.
struct MaskBudget {
  std::chrono::nanoseconds each;  ///< one mask, at most
  std::chrono::nanoseconds all;   ///< what is left for all of them
};

/// Makes a mask that takes long; see mask_job.h.
class MaskJob;

/// One request's cursor. Cheap to create and to copy; a copy is a fork. What it is asked throws
/// Error{kGrammarTooLarge}, changing nothing, where the grammar is too ambiguous to be followed: in
/// too many ways at once, or with more work than Pace::kMostOfStep.
/// Thread: not thread-safe itself, but many matchers of one grammar may run in parallel.
class Matcher {
 public:
  explicit Matcher(std::shared_ptr<CompiledGrammar> grammar);
  ~Matcher();
  Matcher(const Matcher&);
  Matcher(Matcher&&) noexcept;
  Matcher& operator=(const Matcher&);
  Matcher& operator=(Matcher&&) noexcept;

  /// Consumes one token. An EOS id is accepted when the text is complete and terminates the
  /// matcher. Returns false, changing nothing, when the grammar does not allow the token.
  bool AcceptToken(int32_t id);
  /// Consumes bytes as one rollback step. Returns how many bytes were accepted; when fewer than
  /// given, nothing changes.
  size_t AcceptBytes(std::string_view bytes);

  /// The tokens allowed next, EOS ids included when the text may end here.
  TokenMask NextTokenMask();
  /// The same, or nothing where the budget does not suffice.
  std::optional<TokenMask> NextTokenMask(MaskBudget* budget);
  /// The same, or what makes it: one of `known` if it does, else a job of its own. The job refers
  /// to nothing of this matcher, which may move on or go away.
  std::variant<TokenMask, std::shared_ptr<MaskJob>> NextTokenMaskOrJob(
      MaskBudget* budget, std::span<const std::weak_ptr<MaskJob>> known);

  /// Whether the text so far is a full sentence of the grammar.
  bool IsComplete() const;
  /// Whether nothing but EOS may follow (complete, and no byte can extend it), or EOS was accepted.
  bool IsTerminated() const;

  /// Bytes that must come next: the longest chain of positions with a single possible byte. Empty
  /// when there is a choice or the text may end here. At most `max_bytes`, and fewer where the
  /// grammar is so ambiguous that to find them takes long.
  std::string ForcedBytes(size_t max_bytes = 4096) const;
  /// Canonical tokens of the forced text, to be appended after `context` (the ids before it, prompt
  /// included; only the last few matter). Never crosses a point where the model could choose:
  /// trailing tokens that an allowed vocabulary token could extend past the end of the forced text
  /// are left out. Does not consume; the caller appends and accepts them.
  std::vector<int32_t> ForcedTokens(std::span<const int32_t> context) const;

  /// What was chosen most often in this grammar's requests where this matcher stands.
  struct Habit {
    int32_t id = -1;  ///< -1: nothing is known
    float share = 0;  ///< [0, 1) of the choices
  };
  Habit HabitualToken() const;
  /// Remembers that `id` was chosen here; before it is accepted.
  void RememberChoice(int32_t id);

  /// Undoes the last `steps` accepted tokens (or AcceptBytes calls).
  void Rollback(int32_t steps);
  int32_t num_steps() const;
  void Reset();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

/// Feeds `ids` one by one, timing mask and commit together (the MaskBench protocol); microseconds
/// go to `micros` (as long as ids). `cold` (as long, may be null) becomes 1 where the mask was
/// computed rather than found. Returns how many ids were accepted; the refused one, if any, is
/// timed too.
size_t TimeMatcherTokens(Matcher& matcher, std::span<const int32_t> ids, double* micros,
                         uint8_t* cold);

}  // namespace diecast
