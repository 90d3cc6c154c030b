#include "native/matcher/configuration.h"

#include <algorithm>
#include <bit>
#include <string>

#include "native/error.h"

namespace diecast {
namespace {

/// A set of members beyond this means a grammar of runaway ambiguity.
constexpr size_t kMaxMembers = 20000;
/// Closures up to this size look for duplicates by scanning.
constexpr size_t kSmallClosure = 16;

uint64_t HashOf(const ConfigStore::Member& m) {
  return HashMix(HashMix(m.stack, m.state), m.count);
}

}  // namespace

ConfigStore::ConfigStore(const Program& program, uint32_t max_token_bytes)
    : program_(program), max_token_bytes_(max_token_bytes) {
  stacks_.push_back({kNone, kNone, 0, 0, kNone});
  stack_table_.Add(0);
  if (program_.has_counters()) {
    stack_classes_.push_back({kNone, kNone, 0});
    stack_class_table_.Add(0);
  }
  result_.clear();
  Intern(&result_);  // the dead configuration is number 0
  BeginClosure();
  Enter(kBottom, program_.rules()[program_.root_rule()].start, 0);
  start_ = FinishClosure();
}

uint32_t ConfigStore::Push(uint32_t parent, uint32_t state, uint32_t count) {
  const uint64_t hash = HashMix(HashMix(parent, state), count);
  const uint32_t found = stack_table_.Find(hash, [&](uint32_t id) {
    const StackNode& n = stacks_[id];
    return n.parent == parent && n.state == state && n.count == count;
  });
  if (found != InternTable::kNone) return found;
  const auto id = static_cast<uint32_t>(stacks_.size());
  uint32_t cls = 0;
  if (program_.has_counters()) {
    const StackClass key{stacks_[parent].cls, state, RoomKey(state, count)};
    const uint64_t class_hash = HashMix(HashMix(key.parent, key.state), key.room);
    cls = stack_class_table_.Find(class_hash, [&](uint32_t c) { return stack_classes_[c] == key; });
    if (cls == InternTable::kNone) {
      cls = static_cast<uint32_t>(stack_classes_.size());
      stack_classes_.push_back(key);
      stack_class_table_.Add(class_hash);
    }
  }
  stacks_.push_back({parent, state, count, cls, kNone});
  stack_table_.Add(hash);
  return id;
}

void ConfigStore::BeginClosure() {
  pending_.clear();
  visited_.clear();
  result_.clear();
}

void ConfigStore::Enter(uint32_t stack, uint32_t state, uint32_t count) { pending_.push_back({stack, state, count}); }

uint32_t ConfigStore::FinishClosure() {
  bool indexed = false;
  while (!pending_.empty()) {
    const Member m = pending_.back();
    pending_.pop_back();
    // Each member is expanded once. Small closures compare with all, large ones go through an index.
    if (visited_.size() < kSmallClosure) {
      if (std::find(visited_.begin(), visited_.end(), m) != visited_.end()) continue;
    } else {
      if (!indexed) {
        visited_table_ = InternTable();
        for (const Member& v : visited_) visited_table_.Add(HashOf(v));
        indexed = true;
      }
      const uint64_t hash = HashOf(m);
      if (visited_table_.Find(hash, [&](uint32_t i) { return visited_[i] == m; }) != InternTable::kNone) continue;
      visited_table_.Add(hash);
    }
    visited_.push_back(m);
    if (visited_.size() > kMaxMembers) {
      throw Error(ErrorCode::kGrammarTooLarge, "the grammar is too ambiguous: a configuration of more than " +
                                                   std::to_string(kMaxMembers) + " members");
    }

    if (program_.HasByteMoves(m.state)) result_.push_back(m);
    if (program_.IsLiteralPosition(m.state)) continue;
    const Program::Rule& rule = program_.RuleOf(m.state);
    if (program_.Accepting(m.state) && (!rule.counted() || m.count >= rule.counter_min)) {
      if (m.stack == kBottom) {
        result_.push_back({kBottom, kCompleteState, 0});
      } else {
        const StackNode& node = stacks_[m.stack];
        Enter(node.parent, node.state, node.count);
      }
    }
    for (const Program::CallEdge& edge : program_.CallEdges(m.state)) {
      uint32_t count = m.count;
      if (edge.inc()) count = Program::Saturate(rule, count + 1);
      if (!program_.Admits(edge.target, count)) continue;
      if (edge.epsilon()) {
        Enter(m.stack, edge.target, count);
      } else {
        // A call in last position needs no frame to come back to: right recursion keeps the stack flat.
        const uint32_t stack = program_.PureReturn(edge.target) ? m.stack : Push(m.stack, edge.target, count);
        Enter(stack, program_.rules()[edge.rule].start, 0);
      }
    }
  }
  return Intern(&result_);
}

uint32_t ConfigStore::Intern(std::vector<Member>* set) {
  std::sort(set->begin(), set->end());
  set->erase(std::unique(set->begin(), set->end()), set->end());
  uint64_t hash = set->size();
  for (const Member& m : *set) hash = HashMix(hash, HashOf(m));
  const uint32_t found = config_table_.Find(hash, [&](uint32_t id) {
    const auto other = members(id);
    return std::equal(other.begin(), other.end(), set->begin(), set->end());
  });
  if (found != InternTable::kNone) return found;
  const auto id = static_cast<uint32_t>(configs_.size());
  bool complete = false;
  for (const Member& m : *set) complete |= m.state == kCompleteState;
  configs_.push_back({static_cast<uint32_t>(members_.size()), static_cast<uint32_t>(set->size()), kNone, kNone,
                      kForcedUnknown, complete});
  members_.insert(members_.end(), set->begin(), set->end());
  config_table_.Add(hash);
  return id;
}

uint32_t ConfigStore::Step(uint32_t config, uint8_t byte) {
  const uint64_t key = uint64_t{config} << 8 | byte;
  const uint32_t known = transitions_.Get(key);
  if (known != FlatMap::kNone) return known;
  BeginClosure();
  // members() may move while the closure pushes, so go by index.
  const uint32_t first = configs_[config].first;
  const uint32_t size = configs_[config].size;
  for (uint32_t i = first; i < first + size; ++i) {
    const Member m = members_[i];
    if (m.state == kCompleteState) continue;
    if (program_.IsLiteralPosition(m.state)) {
      if (program_.LiteralByte(m.state) == byte) Enter(m.stack, program_.LiteralNext(m.state), m.count);
      continue;
    }
    for (const Program::ByteEdge& e : program_.ByteEdges(m.state)) {
      if (byte < e.lo() || byte > e.hi()) continue;
      uint32_t count = m.count;
      if (e.inc()) count = Program::Saturate(program_.RuleOf(m.state), count + 1);
      if (program_.Admits(e.target, count)) Enter(m.stack, e.target, count);
    }
    for (const Program::LiteralEdge& e : program_.LiteralEdges(m.state)) {
      if (program_.FirstByte(e) == byte && program_.Admits(e.target, m.count)) {
        Enter(m.stack, program_.AfterFirstByte(e), m.count);
      }
    }
  }
  const uint32_t next = FinishClosure();
  transitions_.Put(key, next);
  return next;
}

uint32_t ConfigStore::StepAll(uint32_t config, std::string_view bytes) {
  // Inside a counted lexeme every count is a configuration of its own: run the automaton directly and intern only the end.
  if (configs_[config].size == 1) {
    Member m = members_[configs_[config].first];
    if (m.state != kCompleteState && !program_.IsLiteralPosition(m.state)) {
      const Program::Rule& rule = program_.RuleOf(m.state);
      if (rule.lexeme() && rule.counted()) {
        bool inside = true;
        for (const char c : bytes) {
          const auto byte = static_cast<uint8_t>(c);
          const Program::ByteEdge* taken = nullptr;
          for (const Program::ByteEdge& e : program_.ByteEdges(m.state)) {
            if (byte >= e.lo() && byte <= e.hi()) {
              taken = &e;
              break;
            }
          }
          if (taken == nullptr || program_.Accepting(taken->target)) {
            inside = false;
            break;
          }
          if (taken->inc()) m.count = Program::Saturate(rule, m.count + 1);
          if (!program_.Admits(taken->target, m.count)) return kDead;
          m.state = taken->target;
        }
        if (inside) {
          result_.assign(1, m);
          return Intern(&result_);
        }
      }
    }
  }
  for (const char c : bytes) {
    config = Step(config, static_cast<uint8_t>(c));
    if (config == kDead) break;
  }
  return config;
}

const ByteSet& ConfigStore::Live(uint32_t config) {
  if (configs_[config].live == kNone) {
    ByteSet set{};
    const auto add = [&](uint32_t lo, uint32_t hi) {
      for (uint32_t b = lo; b <= hi; ++b) set[b >> 6] |= 1ull << (b & 63);
    };
    for (const Member& m : members(config)) {
      if (m.state == kCompleteState) continue;
      if (program_.IsLiteralPosition(m.state)) {
        const uint8_t b = program_.LiteralByte(m.state);
        add(b, b);
        continue;
      }
      for (const auto& e : program_.ByteEdges(m.state)) {
        const uint32_t count = m.count + (e.inc() ? 1 : 0);
        if (program_.Admits(e.target, Program::Saturate(program_.RuleOf(m.state), count))) add(e.lo(), e.hi());
      }
      for (const auto& e : program_.LiteralEdges(m.state)) {
        if (program_.Admits(e.target, m.count)) add(program_.FirstByte(e), program_.FirstByte(e));
      }
    }
    configs_[config].live = static_cast<uint32_t>(live_.size());
    live_.push_back(set);
  }
  return live_[configs_[config].live];
}

int ConfigStore::ForcedByte(uint32_t config) {
  if (configs_[config].forced == kForcedUnknown) {
    int16_t forced = -1;
    if (!configs_[config].complete) {
      const ByteSet& live = Live(config);
      int count = 0;
      int byte = -1;
      for (int w = 0; w < 4; ++w) {
        count += std::popcount(live[static_cast<size_t>(w)]);
        if (live[static_cast<size_t>(w)] != 0) byte = w * 64 + std::countr_zero(live[static_cast<size_t>(w)]);
      }
      if (count == 1) forced = static_cast<int16_t>(byte);
    }
    configs_[config].forced = forced;
  }
  return configs_[config].forced;
}

uint32_t ConfigStore::Follow(uint32_t stack) {
  if (stack == kBottom) {
    result_.assign(1, {kBottom, kCompleteState, 0});
    return Intern(&result_);
  }
  if (stacks_[stack].follow == kNone) {
    BeginClosure();
    const StackNode node = stacks_[stack];
    Enter(node.parent, node.state, node.count);
    const uint32_t config = FinishClosure();
    stacks_[stack].follow = config;
  }
  return stacks_[stack].follow;
}

uint32_t ConfigStore::Import(const ConfigStore& from, uint32_t config) {
  std::vector<Member> set;
  std::vector<uint32_t> chain;
  for (const Member& m : from.members(config)) {
    chain.clear();
    for (uint32_t s = m.stack; s != kBottom; s = from.stacks_[s].parent) chain.push_back(s);
    uint32_t stack = kBottom;
    for (auto it = chain.rbegin(); it != chain.rend(); ++it) {
      stack = Push(stack, from.stacks_[*it].state, from.stacks_[*it].count);
    }
    set.push_back({stack, m.state, m.count});
  }
  return Intern(&set);
}

ConfigStore::Room ConfigStore::RoomOf(uint32_t state, uint32_t count) const {
  const Program::Rule& rule = program_.RuleOf(state);
  if (!rule.counted()) return {layout::kInfinityWord, 0};
  const uint32_t clip = rule.reach + max_token_bytes_;
  Room room{layout::kInfinityWord, 0};
  if (rule.counter_max != layout::kInfinityWord) room.to_max = std::min(rule.counter_max - count, clip);
  if (count < rule.counter_min) room.to_min = std::min(rule.counter_min - count, clip);
  return room;
}

uint64_t ConfigStore::RoomKey(uint32_t state, uint32_t count) const {
  const Room room = RoomOf(state, count);
  return uint64_t{room.to_max} << 32 | room.to_min;
}

uint32_t ConfigStore::ClassOf(uint32_t config) {
  if (!program_.has_counters()) return config;
  if (configs_[config].cls != kNone) return configs_[config].cls;
  std::vector<ClassMember> set;
  set.reserve(configs_[config].size);
  for (const Member& m : members(config)) {
    set.push_back({m.state == kCompleteState ? 0 : RoomKey(m.state, m.count), stacks_[m.stack].cls, m.state});
  }
  std::sort(set.begin(), set.end());
  set.erase(std::unique(set.begin(), set.end()), set.end());
  uint64_t hash = set.size();
  for (const ClassMember& m : set) hash = HashMix(HashMix(HashMix(hash, m.room), m.stack_class), m.state);
  uint32_t cls = class_table_.Find(hash, [&](uint32_t id) {
    const auto [first, size] = class_spans_[id];
    return size == set.size() && std::equal(set.begin(), set.end(), class_members_.begin() + first);
  });
  if (cls == InternTable::kNone) {
    cls = static_cast<uint32_t>(class_spans_.size());
    class_spans_.emplace_back(static_cast<uint32_t>(class_members_.size()), static_cast<uint32_t>(set.size()));
    class_members_.insert(class_members_.end(), set.begin(), set.end());
    class_table_.Add(hash);
  }
  configs_[config].cls = cls;
  return cls;
}

std::shared_ptr<const MaskEntry>& ConfigStore::MaskOfClass(uint32_t cls) {
  if (masks_.size() <= cls) masks_.resize(std::max<size_t>(cls + 1, masks_.size() * 2));
  return masks_[cls];
}

size_t ConfigStore::memory_bytes() const {
  const auto bytes = [](const auto& v) { return v.capacity() * sizeof(v[0]); };
  return sizeof(*this) + bytes(configs_) + bytes(members_) + bytes(stacks_) + bytes(live_) + bytes(class_spans_) +
         bytes(class_members_) + bytes(stack_classes_) + bytes(masks_) + config_table_.memory_bytes() +
         stack_table_.memory_bytes() + class_table_.memory_bytes() + stack_class_table_.memory_bytes() +
         transitions_.memory_bytes() + mask_bytes_;
}

}  // namespace diecast
