#include "native/matcher/mask_job.h"

#include <mutex>
#include <utility>

#include "native/matcher/configuration_import.h"
#include "native/matcher/mask_builder.h"
#include "native/matcher/pace.h"

namespace diecast {

MaskJob::MaskJob(std::shared_ptr<CompiledGrammar> grammar, std::shared_ptr<ConfigStore> store,
                 uint32_t config)
    : grammar_(std::move(grammar)),
      store_(std::move(store)),
      config_(config),
      cls_(store_->ClassOf(config)) {}

bool MaskJob::Run(const std::function<bool()>& wanted) {
  Pace pace(wanted);
  try {
    entry_ = Make(pace);
  } catch (const Pace::Stop&) {
    return false;
  } catch (...) {
    failure_ = std::current_exception();
  }
  done_.store(true, std::memory_order_release);
  return true;
}

std::shared_ptr<const MaskEntry> MaskJob::Make(Pace& pace) {
  CompiledGrammar& grammar = *grammar_;
  const auto store = grammar.NewStore();
  MaskBuilder builder(grammar.vocabulary(), grammar.program(), grammar.lexemes());
  uint32_t config = ConfigStore::kDead;
  {
    const std::lock_guard lock(grammar.mutex());
    config = ConfigImport(*store_, store.get()).Of(config_);
  }
  auto entry = builder.Build(*store, config, pace);
  const std::lock_guard lock(grammar.mutex());
  grammar.KeepMask(*store_, cls_, entry);
  return entry;
}

TokenMask MaskJob::Take() {
  if (failure_) std::rethrow_exception(failure_);
  TokenMask mask = ShowMask(entry_, *grammar_);
  mask.cold = !std::exchange(taken_, true);
  return mask;
}

}  // namespace diecast
