// The addon's entry: registers every class and function, and nothing else. src/engine/binding.ts
// lists the same names. There are no statics: Node may load the addon in several threads.
#include <napi.h>

#include "native/addon/engine_wrap.h"
#include "native/addon/gguf_wrap.h"
#include "native/addon/matcher_wrap.h"
#include "native/addon/tokenizer_wrap.h"

namespace diecast::addon {

class DiecastAddon : public Napi::Addon<DiecastAddon> {
 public:
  DiecastAddon(Napi::Env env, Napi::Object exports) {
    RegisterTokenizer(env, exports);
    RegisterGguf(env, exports);
    RegisterMatcher(env, exports);
    RegisterEngine(env, exports);
  }
};

}  // namespace diecast::addon

using diecast::addon::DiecastAddon;
NODE_API_ADDON(DiecastAddon)
