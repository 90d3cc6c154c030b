// Mutates a valid GGUF file and reads all of it, tokenizer included: every outcome must be a parsed
// file or a diecast::Error. Run under the address and undefined-behaviour sanitizers, which turn
// any other misstep into a crash.
//   gguf_fuzz [SECONDS [SEED]]      default 2 seconds; the seed is printed, and a failure prints
//   the iteration.
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <random>

#include "native/loader/gguf.h"
#include "native/test/gguf_writer.h"
#include "native/tokenizer/tokenizer.h"

using namespace diecast;

namespace {

using Type = GgufValueType;

/// Every metadata type, a complete small tokenizer and a tensor of each type.
std::vector<uint8_t> ValidFile() {
  std::vector<std::string> tokens;
  // The printable half of the byte alphabet is enough for a working vocabulary.
  for (char c = '!'; c <= '~'; ++c) tokens.emplace_back(1, c);
  const std::vector<std::string> merges = {"a b", "ab c", "1 2", "{ }", "e r", "abc er"};
  for (const char* joined : {"ab", "abc", "12", "{}", "er", "abcer"}) tokens.emplace_back(joined);
  tokens.emplace_back("<|im_end|>");
  const TensorType types[] = {TensorType::kF32,  TensorType::kF16,  TensorType::kQ4_0,
                              TensorType::kQ4_1, TensorType::kQ5_0, TensorType::kQ5_1,
                              TensorType::kQ8_0, TensorType::kQ4_K, TensorType::kQ5_K,
                              TensorType::kQ6_K, TensorType::kBF16};
  GgufWriter file(std::size(types), 24);
  file.Scalar<uint32_t>("general.alignment", Type::kUint32, 32);
  file.String("general.architecture", "llama");
  file.Scalar<uint8_t>("m.u8", Type::kUint8, 1);
  file.Scalar<int8_t>("m.i8", Type::kInt8, -1);
  file.Scalar<uint16_t>("m.u16", Type::kUint16, 2);
  file.Scalar<int16_t>("m.i16", Type::kInt16, -2);
  file.Scalar<int32_t>("m.i32", Type::kInt32, -3);
  file.Scalar<float>("m.f32", Type::kFloat32, 1.5f);
  file.Scalar<uint8_t>("m.bool", Type::kBool, 1);
  file.Scalar<uint64_t>("m.u64", Type::kUint64, 4);
  file.Scalar<int64_t>("m.i64", Type::kInt64, -4);
  file.Scalar<double>("m.f64", Type::kFloat64, 2.5);
  file.Array("m.nested", Type::kArray, 2);
  for (int i = 0; i < 2; ++i) {
    file.PutType(Type::kString);
    file.Put<uint64_t>(1);
    file.PutString("x");
  }
  file.Array("m.bools", Type::kBool, 4);
  file.Put<uint32_t>(0x01000101);
  file.Array("m.floats", Type::kFloat32, 3);
  for (const float v : {1.f, 2.f, 3.f}) file.Put(v);
  file.String("tokenizer.ggml.model", "gpt2");
  file.String("tokenizer.ggml.pre", "smollm");
  file.Strings("tokenizer.ggml.tokens", tokens);
  file.Array("tokenizer.ggml.token_type", Type::kInt32, tokens.size());
  for (size_t i = 0; i < tokens.size(); ++i) file.Put<int32_t>(i + 1 == tokens.size() ? 3 : 1);
  file.Strings("tokenizer.ggml.merges", merges);
  file.Scalar<uint32_t>("tokenizer.ggml.bos_token_id", Type::kUint32, 0);
  file.Scalar<uint32_t>("tokenizer.ggml.eos_token_id", Type::kUint32,
                        static_cast<uint32_t>(tokens.size() - 1));
  file.Scalar<uint8_t>("tokenizer.ggml.add_bos_token", Type::kBool, 0);
  file.String("tokenizer.chat_template", "{{ messages }}");
  uint64_t offset = 0;
  for (const TensorType type : types) {
    const TypeTraits traits = TraitsOf(type);
    file.Tensor(std::string("t.") + traits.name, type, {traits.block_elements, 2}, offset);
    offset += (traits.block_bytes * 2 + 31) / 32 * 32;
  }
  file.Pad(32);
  file.Data(offset, 0x3c);
  return file.bytes();
}

/// Uses everything that a parsed file offers.
void ReadAll(std::span<const uint8_t> bytes) {
  const auto file = GgufFile::Parse(bytes);
  for (const std::string_view key : file->Keys()) {
    const auto info = *file->Describe(key);
    if (info.type == Type::kString) (void)file->GetString(key);
    if (info.type == Type::kBool) (void)file->GetBool(key);
    if (info.type == Type::kArray && info.element_type == Type::kString) {
      (void)file->GetStringArray(key);
    }
  }
  for (const TensorView& tensor : file->tensors()) {
    std::vector<float> values(tensor.num_elements());
    Dequantize(tensor.type, tensor.data.data(), values.data(), values.size());
  }
  const auto tokenizer = Tokenizer::FromGguf(*file);
  const std::string text = "abcer {} 1234 <|im_end|>\n caf\xc3\xa9 \xff";
  const auto ids = tokenizer->Encode(text, true);
  (void)tokenizer->Decode(ids, false);
}

const uint64_t kInteresting[] = {
    0,          1,          2,          3,          7,          8,          13,
    31,         32,         127,        128,        255,        256,        0x7fff,
    0xffff,     1u << 20,   1u << 30,   0x7fffffff, 0x80000000, 0xffffffff, 1ull << 32,
    1ull << 60, 1ull << 61, 1ull << 62, 1ull << 63, ~0ull,      ~0ull - 31, ~0ull - 7};

void Mutate(std::vector<uint8_t>* bytes, std::mt19937_64* random) {
  const auto below = [&](size_t n) { return static_cast<size_t>((*random)() % n); };
  for (size_t edits = 1 + below(4); edits > 0 && bytes->size() > 16; --edits) {
    const size_t at = below(bytes->size());
    const size_t length = std::min(bytes->size() - at, size_t{1} << below(5));
    const auto begin = bytes->begin() + static_cast<ptrdiff_t>(at);
    switch (below(6)) {
      case 0:
        *begin = static_cast<uint8_t>((*random)());
        break;
      case 1:
        *begin ^= static_cast<uint8_t>(1u << below(8));
        break;
      case 2: {  // a number where a length, count, offset or dimension may be
        const uint64_t value = kInteresting[below(std::size(kInteresting))];
        std::memcpy(bytes->data() + at, &value, std::min<size_t>(length, 8));
        break;
      }
      case 3:
        bytes->erase(begin, begin + static_cast<ptrdiff_t>(length));
        break;
      case 4: {
        const std::vector<uint8_t> copy(begin, begin + static_cast<ptrdiff_t>(length));
        bytes->insert(bytes->begin() + static_cast<ptrdiff_t>(below(bytes->size())), copy.begin(),
                      copy.end());
        break;
      }
      default:
        if (below(8) == 0) bytes->resize(at);
        break;
    }
  }
}

}  // namespace

