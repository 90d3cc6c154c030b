#include "native/matcher/pace.h"

#include <string>

#include "native/error.h"

namespace diecast {

void Pace::FailTooMuchWork() {
  throw Error(ErrorCode::kGrammarTooLarge,
              "the grammar is too ambiguous: one step along it takes more than " +
                  std::to_string(kMostOfStep) + " units of work");
}

}  // namespace diecast
