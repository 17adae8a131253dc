// Drives one vrrp::Engine under a virtual clock: time passes through every deadline, packets are made from
// values. The node under test is 192.168.2.1 on leg 0 (eth1, id 61) and 192.168.0.1 on leg 1 (eth0, id 62),
// the peer .2 on each; on an IPv6 leg (id 63) they are fe80::1 and fe80::2.
#pragma once

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "vrrp/advertisement.hpp"
#include "vrrp/engine.hpp"

namespace ftfw::test {

inline IpAddress ip(const char* text) {
  return *IpAddress::parse(text);
}

inline vrrp::Settings two_legs(std::uint8_t priority = 100) {
  vrrp::Settings settings;
  settings.priority = priority;
  settings.routers = {{"VI_1", "eth1", 61, {ip("192.168.2.100")}},
                      {"VI_2", "eth0", 62, {ip("192.168.0.100")}}};
  return settings;
}

inline vrrp::Settings one_leg(std::uint8_t priority = 100) {
  vrrp::Settings settings = two_legs(priority);
  settings.routers.pop_back();
  return settings;
}

inline vrrp::Settings version_2(vrrp::Settings settings) {
  settings.version = 2;
  settings.pass = vrrp::Pass{'p', 'a', 'p', 'a', 's', '_', 'c', 'o'};
  return settings;
}

inline vrrp::RouterSettings ipv6_router() {
  return {.name = "VI_6", .interface = "eth1", .id = 63, .addresses = {ip("fe80::100"), ip("2001:db8::100")}};
}
inline vrrp::Settings ipv6_leg(std::uint8_t priority = 100) {
  vrrp::Settings settings;
  settings.priority = priority;
  settings.routers = {ipv6_router()};
  return settings;
}
// Both nodes are in the list, as in a file that serves both.
inline vrrp::Settings unicast_leg(std::uint8_t priority = 100) {
  vrrp::Settings settings = one_leg(priority);
  settings.routers[0].unicast = {ip("192.168.2.1"), ip("192.168.2.2"), ip("192.168.2.3")};
  return settings;
}

struct Sent {
  Instant at;
  std::size_t router;
  vrrp::Advertisement advertisement;
  IpAddress destination;
  vrrp::ChecksumForm checksum;
};

struct Driver {
  explicit Driver(vrrp::Settings settings, std::uint8_t own_host = 1)
      : engine(std::move(settings)), host(own_host) {}

  bool is_ipv4(std::size_t router) const {
    return engine.settings().routers.at(router).family() == Family::ipv4;
  }
  IpAddress address(std::size_t router, std::uint8_t of_host) const {
    if (!is_ipv4(router))
      return IpAddress::ipv6({0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, of_host});
    return IpAddress::ipv4({192, 168, static_cast<std::uint8_t>(router == 0 ? 2 : 0), of_host});
  }
  IpAddress own_address(std::size_t router) const { return address(router, host); }
  IpAddress peer_address(std::size_t router) const { return address(router, host == 1 ? 2 : 1); }
  // Where the peer sends to.
  IpAddress destination(std::size_t router) const {
    const vrrp::RouterSettings& settings = engine.settings().routers.at(router);
    return settings.unicast.empty() ? vrrp::multicast_group(settings.family()) : own_address(router);
  }

  void links_up() {
    for (std::size_t i = 0; i < engine.settings().routers.size(); ++i) link(i, true);
  }
  void link(std::size_t router, bool usable) {
    engine.on_link(now, router, usable, own_address(router));
    drain();
  }
  void tracked(std::size_t index, bool up) {
    engine.on_tracked_interface(now, index, up);
    drain();
  }
  void adjust(int adjustment) {
    engine.set_priority_adjustment(now, adjustment);
    drain();
  }
  Driver& started() {
    links_up();
    engine.start(now);
    drain();
    return *this;
  }
  // To Active by silence, and forgets how it came about.
  Driver& active() {
    started();
    advance(5 * engine.settings().advertisement_interval);
    forget();
    return *this;
  }

  // Lets time pass; every deadline is met exactly.
  void advance(Duration duration) {
    const Instant end = now + duration;
    for (auto due = engine.next_deadline(); due && *due <= end; due = engine.next_deadline()) {
      now = std::max(now, *due);
      engine.on_timer(now);
      drain();
    }
    now = end;
  }
  // The machine sleeps: no deadline is met, then the timer runs.
  void sleep(Duration duration) {
    now += duration;
    engine.on_timer(now);
    drain();
  }

