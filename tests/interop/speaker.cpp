#include "tests/interop/speaker.hpp"

namespace ftfw::interop {
namespace {

constexpr const char* kPassword = "papas_con_tomate";

Leg inside_leg() {
  return {"eth1", 61, {"192.168.2.100"}};
}
Leg outside_leg() {
  return {"eth0", 62, {"192.168.0.100"}};
}

}  // namespace

Dialect version_2() {
  return {"v2 PASS 1 s", 2, false, 1s, kPassword, {inside_leg()}};
}
Dialect version_2_without_password() {
  return {"v2 none 1 s", 2, false, 1s, "", {inside_leg()}};
}
Dialect version_3_ipv4() {
  return {"v3 IPv4 100 ms", 3, false, 100ms, "", {inside_leg()}};
}
Dialect version_3_ipv6() {
  return {"v3 IPv6 100 ms", 3, true, 100ms, "", {{"eth1", 61, {"fe80::100", "2001:db8:2::100"}}}};
}
Dialect sync_group() {
  return {"group of 2 100 ms", 3, false, 100ms, "", {inside_leg(), outside_leg()}};
}

Duration skew(const Dialect& dialect, int priority) {
  return (dialect.version == 2 ? Duration(1s) : dialect.interval) * (256 - priority) / 256;
}

Duration down_interval(const Dialect& dialect, int priority) {
  return 3 * dialect.interval + skew(dialect, priority);
}

void Speaker::crash() {
  freeze();
  lab_.cut_all(node_);
  kill();
}

void Speaker::repair() {
  forget_addresses();
  lab_.restore_all(node_);
}

Held held_on_interfaces(lab::Lab& lab, lab::Node node, const Dialect& dialect) {
  Held held;
  for (const Leg& leg : dialect.legs) {
    const auto present = lab.links(node).addresses(leg.interface);
    for (const std::string& address : leg.addresses) {
      ++held.wanted;
      if (present.contains(address)) ++held.present;
    }
  }
  return held;
}

void remove_from_interfaces(lab::Lab& lab, lab::Node node, const Dialect& dialect) {
  for (const Leg& leg : dialect.legs) {
    for (const std::string& address : leg.addresses) lab.links(node).remove_address(leg.interface, address);
  }
}

}  // namespace ftfw::interop
