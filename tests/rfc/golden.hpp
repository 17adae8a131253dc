// Packets whose bytes do not come from this program: from captures of others, or computed by hand from the
// RFCs.
#pragma once

#include "tests/unit/vrrp/engine_driver.hpp"

namespace ftfw::test {

// keepalived's packet for id 0x33 with password "d0cker", as captured by its users.
inline const ByteVector kGoldenVersion2{0x21, 0x33, 0x33, 0x01, 0x01, 0x01, 0xbb, 0x25, 0xc0, 0xa8,
                                        0x01, 0xee, 0x64, 0x30, 0x63, 0x6b, 0x65, 0x72, 0x00, 0x00};
inline vrrp::Advertisement golden_version_2() {
  return {.version = 2,
          .id = 0x33,
          .priority = 0x33,
          .interval = 1s,
          .addresses = {ip("192.168.1.238")},
          .pass = vrrp::Pass{'d', '0', 'c', 'k', 'e', 'r', 0, 0}};
}

// id 10, priority 200, 100 cs, 192.0.2.1 from 192.0.2.252 to the group, in both checksum forms. The first is
// also what keepalived 2.3.1 sends.
inline const IpAddress kGoldenSource = ip("192.0.2.252");
inline const ByteVector kGoldenPseudoHeader{0x31, 0x0a, 0xc8, 0x01, 0x00, 0x64,
                                            0xa1, 0x02, 0xc0, 0x00, 0x02, 0x01};
inline const ByteVector kGoldenMessageOnly{0x31, 0x0a, 0xc8, 0x01, 0x00, 0x64,
                                           0x44, 0x8e, 0xc0, 0x00, 0x02, 0x01};
// The same to 192.0.2.253 alone.
inline const IpAddress kGoldenPeer = ip("192.0.2.253");
inline const ByteVector kGoldenUnicast{0x31, 0x0a, 0xc8, 0x01, 0x00, 0x64,
                                       0xbe, 0x17, 0xc0, 0x00, 0x02, 0x01};
inline vrrp::Advertisement golden_version_3() {
  return {.version = 3,
          .id = 10,
          .priority = 200,
          .interval = 1s,
          .addresses = {ip("192.0.2.1")},
          .pass = std::nullopt};
}

// The same for fe80::100 and 2001:db8::100, from fe80::1 to ff02::12.
inline const IpAddress kGoldenIpv6Source = ip("fe80::1");
inline const ByteVector kGoldenIpv6{0x31, 0x0a, 0xc8, 0x02, 0x00, 0x64, 0xda, 0x25, 0xfe, 0x80,
                                    0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
                                    0x00, 0x00, 0x01, 0x00, 0x20, 0x01, 0x0d, 0xb8, 0x00, 0x00,
                                    0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x01, 0x00};
inline vrrp::Advertisement golden_ipv6() {
  vrrp::Advertisement advertisement = golden_version_3();
  advertisement.addresses = {ip("fe80::100"), ip("2001:db8::100")};
  return advertisement;
}

}  // namespace ftfw::test
