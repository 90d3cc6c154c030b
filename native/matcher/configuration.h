// Configurations: the sets of places at which a grammar program can stand after some text.
//
// A member is (stack, state, count): a state of a rule's automaton, the calls to return from, and
// the rule's counter. Members are always *closed*: calls are entered and returns taken, so every
// member can consume a byte or is the mark of a complete text. Stacks are linked nodes, shared and
// interned; configurations are interned sorted sets of members, so equal situations have equal ids,
// every byte transition is computed once, and rollback and fork are copies of ids.
//
// A configuration's *class* abstracts from counters whatever no single token can feel (200 or 300
// items short of the limit are the same): masks are kept by class.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "native/matcher/intern_table.h"
#include "native/matcher/lexeme_automaton.h"
#include "native/matcher/mask.h"
#include "native/matcher/program.h"
#include "native/matcher/registers.h"

namespace diecast {

/// Not thread-safe: the grammar's lock guards it.
class ConfigStore {
 public:
  static constexpr uint32_t kDead = 0;
  /// State of the member that marks a complete text.
  static constexpr uint32_t kCompleteState = 0xffffffff;
  static constexpr uint32_t kBottom = 0;

  struct Member {
    uint32_t stack;
    uint32_t state;
    uint32_t
        reg;  ///< the rule's counter; with registers its record's id and a slot still to be marked
    uint32_t text;  ///< what the innermost UNIQUE call has consumed so far, RegisterStore::kNoText
                    ///< outside of one
    bool operator==(const Member&) const = default;
    auto operator<=>(const Member&) const = default;
  };

  /// `max_token_bytes`: how often a counter can move within one token, at most.
  ConfigStore(const Program& program, uint32_t max_token_bytes);

  uint32_t start() const { return start_; }
  /// kDead when no member can consume the byte.
  uint32_t Step(uint32_t config, uint8_t byte);
  /// Steps over all bytes; kDead when one of them is refused.
  uint32_t StepAll(uint32_t config, std::string_view bytes);

  /// Consumes a token: its bytes (empty for a special token) or, by its id, a token edge.
  uint32_t StepToken(uint32_t config, int32_t id, std::string_view bytes);
  bool HasTokenMoves(uint32_t config) const;

  std::span<const Member> members(uint32_t config) const {
    return {members_.data() + configs_[config].first, configs_[config].size};
  }
  bool complete(uint32_t config) const { return configs_[config].complete; }
  /// Bytes that some member has an edge for. With texts being captured, a byte in it may still turn
  /// out dead.
  const ByteSet& Live(uint32_t config);
  /// The only byte that can follow, or -1 when there is a choice, none, or the text may end here.
  int ForcedByte(uint32_t config);

  /// The configuration after returning from `stack`'s call. For a UNIQUE call the text is not known
  /// here: what is allowed is a superset of the truth.
  uint32_t Follow(uint32_t stack);
  /// Interns a set of closed members (a part of another configuration).
  uint32_t Intern(std::vector<Member>* members);
  /// The same situation, known to another store of this program.
  uint32_t Import(const ConfigStore& from, uint32_t config);

  /// Texts that a capturing member must not complete and has begun: its continuations among the
  /// texts already seen.
  std::vector<std::string> Forbidden(const Member& member);

  uint32_t ClassOf(uint32_t config);
  /// Mask memo, by class.
  std::shared_ptr<const MaskEntry>& MaskOfClass(uint32_t cls);
  void NoteMaskBytes(size_t bytes) { mask_bytes_ += bytes; }

  /// Distance of a member's counter from its limits, clipped to what a token can feel.
  struct Room {
    uint32_t to_max;
    uint32_t to_min;
  };
  Room RoomOf(uint32_t state, uint32_t reg) const;

  size_t memory_bytes() const;
  uint32_t num_configs() const { return static_cast<uint32_t>(configs_.size()); }

 private:
  struct Config {
    uint32_t first;  // into members_
    uint32_t size;
    uint32_t live;   // into live_, kNone when not computed
    uint32_t cls;    // kNone when not computed
    int16_t forced;  // kForcedUnknown when not computed
    bool complete;
  };
  struct StackNode {
    uint32_t parent;
    uint32_t state;
    uint32_t reg;
    uint32_t text_start;  // of a UNIQUE call: the text before it; kNoText for other calls
    uint32_t cls;
    uint32_t follow;  // configuration after the return, kNone when not computed
  };
  struct ClassMember {
    uint64_t room;
    uint32_t stack_class;
    uint32_t state;
    uint32_t text;
    bool operator==(const ClassMember&) const = default;
    auto operator<=>(const ClassMember&) const = default;
  };
  static constexpr uint32_t kNone = 0xffffffff;
  static constexpr int16_t kForcedUnknown = -2;
  // A register value is a record's id and, above it, a slot + 1 that is taken but not yet written
  // into a record: of the keys that may come next each member has taken another, and only the one
  // that does come is worth a record.
  static constexpr uint32_t kRecordBits = 20;
  static constexpr uint32_t kRecordMask = (1u << kRecordBits) - 1;
  static_assert(RegisterStore::kMaxRecords == 1u << kRecordBits &&
                Program::kMaxMarkedSlot + 1 < 1u << (32 - kRecordBits));

  uint32_t Push(uint32_t parent, uint32_t state, uint32_t reg, uint32_t text_start);
  bool Admits(uint32_t state, uint32_t reg) const;
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
  /// Starts a closure: clears the work lists.
  void BeginClosure();
  void Enter(uint32_t stack, uint32_t state, uint32_t reg, uint32_t text) {
    pending_.push_back({stack, state, reg, text});
  }
  /// Enters everything that is pending, leaving closed members in result_.
  void Close();
  /// Consumes a byte into result_, without interning.
  void StepInto(uint32_t config, uint8_t byte);
  /// Drops capturing members that can only complete a text already seen.
  void DropExhausted();
  bool AtRisk(const Member& member) const;
  bool CanAvoidSeen(const Member& member);
  uint64_t RoomKey(uint32_t state, uint32_t reg) const;

  const Program& program_;
  const uint32_t max_token_bytes_;
  uint32_t start_ = kDead;

  std::vector<Config> configs_;
  std::vector<Member> members_;
  InternTable config_table_;
  std::vector<StackNode> stacks_;
  InternTable stack_table_;
  std::vector<ByteSet> live_;
  FlatMap transitions_;
  RegisterStore registers_;

  std::vector<std::pair<uint32_t, uint32_t>> class_spans_;
  std::vector<ClassMember> class_members_;
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

  // Scratch of one closure.
  std::vector<Member> pending_;
  std::vector<Member> visited_;  // all entered, for small closures; large ones use visited_table_
  std::vector<uint64_t>
      visited_slots_;  // open addressing over visited_: closure number << 32 | index
  uint32_t closure_number_ = 0;
  std::vector<Member> result_;
};

}  // namespace diecast
