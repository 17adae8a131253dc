// What single addresses and prefixes must be, whichever section they stand in.
#include <fmt/format.h>

#include <algorithm>

#include "config/sections.hpp"

namespace ftfw::config {

bool check_usable(const IpAddress& address, const Value& value) {
  const IpAddress broadcast = IpAddress::ipv4({255, 255, 255, 255});
  std::string_view why;
  if (address.is_unspecified()) why = "the unspecified address";
  if (address.is_loopback()) why = "a loopback address";
  if (address.is_multicast()) why = "a multicast address";
  if (address == broadcast) why = "the broadcast address";
  if (why.empty()) return true;
  value.error(fmt::format("{} is {}", address.to_string(), why));
  return false;
}

bool check_host_bits(const IpPrefix& prefix, const Value& value) {
  const IpPrefix network = network_of(prefix);
  if (network == prefix) return true;
  value.error(fmt::format("{} has bits set behind its prefix length", prefix.to_string()),
              fmt::format("the network is {}, the host {}", network.to_string(), prefix.address.to_string()));
  return false;
}

IpPrefix network_of(const IpPrefix& prefix) {
  const ByteSpan bytes = prefix.address.bytes();
  ByteVector masked(bytes.begin(), bytes.end());
  for (std::size_t bit = prefix.length; bit < masked.size() * 8; ++bit) {
    masked[bit / 8] = static_cast<std::uint8_t>(masked[bit / 8] & ~(0x80U >> (bit % 8)));
  }
  return {IpAddress::from_bytes(masked).value_or(prefix.address), prefix.length};
}

bool is_virtual(const IpAddress& address, const SyncGroup& group) {
  const auto same = [&](const VirtualAddress& one) { return one.address.address == address; };
  return std::ranges::any_of(group.routers, [&](const VirtualRouter& router) {
    return std::ranges::any_of(router.addresses, same) ||
           std::ranges::any_of(router.excluded_addresses, same);
  });
}

}  // namespace ftfw::config
