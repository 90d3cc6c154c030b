#include "native/matcher/configuration_import.h"

#include <utility>

namespace diecast {

uint32_t ConfigImport::Of(uint32_t config) {
  if (const uint32_t known = configs_.Get(config); known != FlatMap::kNone) return known;
  ConfigStore::ItemSet set;
  for (const ConfigStore::Item& m : from_.items(config)) {
    const uint32_t reg = m.state == ConfigStore::kCompleteState ? 0 : Register(m.state, m.reg);
    set.push_back({Stack(m.stack), m.state, reg, Text(m.text)});
  }
  const uint32_t id = to_.Intern(&set);
  configs_.Put(config, id);
  return id;
}

// Stacks and texts are chains of any length: no recursion.
uint32_t ConfigImport::Stack(uint32_t stack) {
  path_.clear();
  uint32_t to = FlatMap::kNone;
  for (; stack != ConfigStore::kBottom; stack = from_.stacks_[stack].parent) {
    to = stacks_.Get(stack);
    if (to != FlatMap::kNone) break;
    path_.push_back(stack);
  }
  if (stack == ConfigStore::kBottom) to = ConfigStore::kBottom;
  while (!path_.empty()) {
    const uint32_t id = path_.back();
    path_.pop_back();
    const ConfigStore::StackNode& node = from_.stacks_[id];
    to = to_.Push(to, node.state, Register(node.state, node.reg), Text(node.text_start));
    stacks_.Put(id, to);
  }
  return to;
}

uint32_t ConfigImport::Text(uint32_t text) {
  const RegisterStore& registers = from_.registers_;
  const uint32_t fresh = text & ConfigStore::kFresh;
  text &= ~ConfigStore::kFresh;
  if (text == RegisterStore::kNoText) return text;
  const size_t first = path_.size();  // a stack's links may be waiting below
  uint32_t to = RegisterStore::kEmptyText;
  for (; text != RegisterStore::kEmptyText; text = registers.Parent(text)) {
    if (const uint32_t known = texts_.Get(text); known != FlatMap::kNone) {
      to = known;
      break;
    }
    path_.push_back(text);
  }
  for (; path_.size() > first; path_.pop_back()) {
    to = to_.registers_.Append(to, registers.LastByte(path_.back()));
    texts_.Put(path_.back(), to);
  }
  return to | fresh;
}

uint32_t ConfigImport::Register(uint32_t state, uint32_t reg) {
  const Program::Rule& rule = from_.program_.RuleOf(state);
  if (!rule.registers()) return reg;
  const uint32_t slot = reg & ~ConfigStore::kRecordMask;
  const uint32_t id = reg & ConfigStore::kRecordMask;
  if (const uint32_t known = records_.Get(id); known != FlatMap::kNone) return known | slot;
  RegisterStore::Record record = from_.registers_.record(id);
  for (uint32_t& value : record.values) value = Value(value);
  // Only rules of the same requirements share a record.
  const uint32_t to = to_.registers_.InternRecord(std::move(record), rule.required());
  records_.Put(id, to);
  return to | slot;
}

uint32_t ConfigImport::Value(uint32_t value) {
  if (const uint32_t known = values_.Get(value); known != FlatMap::kNone) return known;
  const uint32_t to = to_.registers_.InternValue(from_.registers_.Value(value));
  values_.Put(value, to);
  return to;
}

}  // namespace diecast
