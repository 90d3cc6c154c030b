// Configurations: the sets of places at which a grammar program can stand after some text.
//
// An item is (stack, state, register, text): a state of a rule's automaton, the calls to return
// from, the rule's counter, and the text being captured. A configuration holds the items that the
// last byte led to and no more: what they can call or return to is looked up when a byte comes, and
// then only as far as that byte goes (as an LR parser keeps kernels, not closures). Stacks are
// linked nodes, shared and interned; configurations are interned sorted sets of items, so equal
// situations have equal ids, and rollback and fork are copies of ids.
//
// A configuration's *class* abstracts from counters whatever no single token can feel (200 or 300
// items short of the limit are the same): masks are kept by class.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "native/matcher/intern_table.h"
#include "native/matcher/mask.h"
#include "native/matcher/pace.h"
#include "native/matcher/program.h"
#include "native/matcher/registers.h"

namespace diecast {

/// Not thread-safe: the grammar's lock guards it.
class ConfigStore {
 public:
  static constexpr uint32_t kDead = 0;
  /// State of the item that marks a complete text.
  static constexpr uint32_t kCompleteState = 0xffffffff;
  static constexpr uint32_t kBottom = 0;
  /// Set in an item's text that no text seen before starts with: it can no longer become one.
  static constexpr uint32_t kFresh = 0x80000000;

  struct Item {
    uint32_t stack;
    uint32_t state;
    uint32_t
        reg;  ///< the rule's counter; with registers its record's id and a slot still to be marked
    uint32_t text;  ///< what the innermost UNIQUE call has consumed so far, with kFresh;
                    ///< RegisterStore::kNoText outside of one
    bool operator==(const Item&) const = default;
    auto operator<=>(const Item&) const = default;
    uint32_t text_id() const { return text & ~kFresh; }
    bool captures() const { return text != RegisterStore::kNoText; }
    /// Whether the captured text may still become one seen before.
    bool at_risk() const { return captures() && (text & kFresh) == 0; }
  };
  using Items = std::span<const Item>;
  using ItemSet = std::vector<Item>;

  /// `max_token_bytes`: how often a counter can move within one token, at most.
  ConfigStore(const Program& program, uint32_t max_token_bytes);

  /// Has a store count its work for a while, in place of what counted it before. What is stopped
  /// leaves the store as it was, but for what it has interned.
  class PaceScope {
   public:
    PaceScope(ConfigStore* store, Pace* pace)
        : store_(store), outer_(std::exchange(store->pace_, pace)) {}
    ~PaceScope() { store_->pace_ = outer_; }
    PaceScope(const PaceScope&) = delete;
    PaceScope& operator=(const PaceScope&) = delete;

   private:
    ConfigStore* store_;
    Pace* outer_;
  };

  // What the memo knows is answered at once. Any other answer is a step's work at most by itself,
  // or throws Error{kGrammarTooLarge}: whether it does so, does not depend on what else the memo
  // knows.

  uint32_t start() const { return start_; }
  /// kDead when no item can consume the byte.
  uint32_t Step(uint32_t config, uint8_t byte);
  /// Consumes a token: its bytes (empty for a special token) or, by its id, a token edge.
  uint32_t StepToken(uint32_t config, int32_t id, std::string_view bytes);
  /// The same, or kDead where the memo does not know.
  uint32_t KnownTokenStep(uint32_t config, int32_t id) const {
    const uint32_t next = token_steps_.Get(TokenStepKey(config, id));
    return next == FlatMap::kNone ? kDead : next;
  }

  /// Stays valid as long as the store.
  Items items(uint32_t config) const { return {configs_[config].items, configs_[config].size}; }
  /// Whether the text may end here.
  bool Complete(uint32_t config);
  /// Whether some item stands at a token edge.
  bool HasTokenMoves(uint32_t config);
  /// Whether any byte can follow.
  bool HasByteMoves(uint32_t config);
  /// The only byte that can follow, or -1 when there is a choice, none, or the text may end here.
  int ForcedByte(uint32_t config);
  /// What it took to find the forced byte and follow it, in units of Pace, whenever that was. Call
  /// after ForcedByte().
  uint32_t WorkOfForced(uint32_t config) const { return configs_[config].work; }

  // Sets of items that are not worth interning: the steps of a walk.

  /// Bytes that may follow: never too few. `exact` (may be null) is set to whether all of them can.
  ByteSet MayFollow(Items items, bool* exact) const;
  /// Replaces `out` by what a byte leads to; false when nothing.
  bool StepItems(Items items, uint8_t byte, ItemSet* out);
  bool CanStep(Items items, uint8_t byte);
  /// Whether all the bytes can be consumed.
  bool CanStepAll(Items items, std::string_view bytes);
  /// The items after returning from `stack`'s call. For a UNIQUE call the text is not known here:
  /// what is allowed is a superset of the truth.
  void Return(uint32_t stack, ItemSet* out);
  /// Everything that can consume, calls entered and returns taken; the mark of a complete text
  /// among it.
  void Close(Items items, ItemSet* out);
  /// The item after the literal at which it stands (a literal position).
  void AfterLiteral(Item item, uint32_t target, ItemSet* out);

