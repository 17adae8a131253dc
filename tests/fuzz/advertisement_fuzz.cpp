// libFuzzer target: bytes from the network into the advertisement decoder. The first byte chooses the family
// of the packet's addresses; what follows is copied to a buffer of exactly its size, so that a read beyond it
// is caught.
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <memory>

#include "vrrp/advertisement.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace ftfw;
  if (size == 0) return 0;
  const bool ipv6 = (data[0] & 1) != 0;
  const std::size_t length = size - 1;
  const auto exact = std::make_unique<std::uint8_t[]>(length);
  if (length != 0) std::memcpy(exact.get(), data + 1, length);
  const IpAddress source = *IpAddress::parse(ipv6 ? "fe80::1" : "192.0.2.252");
  const IpAddress destination = *IpAddress::parse(ipv6 ? "ff02::12" : "224.0.0.18");

  const auto decoded = vrrp::decode({exact.get(), length}, source, destination);
  if (!decoded) return 0;
  // What was accepted is written back as an advertisement that says the same.
  const ByteVector again = vrrp::encode(decoded->advertisement, source, destination);
  const auto twice = vrrp::decode(again, source, destination);
  if (!twice || twice->advertisement != decoded->advertisement) std::abort();
  return 0;
}
