// A mask that takes long, made without holding the grammar's lock: on a store of the job's own,
// into which the configuration is imported, by a builder of its own. Only the tables of lexemes are
// shared, and the mask itself is put into the memo at the end.
#pragma once

#include <atomic>
#include <cstdint>
#include <exception>
#include <functional>
#include <memory>

#include "native/matcher/compiled_grammar.h"
#include "native/matcher/configuration.h"
#include "native/matcher/mask.h"
#include "native/matcher/matcher.h"

namespace diecast {

/// The mask of an entry of the grammar's.
TokenMask ShowMask(std::shared_ptr<const MaskEntry> entry, CompiledGrammar& grammar);

/// Thread: `Run` on any one thread at a time; the others on one thread.
class MaskJob {
 public:
  /// Call with the grammar's lock held.
  MaskJob(std::shared_ptr<CompiledGrammar> grammar, std::shared_ptr<ConfigStore> store,
          uint32_t config);

  /// Makes the mask, or keeps the reason why there is none. `wanted` is asked every few
  /// microseconds: when it says no, false is returned and nothing is done().
  bool Run(const std::function<bool()>& wanted);

  /// Whether the mask, or the reason, is there.
  bool done() const { return done_.load(std::memory_order_acquire); }
  /// Once done(): the mask; `cold` for the first one that takes it. Throws what Run met.
  TokenMask Take();

  /// Whether this makes the mask of a configuration. Call with the grammar's lock held.
  bool Makes(ConfigStore& store, uint32_t config) const {
    return store_.get() == &store && store.ClassOf(config) == cls_;
  }

 private:
  std::shared_ptr<const MaskEntry> Make(Pace& pace);

  const std::shared_ptr<CompiledGrammar> grammar_;
  const std::shared_ptr<ConfigStore> store_;  // the grammar's lock guards it
  const uint32_t config_;
  const uint32_t cls_;
  std::atomic<bool> done_ = false;
  // Written before, and read after done_ is set.
  std::shared_ptr<const MaskEntry> entry_;
  std::exception_ptr failure_;
  bool taken_ = false;
};

}  // namespace diecast
