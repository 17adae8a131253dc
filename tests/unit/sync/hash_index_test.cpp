#include "sync/hash_index.hpp"

#include <doctest/doctest.h>

#include <random>
#include <unordered_map>

using namespace ftfw::sync;

TEST_CASE("an index agrees with a map through random puts and erases") {
  std::mt19937_64 random(3);
  HashIndex index(100'000);
  std::unordered_map<std::uint64_t, std::uint32_t> model;
  for (int i = 0; i < 200'000; ++i) {
    const std::uint64_t hash = random() % 5000;  // few, so that probes run into each other
    if (random() % 3 != 0) {
      const auto note = static_cast<std::uint32_t>(random());
      CHECK(index.put(hash, 0, note));
      model[hash == 0 ? 1 : hash] = note;
    } else {
      CHECK(index.erase(hash) == (model.erase(hash == 0 ? 1 : hash) != 0));
    }
  }
  CHECK(index.size() == model.size());
  for (const auto& [hash, note] : model) {
    REQUIRE(index.find(hash) != nullptr);
    CHECK(index.find(hash)->note == note);
  }
}

TEST_CASE("a full index refuses a new hash and still replaces a known one") {
  HashIndex index(2);
  CHECK(index.put(10, 0, 0));
  CHECK(index.put(20, 0, 0));
  CHECK_FALSE(index.put(30, 0, 0));
  CHECK(index.put(20, 5, 7));
  CHECK(index.find(20)->generation == 5);
}

TEST_CASE("forgetting a generation keeps what was confirmed since, also when the number wraps") {
  HashIndex index(1000);
  for (std::uint64_t i = 1; i <= 100; ++i) index.put(i, i % 2 == 0 ? 0xffffffff : 1, 0);
  index.erase_older_than(0, [](std::uint64_t) { return true; });
  CHECK(index.size() == 50);
  CHECK(index.find(1) != nullptr);
  CHECK(index.find(2) == nullptr);
}

TEST_CASE("an index of many costs less than 64 bytes each") {
  HashIndex index(2'000'000);
  std::mt19937_64 random(1);
  for (int i = 0; i < 100'000; ++i) index.put(random(), 0, 0);
  CHECK(index.bytes() / index.size() < 64);
}
