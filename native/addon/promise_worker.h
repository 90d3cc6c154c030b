// One template instead of an AsyncWorker subclass per operation.
#pragma once

#include <napi.h>

#include <functional>
#include <optional>
#include <string>
#include <utility>

#include "native/addon/guard.h"

namespace diecast::addon {

/// Runs `work` off the JavaScript thread and settles a promise with `to_js(result)`.
/// Thread: `work` must not touch any Napi value. Owner: deletes itself.
template <typename T>
class PromiseWorker final : public Napi::AsyncWorker {
 public:
  static Napi::Promise Run(Napi::Env env, std::function<T()> work,
                           std::function<Napi::Value(Napi::Env, T&)> to_js) {
    auto* worker = new PromiseWorker(env, std::move(work), std::move(to_js));
    Napi::Promise promise = worker->deferred_.Promise();
    worker->Queue();
    return promise;
  }

 protected:
  void Execute() override {
    try {
      result_.emplace(work_());
    } catch (const Error& e) {
      code_ = e.code;
      SetError(e.what());
    } catch (const std::bad_alloc&) {
      code_ = ErrorCode::kOutOfMemory;
      SetError("out of memory");
    } catch (const std::exception& e) {
      SetError(e.what());
    }
  }
  void OnOK() override { deferred_.Resolve(to_js_(Env(), *result_)); }
  void OnError(const Napi::Error& error) override {
    deferred_.Reject(ToJs(Env(), code_, error.Message()).Value());
  }

 private:
  PromiseWorker(Napi::Env env, std::function<T()> work,
                std::function<Napi::Value(Napi::Env, T&)> to_js)
      : Napi::AsyncWorker(env),
        deferred_(Napi::Promise::Deferred::New(env)),
        work_(std::move(work)),
        to_js_(std::move(to_js)) {}

  Napi::Promise::Deferred deferred_;
  std::function<T()> work_;
  std::function<Napi::Value(Napi::Env, T&)> to_js_;
  std::optional<T> result_;
  ErrorCode code_ = ErrorCode::kNativeFailure;
};

}  // namespace diecast::addon