  vrrp::Advertisement advertisement(std::uint8_t priority, std::size_t router = 0) const {
    const vrrp::Settings& settings = engine.settings();
    const std::uint8_t version = vrrp::version_of(settings, settings.routers.at(router));
    return {.version = version,
            .id = settings.routers.at(router).id,
            .priority = priority,
            .interval = settings.advertisement_interval,
            .addresses = settings.routers.at(router).addresses,
            .pass = version == 2 ? settings.pass : std::nullopt};
  }
  void receive(const vrrp::Advertisement& advertisement, std::size_t router = 0,
               std::optional<IpAddress> source = std::nullopt) {
    const IpAddress from = source.value_or(peer_address(router));
    const ByteVector pdu = vrrp::encode(advertisement, from, destination(router));
    receive_bytes(pdu, router, from);
  }
  void receive_bytes(ByteSpan pdu, std::size_t router, const IpAddress& source, std::uint8_t ttl = 255) {
    engine.on_packet(now, router, {source, destination(router), ttl, pdu});
    drain();
  }
  void hear(std::uint8_t priority, std::size_t router = 0) {
    receive(advertisement(priority, router), router);
  }
  // The peer advertises on every leg, each interval, for that long.
  void hear_for(Duration duration, std::uint8_t priority) {
    const Instant end = now + duration;
    while (now < end) {
      for (std::size_t i = 0; i < engine.settings().routers.size(); ++i) hear(priority, i);
      advance(std::min<Duration>(engine.settings().advertisement_interval, end - now));
    }
  }

  template <typename T>
  std::vector<T> outputs() const {
    std::vector<T> found;
    for (const vrrp::Output& output : all) {
      if (const T* match = std::get_if<T>(&output)) found.push_back(*match);
    }
    return found;
  }
  std::vector<vrrp::NoticeKind> notices() const {
    std::vector<vrrp::NoticeKind> kinds;
    for (const vrrp::Notice& notice : outputs<vrrp::Notice>()) kinds.push_back(notice.kind);
    return kinds;
  }
  vrrp::Cause last_cause() const { return outputs<vrrp::StateChanged>().back().cause; }
  void forget() {
    all.clear();
    sent.clear();
  }
  void drain() {
    for (vrrp::Output& output : engine.take_outputs()) {
      if (const auto* send = std::get_if<vrrp::SendAdvertisement>(&output)) {
        const vrrp::Decoded decoded =
            vrrp::decode(send->packet, own_address(send->router), send->destination).value();
        sent.push_back({now, send->router, decoded.advertisement, send->destination, decoded.checksum});
      }
      all.push_back(std::move(output));
    }
  }
  vrrp::State state() const { return engine.state(); }

  vrrp::Engine engine;
  std::uint8_t host;  // 1 or 2: the last number of its addresses
  Instant now{1000s};
  std::vector<vrrp::Output> all;
  std::vector<Sent> sent;
};

// Two nodes on networks without loss or delay.
struct Pair {
  Pair(vrrp::Settings first, vrrp::Settings second) : a(std::move(first), 1), b(std::move(second), 2) {}

  void start() {
    a.started();
    b.started();
    exchange();
  }
  void advance(Duration duration) {
    const Instant end = a.now + duration;
    for (;;) {
      exchange();
      const auto due = vrrp::earlier(a.engine.next_deadline(), b.engine.next_deadline());
      if (!due || *due > end) break;
      a.advance(std::max(*due, a.now) - a.now);
      b.advance(std::max(*due, b.now) - b.now);
    }
    a.advance(end - a.now);
    b.advance(end - b.now);
  }
  // Everything sent since the last time arrives, answers included.
  void exchange() {
    while (!a.sent.empty() || !b.sent.empty()) {
      deliver(a, b);
      deliver(b, a);
    }
  }
  static void deliver(Driver& from, Driver& to) {
    const std::vector<Sent> packets = std::exchange(from.sent, {});
    for (const Sent& one : packets) to.receive(one.advertisement, one.router, from.own_address(one.router));
  }

  Driver a;  // 192.168.2.1, 192.168.0.1
  Driver b;  // 192.168.2.2, 192.168.0.2
};

}  // namespace ftfw::test
