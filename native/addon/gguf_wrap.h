// JavaScript functions ggufInfo and dequantize.
#pragma once

#include <napi.h>

namespace diecast::addon {

void RegisterGguf(Napi::Env env, Napi::Object exports);

}  // namespace diecast::addon