int main(int argc, char** argv) {
  const double seconds = argc > 1 ? std::atof(argv[1]) : 2;
  const uint64_t seed = argc > 2 ? std::strtoull(argv[2], nullptr, 10) : std::random_device()();
  std::printf("gguf_fuzz: seed %llu, %g s\n", static_cast<unsigned long long>(seed), seconds);
  std::fflush(stdout);
  const std::vector<uint8_t> valid = ValidFile();
  ReadAll(valid);  // throws, and so fails, when the seed file itself is bad
  const auto end = std::chrono::steady_clock::now() + std::chrono::duration<double>(seconds);
  uint64_t iteration = 0, parsed = 0, refused = 0;
  for (; iteration == 0 || std::chrono::steady_clock::now() < end; ++iteration) {
    std::mt19937_64 random(
        seed + iteration);  // any iteration can be repeated alone: SEED = seed + iteration
    std::vector<uint8_t> bytes = valid;
    Mutate(&bytes, &random);
    // An allocation of the exact size, so that reads past the end are seen.
    const auto exact = std::make_unique<uint8_t[]>(bytes.size());
    std::memcpy(exact.get(), bytes.data(), bytes.size());
    try {
      ReadAll({exact.get(), bytes.size()});
      ++parsed;
    } catch (const Error&) {
      ++refused;
    } catch (const std::exception& e) {
      std::fprintf(stderr, "gguf_fuzz: seed %llu: %s\n",
                   static_cast<unsigned long long>(seed + iteration), e.what());
      return 1;
    }
  }
  std::printf("gguf_fuzz: %llu files, %llu parsed, %llu refused\n",
              static_cast<unsigned long long>(iteration), static_cast<unsigned long long>(parsed),
              static_cast<unsigned long long>(refused));
  // Both outcomes must occur, or the mutations test nothing.
  return parsed > 0 && (refused > 0 || seconds < 1) ? 0 : 1;
}