  uint32_t Intern(ItemSet* items);

  /// The rests of texts seen that an item at risk has begun, ascending: it must not complete them.
  std::vector<std::string_view> Forbidden(const Item& item);
  /// What was captured since the innermost UNIQUE call.
  std::string CapturedText(const Item& item) const;
  uint32_t CapturedLength(const Item& item) const;
  /// Whether leaving the item's rule ends the capture in progress.
  bool EndsCapture(const Item& item) const {
    return stacks_[item.stack].text_start != RegisterStore::kNoText &&
           !program_.RuleOf(item.state).uncaptured();
  }
  /// Whether a state may be entered with this register value.
  bool Admits(uint32_t state, uint32_t reg) const;

  uint32_t ClassOf(uint32_t config);
  /// Mask memo, by class.
  std::shared_ptr<const MaskEntry>& MaskOfClass(uint32_t cls);
  /// The mask, or null where the memo has none or the class is not known yet. Adds nothing.
  std::shared_ptr<const MaskEntry> KnownMask(uint32_t config) const {
    const uint32_t cls = program_.has_counters() ? configs_[config].cls : config;
    return cls < masks_.size() ? masks_[cls] : nullptr;
  }
  void NoteMaskBytes(size_t bytes) { mask_bytes_ += bytes; }

  /// Distance of an item's counter from its limits, clipped to what a token can feel.
  struct Room {
    uint32_t to_max;
    uint32_t to_min;
  };
  Room RoomOf(uint32_t state, uint32_t reg) const;

  /// Whether one token more that ends inside of the item's rule ends the rule, so that the token
  /// has to end where that is possible.
  bool IsLastToken(const Item& item) const;

  size_t memory_bytes() const;
  uint32_t num_configs() const { return static_cast<uint32_t>(configs_.size()); }

 private:
  friend class ConfigImport;
  enum class Answer : int8_t { kUnknown = -1, kNo = 0, kYes = 1 };
  struct Config {
    const Item* items;
    uint32_t size;
    uint32_t cls;    // kNone when not computed
    int16_t forced;  // kForcedUnknown when not computed
    Answer complete;
    Answer token_moves;
    uint32_t work = 0;  // of the three answers above and of following the forced byte
  };
  struct StackNode {
    uint32_t parent;
    uint32_t state;
    uint32_t reg;
    uint32_t text_start;  // of a UNIQUE call: the text before it; kNoText for other calls
    uint32_t cls;
  };
  struct ClassItem {
    uint64_t room;
    uint32_t stack_class;
    uint32_t state;
    uint32_t text;
    bool operator==(const ClassItem&) const = default;
    auto operator<=>(const ClassItem&) const = default;
  };
  static constexpr uint32_t kNone = 0xffffffff;
  /// Of what is only looked through or copied, so many words are a unit of work.
  static constexpr size_t kWordsPerUnit = 16;
  static constexpr int16_t kForcedUnknown = -2;
  // A register value is a record's id and, above it, a slot + 1 that is taken but not yet written
  // into a record: of the keys that may come next each item has taken another, and only the one
  // that does come is worth a record.
  static constexpr uint32_t kRecordBits = 20;
  static constexpr uint32_t kRecordMask = (1u << kRecordBits) - 1;
  static_assert(RegisterStore::kMaxRecords == 1u << kRecordBits &&
                Program::kMaxMarkedSlot + 1 < 1u << (32 - kRecordBits));

  /// Limits the work of one answer, and counts it.
  class StepScope {
   public:
    explicit StepScope(ConfigStore* store)
        : pace_(Pace::OfStep(store->pace_)), scope_(store, &pace_) {}
    uint32_t spent() const { return static_cast<uint32_t>(pace_.spent()); }

