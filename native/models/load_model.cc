// Picks the implementation of a file's architecture.
#include <string>

#include "native/loader/gguf.h"
#include "native/models/llama.h"
#include "native/models/model.h"

namespace diecast {

std::unique_ptr<CausalModel> LoadModel(std::shared_ptr<const GgufFile> file, ThreadPool& pool,
                                       const ModelOptions& options) {
  const std::string architecture(file->GetString("general.architecture").value_or(""));
  if (architecture == "llama") return LoadLlama(std::move(file), pool, options);
  throw Error(ErrorCode::kModelUnsupported,
              "general.architecture '" + architecture + "' is not supported; supported: llama");
}

}  // namespace diecast
