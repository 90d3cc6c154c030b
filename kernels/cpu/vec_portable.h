// Four float lanes by the compiler's vector extension: what vector_ops.h and attention.h need of a
// vector type, on any processor.
#pragma once

#include <cstdint>
#include <cstring>

#include "kernels/cpu/half.h"

namespace diecast {
namespace {

struct VecPortable {
  typedef float Reg __attribute__((vector_size(16)));
  typedef int32_t Int __attribute__((vector_size(16)));
  static constexpr int kLanes = 4;
  static constexpr int kQueries = 2;
  static constexpr int kScoreKeys = 4;
  static constexpr int kValueVectors = 4;

  static Reg Zero() { return Reg{0, 0, 0, 0}; }
  static Reg Set(float x) { return Reg{x, x, x, x}; }
  static Reg Load(const float* p) {
    Reg r;
    std::memcpy(&r, p, sizeof(r));
    return r;
  }
  static Reg Load(const Half* p) {
    Reg r;
    for (int i = 0; i < 4; ++i) r[i] = FiniteHalfToFloat(static_cast<uint16_t>(p[i]));
    return r;
  }
  static Reg Load(const Brain* p) {
    Reg r;
    for (int i = 0; i < 4; ++i) r[i] = BrainToFloat(static_cast<uint16_t>(p[i]));
    return r;
  }
  static Reg Load(const int8_t* p) {
    Reg r;
    for (int i = 0; i < 4; ++i) r[i] = static_cast<float>(p[i]);
    return r;
  }
  /// (field - zero) * factor, for a field of each 32-bit lane: the bits of `kMask`, shifted by 0
  /// or 4.
  template <uint32_t kMask, int kZero>
  class ScaledField {
   public:
    ScaledField(uint32_t shift, float factor) : shift_(shift), factor_(Set(factor)) {}
    Reg operator()(const uint8_t* lanes) const {
      Reg r;
      for (int i = 0; i < kLanes; ++i) {
        uint32_t lane;
        std::memcpy(&lane, lanes + 4 * i, 4);
        r[i] = static_cast<float>(static_cast<int32_t>(lane >> shift_ & kMask) - kZero);
      }
      return r * factor_;
    }

   private:
    uint32_t shift_;
    Reg factor_;
  };
  static void Store(float* p, Reg r) { std::memcpy(p, &r, sizeof(r)); }
  static void StoreHalf(Half* p, Reg r) {
    for (int i = 0; i < 4; ++i) p[i] = static_cast<Half>(FloatToHalf(r[i]));
  }
  static void StoreBrain(Brain* p, Reg r) {
    for (int i = 0; i < 4; ++i) p[i] = static_cast<Brain>(FloatToBrain(r[i]));
  }
  static void StoreInt8(int8_t* p, Reg r) {
    for (int i = 0; i < 4; ++i) p[i] = static_cast<int8_t>(__builtin_lrintf(r[i]));
  }
  static Reg Add(Reg a, Reg b) { return a + b; }
  static Reg Sub(Reg a, Reg b) { return a - b; }
  static Reg Mul(Reg a, Reg b) { return a * b; }
  static Reg Div(Reg a, Reg b) { return a / b; }
  static Reg Fma(Reg a, Reg b, Reg c) { return a * b + c; }
  static Reg Select(Int mask, Reg a, Reg b) {
    return reinterpret_cast<Reg>((reinterpret_cast<Int>(a) & mask) |
                                 (reinterpret_cast<Int>(b) & ~mask));
  }
  /// a where the lane's bit is set, else b.
  static Reg SelectBits(uint32_t bits, Reg a, Reg b) {
    const Int lane = {1, 2, 4, 8};
    const auto all = static_cast<int32_t>(bits);
    return Select((Int{all, all, all, all} & lane) == lane, a, b);
  }
  static Reg Max(Reg a, Reg b) { return Select(a > b, a, b); }
  static Reg Min(Reg a, Reg b) { return Select(a < b, a, b); }
  /// A bit for each lane where a > b; none where either is NaN.
  static uint32_t GreaterBits(Reg a, Reg b) {
    uint32_t bits = 0;
    for (int i = 0; i < kLanes; ++i) bits |= uint32_t{a[i] > b[i]} << i;
    return bits;
  }
  static Reg Abs(Reg a) {
    return reinterpret_cast<Reg>(reinterpret_cast<Int>(a) &
                                 Int{0x7fffffff, 0x7fffffff, 0x7fffffff, 0x7fffffff});
  }
  /// To the nearest integer, for |a| < 2^22.
  static Reg Round(Reg a) {
    const Reg magic = Set(12582912.0f);
    return (a + magic) - magic;
  }
  static Reg ScaleByPowerOfTwo(Reg a, Reg n) {
    const Int exponent = (__builtin_convertvector(n, Int) + 127) << 23;
    return a * reinterpret_cast<Reg>(exponent);
  }
  static float ReduceAdd(Reg a) { return (a[0] + a[2]) + (a[1] + a[3]); }
  static float ReduceMax(Reg a) {
    const float x = a[0] > a[2] ? a[0] : a[2];
    const float y = a[1] > a[3] ? a[1] : a[3];
    return x > y ? x : y;
  }
  /// Lane i: the sum of row i of four.
  static Reg SumRows(const float* rows) {
    Reg r;
    for (int i = 0; i < kLanes; ++i) r[i] = ReduceAdd(Load(rows + i * kLanes));
    return r;
  }
};

}  // namespace
}  // namespace diecast
