#include "native/matcher/configuration.h"

#include <algorithm>
#include <bit>
#include <string>

#include "native/error.h"

namespace diecast {
namespace {

/// A set of members beyond this means a grammar of runaway ambiguity.
constexpr size_t kMaxMembers = 20000;
/// How many configurations are looked at to find a text that is not among those seen.
constexpr size_t kMaxEscapeSearch = 4096;
/// Closures up to this size look for duplicates by scanning.
constexpr size_t kSmallClosure = 16;

uint64_t HashOf(const ConfigStore::Member& m) {
  return HashMix(HashMix(m.stack, m.state), uint64_t{m.text} << 32 | m.reg);
}

}  // namespace

ConfigStore::ConfigStore(const Program& program, uint32_t max_token_bytes)
    : program_(program), max_token_bytes_(max_token_bytes) {
  stacks_.push_back({kNone, kNone, 0, RegisterStore::kNoText, 0, kNone});
  stack_table_.Add(0);
  if (program_.has_counters()) {
    stack_classes_.push_back({kNone, kNone, 0, 0});
    stack_class_table_.Add(0);
  }
  result_.clear();
  Intern(&result_);  // the dead configuration is number 0
  BeginClosure();
  Enter(kBottom, program_.rules()[program_.root_rule()].start, 0, RegisterStore::kNoText);
  Close();
  start_ = Intern(&result_);
}

uint32_t ConfigStore::Push(uint32_t parent, uint32_t state, uint32_t reg, uint32_t text_start) {
  const uint64_t hash = HashMix(HashMix(parent, state), uint64_t{text_start} << 32 | reg);
  const uint32_t found = stack_table_.Find(hash, [&](uint32_t id) {
    const StackNode& n = stacks_[id];
    return n.parent == parent && n.state == state && n.reg == reg && n.text_start == text_start;
  });
  if (found != InternTable::kNone) return found;
  const auto id = static_cast<uint32_t>(stacks_.size());
  uint32_t cls = 0;
  if (program_.has_counters()) {
    const StackClass key{stacks_[parent].cls, state, RoomKey(state, reg), text_start};
    const uint64_t class_hash =
        HashMix(HashMix(HashMix(key.parent, key.state), key.room), text_start);
    cls = stack_class_table_.Find(class_hash, [&](uint32_t c) { return stack_classes_[c] == key; });
    if (cls == InternTable::kNone) {
      cls = static_cast<uint32_t>(stack_classes_.size());
      stack_classes_.push_back(key);
      stack_class_table_.Add(class_hash);
    }
  }
  stacks_.push_back({parent, state, reg, text_start, cls, kNone});
  stack_table_.Add(hash);
  return id;
}

void ConfigStore::BeginClosure() {
  pending_.clear();
  visited_.clear();
  result_.clear();
}

bool ConfigStore::Admits(uint32_t state, uint32_t reg) const {
  const Program::Rule& rule = program_.RuleOf(state);
  if (!rule.registers()) return program_.Admits(state, reg);
  const RegisterView view = View(rule, reg);
  const Program::Distance d = program_.DistanceOf(state);
  if (view.missing != 0 && d.max == 0) return false;
  if (uint64_t{view.count} + std::max(d.min, view.missing) > rule.counter_max) return false;
  if (d.min > view.untaken) return false;
  const uint32_t more = std::min(d.max, view.untaken);
  return more == layout::kInfinityWord || uint64_t{view.count} + more >= rule.counter_min;
}

ConfigStore::RegisterView ConfigStore::View(const Program::Rule& rule, uint32_t reg) const {
  const RegisterStore::Record& record = registers_.record(reg & kRecordMask);
  const uint32_t ahead = reg >> kRecordBits;  // slot + 1
  RegisterView view{record.count, rule.required() - record.TakenBelow(rule.required()),
                    layout::kInfinityWord};
  if (!rule.open()) view.untaken = rule.num_slots() - record.TakenBelow(rule.num_slots());
  if (ahead != 0) {
    if (ahead - 1 < rule.required()) --view.missing;
    if (!rule.open()) --view.untaken;
    const bool enough = rule.counter_max == layout::kInfinityWord && view.count >= rule.counter_min;
    if (!enough) ++view.count;
  }
  return view;
}

uint32_t ConfigStore::Settle(const Program::Rule& rule, uint32_t reg) {
  if (!rule.registers() || reg >> kRecordBits == 0) return reg;
  RegisterStore::Record record = registers_.record(reg & kRecordMask);
  record.Take((reg >> kRecordBits) - 1);
  // An unbounded count stops where it no longer matters.
  const bool enough = rule.counter_max == layout::kInfinityWord && record.count >= rule.counter_min;
  if (!enough) ++record.count;
  return registers_.InternRecord(record);
}

bool ConfigStore::Count(const Program::Rule& rule, bool inc, const Program::CallEdge* edge,
                        uint32_t* reg) {
  const bool mark = edge != nullptr && edge->mark();
  if (!inc && !mark) return true;
  if (!rule.registers()) {
    *reg = Program::Saturate(rule, *reg + 1);
    return true;
  }
  *reg = Settle(rule, *reg);
  if (mark) {
    if (registers_.record(*reg).Taken(edge->slot())) return false;
    *reg |= (edge->slot() + 1) << kRecordBits;
    return true;
  }
  const bool enough = rule.counter_max == layout::kInfinityWord &&
                      registers_.record(*reg).count >= rule.counter_min;
  if (!enough) *reg = registers_.WithCount(*reg);
  return true;
}

void ConfigStore::Close() {
  ++closure_number_;
  size_t indexed = 0;  // how many of visited_ are in visited_slots_
  const auto find_or_place = [&](const Member& m, uint32_t index) {
    const size_t mask = visited_slots_.size() - 1;
    for (size_t i = HashOf(m) & mask;; i = (i + 1) & mask) {
      if (visited_slots_[i] >> 32 != closure_number_) {  // left by an earlier closure: free
        visited_slots_[i] = uint64_t{closure_number_} << 32 | index;
        return false;
      }
      if (visited_[visited_slots_[i] & 0xffffffffu] == m) return true;
    }
  };
  while (!pending_.empty()) {
    const Member m = pending_.back();
    pending_.pop_back();
    // Each member is expanded once. Small closures compare with all, large ones go through an
    // index.
    if (visited_.size() < kSmallClosure) {
      if (std::find(visited_.begin(), visited_.end(), m) != visited_.end()) continue;
      visited_.push_back(m);
    } else {
      if ((visited_.size() + 1) * 2 > visited_slots_.size()) {
        visited_slots_.assign(std::max<size_t>(256, visited_slots_.size() * 2), 0);
        indexed = 0;
      }
      for (; indexed < visited_.size(); ++indexed)
        find_or_place(visited_[indexed], static_cast<uint32_t>(indexed));
      visited_.push_back(m);
      if (find_or_place(m, static_cast<uint32_t>(indexed))) {
        visited_.pop_back();
        continue;
      }
      ++indexed;
    }
    if (visited_.size() > kMaxMembers) {
      throw Error(ErrorCode::kGrammarTooLarge,
                  "the grammar is too ambiguous: a configuration of more than " +
                      std::to_string(kMaxMembers) + " members");
    }

    if (program_.HasMoves(m.state)) result_.push_back(m);
    if (program_.IsLiteralPosition(m.state)) continue;
    const Program::Rule& rule = program_.RuleOf(m.state);
    const uint32_t count = rule.registers() ? View(rule, m.reg).count : m.reg;
    if (program_.Accepting(m.state) && (!rule.counted() || count >= rule.counter_min)) {
      const StackNode node = stacks_[m.stack];
      if (m.stack == kBottom) {
        result_.push_back({kBottom, kCompleteState, 0, RegisterStore::kNoText});
      } else if (node.text_start == RegisterStore::kNoText) {
        Enter(node.parent, node.state, node.reg, m.text);
      } else if (const uint32_t value = registers_.Since(m.text, node.text_start);
                 !registers_.record(node.reg).Seen(value)) {
        const uint32_t outer =
            node.text_start == RegisterStore::kEmptyText ? RegisterStore::kNoText : m.text;
        Enter(node.parent, node.state, registers_.WithValue(node.reg, value), outer);
      }
    }
    for (const Program::CallEdge& edge : program_.CallEdges(m.state)) {
      uint32_t reg = m.reg;
      if (!Count(rule, edge.inc(), &edge, &reg) || !Admits(edge.target, reg)) continue;
      if (edge.epsilon()) {
        Enter(m.stack, edge.target, reg, m.text);
        continue;
      }
      reg = Settle(rule, reg);
      const uint32_t callee = program_.rules()[edge.rule].start;
      if (edge.unique()) {
        const uint32_t start =
            m.text == RegisterStore::kNoText ? RegisterStore::kEmptyText : m.text;
        Enter(Push(m.stack, edge.target, reg, start), callee, 0, start);
      } else if (program_.PureReturn(edge.target)) {
        // A call in last position needs no frame to come back to: right recursion keeps the stack
        // flat.
        Enter(m.stack, callee, 0, m.text);
      } else {
        Enter(Push(m.stack, edge.target, reg, RegisterStore::kNoText), callee, 0, m.text);
      }
    }
  }
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
  configs_.push_back({static_cast<uint32_t>(members_.size()), static_cast<uint32_t>(set->size()),
                      kNone, kNone, kForcedUnknown, complete});
  members_.insert(members_.end(), set->begin(), set->end());
  config_table_.Add(hash);
  return id;
}

uint32_t ConfigStore::Step(uint32_t config, uint8_t byte) {
  const uint64_t key = uint64_t{config} << 8 | byte;
  const uint32_t known = transitions_.Get(key);
  if (known != FlatMap::kNone) return known;
  StepInto(config, byte);
  if (program_.has_registers()) DropExhausted();
  const uint32_t next = Intern(&result_);
  transitions_.Put(key, next);
  return next;
}

void ConfigStore::StepInto(uint32_t config, uint8_t byte) {
  BeginClosure();
  // members() may move while the closure interns, so go by index.
  const uint32_t first = configs_[config].first;
  const uint32_t size = configs_[config].size;
  for (uint32_t i = first; i < first + size; ++i) {
    const Member m = members_[i];
    if (m.state == kCompleteState) continue;
    const auto text = [&] {
      const bool captured =
          m.text != RegisterStore::kNoText && !program_.RuleOf(m.state).uncaptured();
      return captured ? registers_.Append(m.text, byte) : m.text;
    };
    if (program_.IsLiteralPosition(m.state)) {
      if (program_.LiteralByte(m.state) == byte)
        Enter(m.stack, program_.LiteralNext(m.state), m.reg, text());
      continue;
    }
    for (const Program::ByteEdge& e : program_.ByteEdges(m.state)) {
      if (byte < e.lo() || byte > e.hi()) continue;
      uint32_t reg = m.reg;
      Count(program_.RuleOf(m.state), e.inc(), nullptr, &reg);
      if (Admits(e.target, reg)) Enter(m.stack, e.target, reg, text());
    }
    for (const Program::LiteralEdge& e : program_.LiteralEdges(m.state)) {
      if (program_.FirstByte(e) == byte && Admits(e.target, m.reg)) {
        Enter(m.stack, program_.AfterFirstByte(e), m.reg, text());
      }
    }
  }
  Close();
}

bool ConfigStore::AtRisk(const Member& member) const {
  if (member.text == RegisterStore::kNoText) return false;
  for (uint32_t s = member.stack; s != kBottom; s = stacks_[s].parent) {
    const StackNode& node = stacks_[s];
    if (node.text_start == RegisterStore::kNoText) continue;
    const RegisterStore::Record& record = registers_.record(node.reg);
    if (record.values.empty()) continue;
    // The outermost capture starts at the empty text, so its ids compare directly; inner ones
    // compare as strings.
    if (node.text_start == RegisterStore::kEmptyText) {
      for (const uint32_t v : record.values) {
        if (registers_.IsPrefix(member.text, v)) return true;
      }
    } else {
      const std::string text =
          registers_.Text(member.text).substr(registers_.Length(node.text_start));
      for (const uint32_t v : record.values) {
        if (registers_.Text(v).starts_with(text)) return true;
      }
    }
  }
  return false;
}

std::vector<std::string> ConfigStore::Forbidden(const Member& member) {
  std::vector<std::string> rests;
  if (member.text == RegisterStore::kNoText) return rests;
  for (uint32_t s = member.stack; s != kBottom; s = stacks_[s].parent) {
    const StackNode& node = stacks_[s];
    if (node.text_start == RegisterStore::kNoText) continue;
    const std::string text =
        registers_.Text(member.text).substr(registers_.Length(node.text_start));
    for (const uint32_t v : registers_.record(node.reg).values) {
      const std::string value = registers_.Text(v);
      if (value.size() > text.size() && value.starts_with(text))
        rests.push_back(value.substr(text.size()));
    }
  }
  return rests;
}

void ConfigStore::DropExhausted() {
  bool any = false;
  for (const Member& m : result_) any |= m.text != RegisterStore::kNoText;
  if (!any) return;
  const std::vector<Member> members = result_;
  std::vector<Member> kept;
  for (const Member& m : members) {
    if (!AtRisk(m) || CanAvoidSeen(m)) kept.push_back(m);
  }
  result_ = std::move(kept);
}

bool ConfigStore::CanAvoidSeen(const Member& member) {
  // Breadth first over bytes until some member is out of reach of every text seen: from there any
  // completion will do.
  std::vector<Member> set{member};
  std::vector<uint32_t> queue{Intern(&set)};
  std::vector<uint32_t> visited = queue;
  for (size_t head = 0; head < queue.size() && visited.size() < kMaxEscapeSearch; ++head) {
    const ByteSet live = Live(queue[head]);
    for (uint32_t byte = 0; byte < 256; ++byte) {
      if (!Contains(live, static_cast<uint8_t>(byte))) continue;
      StepInto(queue[head], static_cast<uint8_t>(byte));
      for (const Member& m : result_) {
        if (!AtRisk(m)) return true;
      }
      if (result_.empty()) continue;
      const uint32_t next = Intern(&result_);
      if (std::find(visited.begin(), visited.end(), next) == visited.end()) {
        visited.push_back(next);
        queue.push_back(next);
      }
    }
  }
  return false;
}

uint32_t ConfigStore::StepAll(uint32_t config, std::string_view bytes) {
  // Inside a counted lexeme every count is a configuration of its own: run the automaton directly
  // and intern only the end.
  if (configs_[config].size == 1) {
    Member m = members_[configs_[config].first];
    if (m.state != kCompleteState && !program_.IsLiteralPosition(m.state)) {
      const Program::Rule& rule = program_.RuleOf(m.state);
      if (rule.lexeme() && rule.counted() && m.text == RegisterStore::kNoText) {
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
          if (taken->inc()) m.reg = Program::Saturate(rule, m.reg + 1);
          if (!program_.Admits(taken->target, m.reg)) return kDead;
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

bool ConfigStore::HasTokenMoves(uint32_t config) const {
  if (!program_.has_token_edges()) return false;
  for (const Member& m : members(config)) {
    if (m.state != kCompleteState && program_.HasTokenEdges(m.state)) return true;
  }
  return false;
}

uint32_t ConfigStore::StepToken(uint32_t config, int32_t id, std::string_view bytes) {
  const uint32_t by_bytes = bytes.empty() ? kDead : StepAll(config, bytes);
  if (!HasTokenMoves(config)) return by_bytes;
  BeginClosure();
  const std::vector<Member> from(members(config).begin(), members(config).end());
  for (const Member& m : from) {
    if (m.state == kCompleteState) continue;
    for (const Program::TokenEdge& e : program_.TokenEdges(m.state)) {
      const auto token = static_cast<uint32_t>(id);
      if (token >= e.lo && token <= e.hi && Admits(e.target, m.reg))
        Enter(m.stack, e.target, m.reg, m.text);
    }
  }
  Close();
  result_.insert(result_.end(), members(by_bytes).begin(), members(by_bytes).end());
  return Intern(&result_);
}

const ByteSet& ConfigStore::Live(uint32_t config) {
  if (configs_[config].live == kNone) {
    ByteSet set{};
    const auto add = [&](uint32_t lo, uint32_t hi) {
      for (uint32_t w = lo >> 6; w <= hi >> 6; ++w) {
        const uint64_t from = w == lo >> 6 ? ~0ull << (lo & 63) : ~0ull;
        const uint64_t to = w == hi >> 6 ? ~0ull >> (63 - (hi & 63)) : ~0ull;
        set[w] |= from & to;
      }
    };
    for (const Member& m : members(config)) {
      if (m.state == kCompleteState) continue;
      if (program_.IsLiteralPosition(m.state)) {
        const uint8_t b = program_.LiteralByte(m.state);
        add(b, b);
        continue;
      }
      for (const auto& e : program_.ByteEdges(m.state)) {
        uint32_t reg = m.reg;
        Count(program_.RuleOf(m.state), e.inc(), nullptr, &reg);
        if (Admits(e.target, reg)) add(e.lo(), e.hi());
      }
      for (const auto& e : program_.LiteralEdges(m.state)) {
        if (Admits(e.target, m.reg)) add(program_.FirstByte(e), program_.FirstByte(e));
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
    if (!configs_[config].complete && !HasTokenMoves(config)) {
      const ByteSet& live = Live(config);
      int count = 0;
      int byte = -1;
      for (int w = 0; w < 4; ++w) {
        count += std::popcount(live[static_cast<size_t>(w)]);
        if (live[static_cast<size_t>(w)] != 0)
          byte = w * 64 + std::countr_zero(live[static_cast<size_t>(w)]);
      }
      if (count == 1) forced = static_cast<int16_t>(byte);
    }
    configs_[config].forced = forced;
  }
  return configs_[config].forced;
}

uint32_t ConfigStore::Follow(uint32_t stack) {
  if (stack == kBottom) {
    result_.assign(1, {kBottom, kCompleteState, 0, RegisterStore::kNoText});
    return Intern(&result_);
  }
  if (stacks_[stack].follow == kNone) {
    BeginClosure();
    const StackNode node = stacks_[stack];
    Enter(node.parent, node.state, node.reg,
          node.text_start == RegisterStore::kEmptyText ? RegisterStore::kNoText : node.text_start);
    Close();
    const uint32_t config = Intern(&result_);
    stacks_[stack].follow = config;
  }
  return stacks_[stack].follow;
}

uint32_t ConfigStore::Import(const ConfigStore& from, uint32_t config) {
  const auto text = [&](uint32_t t) {
    return t == RegisterStore::kNoText ? t : registers_.InternText(from.registers_.Text(t));
  };
  const auto reg = [&](uint32_t state, uint32_t r) {
    if (!program_.RuleOf(state).registers()) return r;
    RegisterStore::Record record = from.registers_.record(r & kRecordMask);
    for (uint32_t& v : record.values) v = text(v);
    std::sort(record.values.begin(), record.values.end());
    return registers_.InternRecord(record) | (r & ~kRecordMask);
  };
  std::vector<Member> set;
  std::vector<uint32_t> chain;
  for (const Member& m : from.members(config)) {
    chain.clear();
    for (uint32_t s = m.stack; s != kBottom; s = from.stacks_[s].parent) chain.push_back(s);
    uint32_t stack = kBottom;
    for (auto it = chain.rbegin(); it != chain.rend(); ++it) {
      const StackNode& node = from.stacks_[*it];
      stack = Push(stack, node.state, reg(node.state, node.reg), text(node.text_start));
    }
    set.push_back(
        {stack, m.state, m.state == kCompleteState ? 0 : reg(m.state, m.reg), text(m.text)});
  }
  return Intern(&set);
}

ConfigStore::Room ConfigStore::RoomOf(uint32_t state, uint32_t reg) const {
  const Program::Rule& rule = program_.RuleOf(state);
  if (!rule.counted()) return {layout::kInfinityWord, 0};
  const uint32_t clip = rule.reach + max_token_bytes_;
  Room room{layout::kInfinityWord, 0};
  if (rule.counter_max != layout::kInfinityWord)
    room.to_max = std::min(rule.counter_max - reg, clip);
  if (reg < rule.counter_min) room.to_min = std::min(rule.counter_min - reg, clip);
  return room;
}

uint64_t ConfigStore::RoomKey(uint32_t state, uint32_t reg) const {
  if (program_.RuleOf(state).registers()) return reg;  // records are not abstracted
  const Room room = RoomOf(state, reg);
  return uint64_t{room.to_max} << 32 | room.to_min;
}

uint32_t ConfigStore::ClassOf(uint32_t config) {
  if (!program_.has_counters()) return config;
  if (configs_[config].cls != kNone) return configs_[config].cls;
  std::vector<ClassMember> set;
  set.reserve(configs_[config].size);
  for (const Member& m : members(config)) {
    set.push_back({m.state == kCompleteState ? 0 : RoomKey(m.state, m.reg), stacks_[m.stack].cls,
                   m.state, m.text});
  }
  std::sort(set.begin(), set.end());
  set.erase(std::unique(set.begin(), set.end()), set.end());
  uint64_t hash = set.size();
  for (const ClassMember& m : set) {
    hash = HashMix(HashMix(HashMix(hash, m.room), m.stack_class), uint64_t{m.text} << 32 | m.state);
  }
  uint32_t cls = class_table_.Find(hash, [&](uint32_t id) {
    const auto [first, size] = class_spans_[id];
    return size == set.size() && std::equal(set.begin(), set.end(), class_members_.begin() + first);
  });
  if (cls == InternTable::kNone) {
    cls = static_cast<uint32_t>(class_spans_.size());
    class_spans_.emplace_back(static_cast<uint32_t>(class_members_.size()),
                              static_cast<uint32_t>(set.size()));
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
  return sizeof(*this) + bytes(configs_) + bytes(members_) + bytes(stacks_) + bytes(live_) +
         bytes(class_spans_) + bytes(class_members_) + bytes(stack_classes_) + bytes(masks_) +
         config_table_.memory_bytes() + stack_table_.memory_bytes() + class_table_.memory_bytes() +
         stack_class_table_.memory_bytes() + transitions_.memory_bytes() +
         registers_.memory_bytes() + mask_bytes_;
}

}  // namespace diecast