   private:
    Pace pace_;
    PaceScope scope_;
  };
  void Tick(size_t units = 1) const {
    if (pace_ != nullptr) pace_->Tick(units);
  }
  /// For what is mostly little, as most ticks are for masks: then it does nothing.
  void TickWords(size_t words) const {
    if (words >= kWordsPerUnit) Tick(words / kWordsPerUnit);
  }
  static uint64_t ByteStepKey(uint32_t config, uint8_t byte) {
    return uint64_t{config} << 8 | byte;
  }
  static uint64_t TokenStepKey(uint32_t config, int32_t id) {
    return uint64_t{config} << 32 | static_cast<uint32_t>(id);
  }
  uint32_t Push(uint32_t parent, uint32_t state, uint32_t reg, uint32_t text_start);
  /// The program's, kept.
  const ByteSet& FirstBytes(uint32_t state) const;
  /// What a register value says, the slot still to be marked included.
  struct RegisterView {
    uint32_t count;
    uint32_t missing;  ///< required slots untaken
    uint32_t untaken;  ///< slots untaken, unbounded in an open rule
  };
  RegisterView View(const Program::Rule& rule, uint32_t reg) const;
  /// Marks the slot that is still to be marked.
  uint32_t Settle(const Program::Rule& rule, uint32_t reg);
  /// Applies an edge's INC and MARK to `reg`; false when the slot is taken.
  bool Count(const Program::Rule& rule, bool inc, const Program::CallEdge* edge, uint32_t* reg);

  /// Items waiting to be expanded and those that were. Small closures find duplicates by scanning,
  /// large ones through an index.
  struct Closure {
    ItemSet pending;
    ItemSet visited;
    std::vector<uint64_t> slots;  // open addressing over visited: number << 32 | index
    size_t indexed = 0;           // how many of visited are in slots
    uint32_t number = 0;
  };
  /// Opens a closure of its own for a function; looking ahead may open another inside of it.
  class ClosureScope {
   public:
    explicit ClosureScope(ConfigStore* store);
    ~ClosureScope() { --store_->depth_; }
    ClosureScope(const ClosureScope&) = delete;
    ClosureScope& operator=(const ClosureScope&) = delete;

   private:
    ConfigStore* store_;
  };
  Closure& closure() { return *closures_[depth_ - 1]; }
  void Enter(uint32_t stack, uint32_t state, uint32_t reg, uint32_t text) {
    closure().pending.push_back({stack, state, reg, text});
  }
  /// The next item to be expanded, each once; false when there is none.
  bool NextPending(Item* item);
  /// Whether the item's rule may return here.
  bool MayReturn(const Item& item) const;
  /// Leaves the item's rule: what stands after the call. False when a UNIQUE text was seen before.
  /// At the bottom the result is the mark of a complete text.
  bool Leave(const Item& item, Item* after);
  /// Enters what a call edge leads to. `filter`: the byte to be consumed next, or -1.
  void TakeCall(const Item& item, const Program::CallEdge& edge, int filter);
  /// Adds to `out` an item that has consumed a byte, returns without alternative taken.
  void Arrive(Item item, ItemSet* out);
  template <bool kFirstOnly>
  bool StepInto(Items items, uint8_t byte, ItemSet* out);
  bool AtRisk(const Item& item) const;
  /// The text before the innermost UNIQUE call.
  uint32_t CaptureStart(const Item& item) const;
  bool CanAvoidSeen(const Item& item);
  /// Whether something remains once UNIQUE calls without an unseen text are left out.
  bool Viable(const Item& item);
  /// Counts a token for the rules that limit them, and leaves those where it was the last.
  void CountToken(ItemSet* set);
  uint64_t RoomKey(uint32_t state, uint32_t reg) const;

  const Program& program_;
  const uint32_t max_token_bytes_;
  Pace* pace_ = nullptr;
  uint32_t start_ = kDead;

  std::vector<Config> configs_;
  std::vector<std::unique_ptr<Item[]>> blocks_;  // the items of configurations never move
  size_t block_used_ = 0;
  size_t block_size_ = 0;
  size_t item_bytes_ = 0;
  InternTable config_table_;
  std::vector<StackNode> stacks_;
  InternTable stack_table_;
  FlatMap byte_steps_;   // config << 8 | byte
  FlatMap token_steps_;  // config << 32 | token
  RegisterStore registers_;
  mutable std::vector<uint32_t>
      first_index_;  // per encoded state: into first_bytes_, 0 when unknown
  mutable std::vector<ByteSet> first_bytes_;

  std::vector<std::pair<uint32_t, uint32_t>> class_spans_;
  std::vector<ClassItem> class_items_;
  InternTable class_table_;
  struct StackClass {
    uint32_t parent;
    uint32_t state;
    uint64_t room;
    uint32_t text_start;
    bool operator==(const StackClass&) const = default;
  };
  std::vector<StackClass> stack_classes_;
  InternTable stack_class_table_;
  std::vector<std::shared_ptr<const MaskEntry>> masks_;
  size_t mask_bytes_ = 0;

  std::vector<std::unique_ptr<Closure>> closures_;  // scratch, by depth
  size_t depth_ = 0;
  bool escaping_ = false;  // CanAvoidSeen is looking around: nothing is dropped
  ItemSet stepped_;
  ItemSet stepped_next_;
  std::vector<uint32_t> places_;  // by hash: where in its set the last item was put, whatever set
};

}  // namespace diecast
