// JavaScript class Engine: load, submit, cancel, one batched event a step, close.
#pragma once

#include <napi.h>

namespace diecast::addon {

void RegisterEngine(Napi::Env env, Napi::Object exports);

}  // namespace diecast::addon
