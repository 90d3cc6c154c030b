// Dequantize gives bit for bit what the Python package `gguf` gives
// (test/fixtures/gguf/make_dequant.py wrote the fixture).
#include <cstring>
#include <fstream>
#include <iterator>
#include <set>
#include <vector>

#include "native/loader/byte_cursor.h"
#include "native/loader/gguf.h"
#include "native/test/check.h"

using namespace diecast;

namespace {

void ExpandsEveryTypeAsTheReference(const std::vector<uint8_t>& fixture) {
  ByteCursor cursor(fixture);
  cursor.Skip(4, "magic");
  std::set<uint32_t> seen;
  while (cursor.remaining() > 0) {
    const auto number = cursor.Read<uint32_t>("type");
    const auto type = static_cast<TensorType>(number);
    const auto count = cursor.Read<uint32_t>("count");
    const auto size = cursor.Read<uint32_t>("size");
    const TypeTraits traits = TraitsOf(type);
    CHECK(uint64_t{size} * traits.block_elements == uint64_t{count} * traits.block_bytes);
    const uint8_t* blocks = fixture.data() + cursor.offset();
    cursor.Skip(size, "blocks");
    const uint8_t* expected = fixture.data() + cursor.offset();
    cursor.Skip(uint64_t{count} * sizeof(float), "expected");
    std::vector<float> actual(count);
    Dequantize(type, blocks, actual.data(), count);
    for (uint32_t i = 0; i < count; ++i) {
      if (std::memcmp(&actual[i], expected + i * sizeof(float), sizeof(float)) == 0) continue;
      float reference;
      std::memcpy(&reference, expected + i * sizeof(float), sizeof(float));
      std::fprintf(stderr, "%s element %u: got %.9g, reference %.9g\n", traits.name, i,
                   static_cast<double>(actual[i]), static_cast<double>(reference));
      std::exit(1);
    }
    seen.insert(number);
  }
  CHECK(seen.size() == 11);
  std::printf("dequantize: %zu types equal the reference bit for bit\n", seen.size());
}

void RefusesPartialBlocksAndUnknownTypes() {
  std::vector<uint8_t> blocks(1024);
  std::vector<float> out(1024);
  CHECK_THROWS(Dequantize(TensorType::kQ4_K, blocks.data(), out.data(), 255));
  CHECK_THROWS(TraitsOf(static_cast<TensorType>(4)));
  CHECK_THROWS(TraitsOf(static_cast<TensorType>(0xffffffff)));
}

}  // namespace

int main() {
  std::ifstream file("test/fixtures/gguf/dequant.bin", std::ios::binary);
  const std::vector<uint8_t> fixture{std::istreambuf_iterator<char>(file), {}};
  CHECK(fixture.size() > 4 && std::memcmp(fixture.data(), "DQF1", 4) == 0);
  ExpandsEveryTypeAsTheReference(fixture);
  RefusesPartialBlocksAndUnknownTypes();
  return 0;
}
