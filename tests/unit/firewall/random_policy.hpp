// Policies and choices at random, the same for the same seed: what the comparison with the kernel is fed
// with. Addresses and ports come from small pools, which the packets of the comparison are made of, too, so
// that rules and packets meet.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <random>
#include <string>
#include <vector>

namespace ftfw::firewall::test {

class Dice {
 public:
  explicit Dice(std::uint32_t seed) : generator_(seed) {}

  // 0 to below - 1.
  std::uint32_t below(std::uint32_t limit) { return static_cast<std::uint32_t>(generator_() % limit); }
  bool chance(std::uint32_t percent) { return below(100) < percent; }
  template <typename Values>
  const auto& pick(const Values& values) {
    return *(std::begin(values) + below(static_cast<std::uint32_t>(std::size(values))));
  }
  template <typename Value>
  Value pick(std::initializer_list<Value> values) {
    return *(values.begin() + below(static_cast<std::uint32_t>(values.size())));
  }

 private:
  std::mt19937 generator_;
};

// Hosts behind eth1 and behind eth0.
extern const std::vector<std::string> kClients;
extern const std::vector<std::string> kServers;
extern const std::vector<std::string> kClients6;
extern const std::vector<std::string> kServers6;
extern const std::vector<std::uint16_t> kPorts;

// Sections of [firewall] for config_of() (constructs.hpp). It may be one that the configuration refuses (a
// NAT between families): then ask for another.
std::string random_policy(Dice& dice);

}  // namespace ftfw::firewall::test
