#include "sync/hash.hpp"

#include <bit>

namespace ftfw::sync {
namespace {

// Any constants do, as long as they are the same everywhere: digits of pi and e.
constexpr std::uint64_t kKey0 = 0x3141592653589793;
constexpr std::uint64_t kKey1 = 0x2718281828459045;

struct SipState {
  std::uint64_t v0 = kKey0 ^ 0x736f6d6570736575;
  std::uint64_t v1 = kKey1 ^ 0x646f72616e646f6d;
  std::uint64_t v2 = kKey0 ^ 0x6c7967656e657261;
  std::uint64_t v3 = kKey1 ^ 0x7465646279746573;

  void round() {
    v0 += v1, v1 = std::rotl(v1, 13) ^ v0, v0 = std::rotl(v0, 32);
    v2 += v3, v3 = std::rotl(v3, 16) ^ v2;
    v0 += v3, v3 = std::rotl(v3, 21) ^ v0;
    v2 += v1, v1 = std::rotl(v1, 17) ^ v2, v2 = std::rotl(v2, 32);
  }

  void word(std::uint64_t value) {
    v3 ^= value;
    round(), round();
    v0 ^= value;
  }
};

}  // namespace

std::uint64_t hash_of(ByteSpan bytes) {
  SipState state;
  std::uint64_t word = 0;
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    word |= static_cast<std::uint64_t>(bytes[i]) << (i % 8 * 8);
    if (i % 8 == 7) {
      state.word(word);
      word = 0;
    }
  }
  state.word(word | static_cast<std::uint64_t>(bytes.size()) << 56);
  state.v2 ^= 0xff;
  for (int i = 0; i < 4; ++i) state.round();
  return state.v0 ^ state.v1 ^ state.v2 ^ state.v3;
}

void HashInput::add(std::uint16_t value) {
  byte(static_cast<std::uint8_t>(value >> 8));
  byte(static_cast<std::uint8_t>(value));
}

void HashInput::add(std::uint64_t value) {
  for (int shift = 48; shift >= 0; shift -= 16) add(static_cast<std::uint16_t>(value >> shift));
}

void HashInput::add(const Tuple& tuple) {
  byte(static_cast<std::uint8_t>(tuple.source.family()));
  byte(tuple.protocol);
  for (const std::uint8_t value : tuple.source.bytes()) byte(value);
  for (const std::uint8_t value : tuple.destination.bytes()) byte(value);
  add(tuple.source_port);
  add(tuple.destination_port);
}

std::uint64_t hash_of(const ExpectationKey& key) {
  HashInput input;
  input.add(key.expected);
  input.add(key.zone);
  return input.finish();
}

}  // namespace ftfw::sync
