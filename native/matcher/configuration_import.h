// Brings configurations of one store over to another of the same program: when a memo is dropped,
// and for masks that are made apart.
#pragma once

#include <cstdint>
#include <vector>

#include "native/matcher/configuration.h"

namespace diecast {

/// What configurations share (stacks, texts, records) is brought over once, so that all of a
/// matcher's history costs what it holds, however often its configurations refer to it.
class ConfigImport {
 public:
  /// Both must outlive this.
  ConfigImport(const ConfigStore& from, ConfigStore* to) : from_(from), to_(*to) {}

  /// The same situation, known to the other store.
  uint32_t Of(uint32_t config);

 private:
  uint32_t Stack(uint32_t stack);
  uint32_t Text(uint32_t text);
  uint32_t Register(uint32_t state, uint32_t reg);
  uint32_t Value(uint32_t value);

  const ConfigStore& from_;
  ConfigStore& to_;
  // What was brought over: ids of the one store -> ids of the other.
  FlatMap configs_;
  FlatMap stacks_;
  FlatMap texts_;
  FlatMap records_;
  FlatMap values_;
  std::vector<uint32_t> path_;  // scratch: links not brought over yet, the last one first
};

}  // namespace diecast
