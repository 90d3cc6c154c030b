#include "native/matcher/configuration.h"

#include <algorithm>
#include <bit>
#include <string>

#include "native/error.h"

namespace diecast {
namespace {

/// Items of configurations are kept in blocks of this many.
constexpr size_t kBlockItems = 1024;

uint64_t HashOf(const ConfigStore::Item& m) {
  return HashMix(HashMix(m.stack, m.state), uint64_t{m.text} << 32 | m.reg);
}

}  // namespace

ConfigStore::ConfigStore(const Program& program, uint32_t max_token_bytes)
    : program_(program),
      max_token_bytes_(max_token_bytes),
      first_index_(program.num_states()),
      first_bytes_(1) {
  stacks_.push_back({kNone, kNone, 0, RegisterStore::kNoText, 0});
  stack_table_.Add(0);
  if (program_.has_counters()) {
    stack_classes_.push_back({kNone, kNone, 0, 0});
    stack_class_table_.Add(0);
  }
  const StepScope step(this);
  ItemSet items;
  Intern(&items);  // the dead configuration is number 0
  Arrive({kBottom, program_.rules()[program_.root_rule()].start, 0, RegisterStore::kNoText},
         &items);
  start_ = Intern(&items);
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
  stacks_.push_back({parent, state, reg, text_start, cls});
  stack_table_.Add(hash);
  return id;
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
  RegisterView view{record.count, rule.required() - record.taken_required, layout::kInfinityWord};
  if (!rule.open()) view.untaken = rule.num_slots() - record.taken;
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
  TickWords(record.size());
  record.Take((reg >> kRecordBits) - 1);
  // An unbounded count stops where it no longer matters.
  const bool enough = rule.counter_max == layout::kInfinityWord && record.count >= rule.counter_min;
  if (!enough) ++record.count;
  return registers_.InternRecord(std::move(record), rule.required());
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
  if (!enough) *reg = registers_.WithCount(*reg, rule.required());
  return true;
}

uint32_t ConfigStore::Intern(ItemSet* items) {
  if (items->size() > 1) {
    std::sort(items->begin(), items->end());
    items->erase(std::unique(items->begin(), items->end()), items->end());
  }
  uint64_t hash = items->size();
  for (const Item& m : *items) hash = HashMix(hash, HashOf(m));
  const uint32_t found = config_table_.Find(hash, [&](uint32_t id) {
    const Items other = this->items(id);
    return std::equal(other.begin(), other.end(), items->begin(), items->end());
  });
  if (found != InternTable::kNone) return found;
  const size_t size = items->size();
  if (block_size_ - block_used_ < size || blocks_.empty()) {
    block_size_ = std::max(blocks_.empty() ? kBlockItems / 16 : kBlockItems, size);
    block_used_ = 0;
    item_bytes_ += block_size_ * sizeof(Item);
    blocks_.push_back(std::make_unique<Item[]>(block_size_));
  }
  Item* place = blocks_.back().get() + block_used_;
  block_used_ += size;
  std::copy(items->begin(), items->end(), place);
  const auto id = static_cast<uint32_t>(configs_.size());
  configs_.push_back({place, static_cast<uint32_t>(size), kNone, kForcedUnknown, Answer::kUnknown,
                      program_.has_token_edges() ? Answer::kUnknown : Answer::kNo});
  config_table_.Add(hash);
  return id;
}

uint32_t ConfigStore::Step(uint32_t config, uint8_t byte) {
  const uint64_t key = ByteStepKey(config, byte);
  const uint32_t known = byte_steps_.Get(key);
  if (known != FlatMap::kNone) return known;
  const StepScope step(this);
  StepItems(items(config), byte, &stepped_next_);
  const uint32_t next = Intern(&stepped_next_);
  byte_steps_.Put(key, next);
  return next;
}

bool ConfigStore::HasTokenMoves(uint32_t config) {
  if (configs_[config].token_moves == Answer::kUnknown) {
    const StepScope step(this);
    ItemSet closed;
    Close(items(config), &closed);
    const bool moves = std::any_of(closed.begin(), closed.end(), [&](const Item& m) {
      return m.state != kCompleteState && program_.HasTokenEdges(m.state);
    });
    configs_[config].token_moves = moves ? Answer::kYes : Answer::kNo;
    configs_[config].work += step.spent();
  }
  return configs_[config].token_moves == Answer::kYes;
}

uint32_t ConfigStore::StepToken(uint32_t config, int32_t id, std::string_view bytes) {
  const uint64_t key = TokenStepKey(config, id);
  const uint32_t known = token_steps_.Get(key);
  if (known != FlatMap::kNone) return known;
  const bool has_token_moves = HasTokenMoves(config);
  const StepScope step(this);
  ItemSet set;
  if (!bytes.empty()) {
    const Items from = items(config);
    set.assign(from.begin(), from.end());
    for (const char c : bytes) {
      if (!StepItems(set, static_cast<uint8_t>(c), &stepped_next_)) {
        set.clear();
        break;
      }
      set.swap(stepped_next_);
    }
  }
  if (has_token_moves) {
    ItemSet closed;
    Close(items(config), &closed);
    for (const Item& m : closed) {
      if (m.state == kCompleteState) continue;
      TickWords(program_.TokenEdges(m.state).size());
      for (const Program::TokenEdge& e : program_.TokenEdges(m.state)) {
        const auto token = static_cast<uint32_t>(id);
        if (token >= e.lo && token <= e.hi && Admits(e.target, m.reg))
          Arrive({m.stack, e.target, m.reg, m.text}, &set);
      }
    }
  }
  if (program_.has_token_limits()) CountToken(&set);
  const uint32_t next = Intern(&set);
  token_steps_.Put(key, next);
  return next;
}

bool ConfigStore::IsLastToken(const Item& item) const {
  if (item.state == kCompleteState) return false;
  const Program::Rule& rule = program_.RuleOf(item.state);
  return rule.token_limited() && item.reg + 1 >= rule.counter_max;
}

void ConfigStore::CountToken(ItemSet* set) {
  const ItemSet before = std::move(*set);
  set->clear();
  for (Item m : before) {
    Item after;
    if (!IsLastToken(m)) {
      if (m.state != kCompleteState && program_.RuleOf(m.state).token_limited()) ++m.reg;
      set->push_back(m);
    } else if (MayReturn(m) && Leave(m, &after)) {
      Arrive(after, set);
    }
  }
}

bool ConfigStore::HasByteMoves(uint32_t config) {
  const StepScope step(this);
  const ByteSet may = MayFollow(items(config), nullptr);
  for (uint32_t byte = 0; byte < 256; ++byte) {
    if (Contains(may, static_cast<uint8_t>(byte)) &&
        CanStep(items(config), static_cast<uint8_t>(byte))) {
      return true;
    }
  }
  return false;
}

int ConfigStore::ForcedByte(uint32_t config) {
  if (configs_[config].forced == kForcedUnknown) {
    int forced = -1;
    if (!HasTokenMoves(config) && !Complete(config)) {
      const StepScope step(this);
      const Items items = this->items(config);
      const ByteSet may = MayFollow(items, nullptr);
      int count = 0;
      for (size_t w = 0; w < may.size() && count < 2; ++w) {
        for (uint64_t bits = may[w]; bits != 0 && count < 2; bits &= bits - 1) {
          const int byte = static_cast<int>(w * 64) + std::countr_zero(bits);
          if (!CanStep(items, static_cast<uint8_t>(byte))) continue;
          forced = byte;
          ++count;
        }
      }
      if (count == 1) {  // followed at once: what that takes is part of the answer
        const auto byte = static_cast<uint8_t>(forced);
        StepItems(items, byte, &stepped_next_);
        const uint64_t key = ByteStepKey(config, byte);
        if (byte_steps_.Get(key) == FlatMap::kNone) byte_steps_.Put(key, Intern(&stepped_next_));
      } else {
        forced = -1;
      }
      configs_[config].work += step.spent();
    }
    configs_[config].forced = static_cast<int16_t>(forced);
  }
  return configs_[config].forced;
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
  const Program::Rule& rule = program_.RuleOf(state);
  if (rule.registers()) return reg;  // records are not abstracted
  if (rule.token_limited()) return reg + 1 >= rule.counter_max;
  const Room room = RoomOf(state, reg);
  return uint64_t{room.to_max} << 32 | room.to_min;
}

uint32_t ConfigStore::ClassOf(uint32_t config) {
  if (!program_.has_counters()) return config;
  if (configs_[config].cls != kNone) return configs_[config].cls;
  std::vector<ClassItem> set;
  set.reserve(configs_[config].size);
  for (const Item& m : items(config)) {
    set.push_back({m.state == kCompleteState ? 0 : RoomKey(m.state, m.reg), stacks_[m.stack].cls,
                   m.state, m.text});
  }
  std::sort(set.begin(), set.end());
  set.erase(std::unique(set.begin(), set.end()), set.end());
  uint64_t hash = set.size();
  for (const ClassItem& m : set) {
    hash = HashMix(HashMix(HashMix(hash, m.room), m.stack_class), uint64_t{m.text} << 32 | m.state);
  }
  uint32_t cls = class_table_.Find(hash, [&](uint32_t id) {
    const auto [first, size] = class_spans_[id];
    return size == set.size() && std::equal(set.begin(), set.end(), class_items_.begin() + first);
  });
  if (cls == InternTable::kNone) {
    cls = static_cast<uint32_t>(class_spans_.size());
    class_spans_.emplace_back(static_cast<uint32_t>(class_items_.size()),
                              static_cast<uint32_t>(set.size()));
    class_items_.insert(class_items_.end(), set.begin(), set.end());
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
  return sizeof(*this) + bytes(configs_) + item_bytes_ + bytes(stacks_) + bytes(class_spans_) +
         bytes(class_items_) + bytes(first_index_) + bytes(first_bytes_) + bytes(stack_classes_) +
         bytes(masks_) + bytes(places_) + config_table_.memory_bytes() +
         stack_table_.memory_bytes() + class_table_.memory_bytes() +
         stack_class_table_.memory_bytes() + byte_steps_.memory_bytes() +
         token_steps_.memory_bytes() + registers_.memory_bytes() + mask_bytes_;
}

}  // namespace diecast
