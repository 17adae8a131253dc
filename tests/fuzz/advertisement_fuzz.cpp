// libFuzzer target: bytes from the network into the advertisement decoder and the checks of reception. The
// first byte says what the leg is (Leg); what follows is copied to a buffer of exactly its size, so that a
// read beyond it is caught.
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <numeric>

#include "vrrp/reception.hpp"

namespace {

using namespace ftfw;

void require(bool condition) {
  if (!condition) std::abort();
}

struct Leg {
  explicit Leg(std::uint8_t bits)
      : ipv6((bits & 1) != 0), unicast((bits & 2) != 0), version_2((bits & 4) != 0) {}

  IpAddress source() const { return *IpAddress::parse(ipv6 ? "fe80::1" : "192.0.2.252"); }
  IpAddress own() const { return *IpAddress::parse(ipv6 ? "fe80::2" : "192.0.2.253"); }
  IpAddress destination() const {
    return unicast ? own() : vrrp::multicast_group(ipv6 ? Family::ipv6 : Family::ipv4);
  }
  vrrp::RouterSettings router(std::uint8_t id) const {
    vrrp::RouterSettings router{.name = "VI_1",
                                .interface = "eth1",
                                .id = id,
                                .addresses = {*IpAddress::parse(ipv6 ? "fe80::100" : "192.0.2.1")}};
    if (unicast) router.unicast = {source(), own()};
    return router;
  }
  vrrp::Settings settings() const {
    vrrp::Settings settings;
    settings.version = version_2 ? 2 : 3;
    if (version_2) settings.pass = vrrp::Pass{'d', '0', 'c', 'k', 'e', 'r'};
    return settings;
  }

  bool ipv6;
  bool unicast;
  bool version_2;
};

// What was accepted is written back as an advertisement that says the same.
void check_decode(ByteSpan pdu, const Leg& leg) {
  const auto decoded = vrrp::decode(pdu, leg.source(), leg.destination());
  if (!decoded) return;
  const ByteVector again =
      vrrp::encode(decoded->advertisement, leg.source(), leg.destination(), decoded->checksum);
  const auto twice = vrrp::decode(again, leg.source(), leg.destination());
  require(twice && twice->advertisement == decoded->advertisement);
}

// Every packet ends in `accepted` or in exactly one reject reason, a malformed one in exactly one class.
void check_receive(ByteSpan pdu, const Leg& leg) {
  const std::uint8_t id = pdu.size() > 1 && pdu[1] != 0 ? pdu[1] : 1;
  vrrp::RouterCounters counters;
  const auto accepted = vrrp::receive(leg.settings(), leg.router(id), leg.own(),
                                      {leg.source(), leg.destination(), 255, pdu}, counters);
  const auto sum = [](const auto& all) { return std::accumulate(all.begin(), all.end(), std::uint64_t{0}); };
  require(counters.received == 1);
  require(counters.accepted == (accepted ? 1 : 0));
  require(counters.accepted + sum(counters.rejected) == 1);
  require(sum(counters.malformed) == counters[vrrp::RejectReason::malformed]);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const Leg leg(data[0]);
  const std::size_t length = size - 1;
  const auto exact = std::make_unique<std::uint8_t[]>(length);
  if (length != 0) std::memcpy(exact.get(), data + 1, length);
  check_decode({exact.get(), length}, leg);
  check_receive({exact.get(), length}, leg);
  return 0;
}
