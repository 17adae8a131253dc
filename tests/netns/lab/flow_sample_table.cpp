#include "tests/netns/lab/flow_sample_table.hpp"

#include <arpa/inet.h>
#include <libnetfilter_conntrack/libnetfilter_conntrack_dccp.h>
#include <libnetfilter_conntrack/libnetfilter_conntrack_sctp.h>
#include <libnetfilter_conntrack/libnetfilter_conntrack_tcp.h>

#include <cstring>
#include <optional>
#include <utility>

#include "tests/netns/lab/lab.hpp"

namespace ftfw::lab {
namespace {

constexpr std::uint32_t kReplied = IPS_CONFIRMED | IPS_SEEN_REPLY | IPS_ASSURED;
constexpr std::uint8_t kScaleAndSack = 0x03;

// ---- tuples

Fill between(std::uint8_t protocol, const char* from, std::uint16_t port, const char* to, std::uint16_t at) {
  return [=](nf_conntrack* entry) {
    if (std::strchr(from, ':') == nullptr) {
      nfct_set_attr_u8(entry, ATTR_ORIG_L3PROTO, AF_INET);
      nfct_set_attr_u32(entry, ATTR_ORIG_IPV4_SRC, ipv4_number(from));
      nfct_set_attr_u32(entry, ATTR_ORIG_IPV4_DST, ipv4_number(to));
    } else {
      const in6_addr source = ipv6_number(from);
      const in6_addr destination = ipv6_number(to);
      nfct_set_attr_u8(entry, ATTR_ORIG_L3PROTO, AF_INET6);
      nfct_set_attr(entry, ATTR_ORIG_IPV6_SRC, &source);
      nfct_set_attr(entry, ATTR_ORIG_IPV6_DST, &destination);
    }
    nfct_set_attr_u8(entry, ATTR_ORIG_L4PROTO, protocol);
    switch (protocol) {
      case IPPROTO_ICMP:
      case IPPROTO_ICMPV6:
        nfct_set_attr_u8(entry, ATTR_ICMP_TYPE, protocol == IPPROTO_ICMP ? 8 : 128);
        nfct_set_attr_u8(entry, ATTR_ICMP_CODE, 0);
        nfct_set_attr_u16(entry, ATTR_ICMP_ID, htons(port));
        break;
      case IPPROTO_ESP:
        break;
      default:
        nfct_set_attr_u16(entry, ATTR_ORIG_PORT_SRC, htons(port));
        nfct_set_attr_u16(entry, ATTR_ORIG_PORT_DST, htons(at));
    }
  };
}

Fill tcp(std::uint16_t port, std::uint16_t at = 80) {
  return between(IPPROTO_TCP, "192.168.2.3", port, "192.168.0.3", at);
}
Fill tcp6(std::uint16_t port, std::uint16_t at = 80) {
  return between(IPPROTO_TCP, "2001:db8:2::3", port, "2001:db8::3", at);
}
Fill udp(std::uint16_t port, std::uint16_t at = 53) {
  return between(IPPROTO_UDP, "192.168.2.3", port, "192.168.0.3", at);
}

Fill both(const Fill& one, const Fill& other) {
  return [=](nf_conntrack* entry) {
    one(entry);
    other(entry);
  };
}

Fill in_zone(const Fill& names, nf_conntrack_attr which, std::uint16_t zone) {
  return both(names, [=](nf_conntrack* entry) { nfct_set_attr_u16(entry, which, zone); });
}

// ---- contents

Fill with_status(std::uint32_t status) {
  return [=](nf_conntrack* entry) { nfct_set_attr_u32(entry, ATTR_STATUS, status); };
}

Fill in_state(std::uint8_t state) {
  return both(with_status(kReplied),
              [=](nf_conntrack* entry) { nfct_set_attr_u8(entry, ATTR_TCP_STATE, state); });
}

const Fill kEstablished = in_state(TCP_CONNTRACK_ESTABLISHED);
const Fill kNothing = [](nf_conntrack*) {};

Fill numbers(const Fill& base, std::vector<std::pair<nf_conntrack_attr, std::uint32_t>> values) {
  return [=](nf_conntrack* entry) {
    base(entry);
    for (const auto& [which, value] : values) nfct_set_attr_u32(entry, which, value);
  };
}

Fill scaled(nf_conntrack_attr flags, nf_conntrack_attr mask, nf_conntrack_attr scale, std::uint8_t value) {
  return [=](nf_conntrack* entry) {
    nfct_set_attr_u8(entry, flags, kScaleAndSack);
    nfct_set_attr_u8(entry, mask, kScaleAndSack);
    nfct_set_attr_u8(entry, scale, value);
  };
}

Fill labelled(unsigned first, unsigned second) {
  return both(kEstablished, [=](nf_conntrack* entry) {
    nfct_bitmask* labels = nfct_bitmask_new(127);
    nfct_bitmask_set_bit(labels, first);
    nfct_bitmask_set_bit(labels, second);
    nfct_set_attr(entry, ATTR_CONNLABELS, labels);  // owns it from here on
    nfct_bitmask* mask = nfct_bitmask_new(127);
    for (unsigned bit = 0; bit < 128; ++bit) nfct_bitmask_set_bit(mask, bit);
    nfct_set_attr(entry, ATTR_CONNLABELS_MASK, mask);
  });
}

Fill helped(const Fill& base, const char* helper) {
  return both(base, [=](nf_conntrack* entry) { nfct_set_attr(entry, ATTR_HELPER_NAME, helper); });
}

Fill of_master(std::uint16_t port, std::uint16_t at) {
  return both(kEstablished, [=](nf_conntrack* entry) {
    nfct_set_attr_u8(entry, ATTR_MASTER_L3PROTO, AF_INET);
    nfct_set_attr_u32(entry, ATTR_MASTER_IPV4_SRC, ipv4_number("192.168.2.3"));
    nfct_set_attr_u32(entry, ATTR_MASTER_IPV4_DST, ipv4_number("192.168.0.3"));
    nfct_set_attr_u8(entry, ATTR_MASTER_L4PROTO, IPPROTO_TCP);
    nfct_set_attr_u16(entry, ATTR_MASTER_PORT_SRC, htons(port));
    nfct_set_attr_u16(entry, ATTR_MASTER_PORT_DST, htons(at));
  });
}

Fill translated(const Fill& base, nf_conntrack_attr address, const char* to,
                std::optional<std::pair<nf_conntrack_attr, std::uint16_t>> port = {}) {
  return both(base, [=](nf_conntrack* entry) {
    if (std::strchr(to, ':') == nullptr) {
      nfct_set_attr_u32(entry, address, ipv4_number(to));
    } else {
      const in6_addr target = ipv6_number(to);
      nfct_set_attr(entry, address, &target);
    }
    if (port) nfct_set_attr_u16(entry, port->first, htons(port->second));
  });
}

Fill sctp_state(std::uint8_t state) {
  return both(numbers(with_status(kReplied),
                      {{ATTR_SCTP_VTAG_ORIG, htonl(0x01020304)}, {ATTR_SCTP_VTAG_REPL, htonl(0xa0b0c0d0)}}),
              [=](nf_conntrack* entry) { nfct_set_attr_u8(entry, ATTR_SCTP_STATE, state); });
}

Fill dccp_state(std::uint8_t state) {
  return both(with_status(kReplied), [=](nf_conntrack* entry) {
    nfct_set_attr_u8(entry, ATTR_DCCP_STATE, state);
    nfct_set_attr_u8(entry, ATTR_DCCP_ROLE, 1);
    nfct_set_attr_u64(entry, ATTR_DCCP_HANDSHAKE_SEQ, 0x0000112233445566);
  });
}

Fill adjusted(std::uint32_t by) {
  return numbers(kEstablished, {{ATTR_ORIG_NAT_SEQ_CORRECTION_POS, 1000 + by},
                                {ATTR_ORIG_NAT_SEQ_OFFSET_BEFORE, by},
                                {ATTR_ORIG_NAT_SEQ_OFFSET_AFTER, by + 3},
                                {ATTR_REPL_NAT_SEQ_CORRECTION_POS, 2000 + by},
                                {ATTR_REPL_NAT_SEQ_OFFSET_BEFORE, by + 5},
                                {ATTR_REPL_NAT_SEQ_OFFSET_AFTER, by + 9}});
}

}  // namespace

std::vector<Sample> all_samples() {
  constexpr const char* kVip = kOutsideVirtualAddress;
  const Fill udp_replied = with_status(kReplied);
  std::vector<Sample> all{
      {"TCP with window scale and SACK",
       tcp(1001),
       both(kEstablished, both(scaled(ATTR_TCP_FLAGS_ORIG, ATTR_TCP_MASK_ORIG, ATTR_TCP_WSCALE_ORIG, 7),
                               scaled(ATTR_TCP_FLAGS_REPL, ATTR_TCP_MASK_REPL, ATTR_TCP_WSCALE_REPL, 9))),
       {ATTR_TCP_WSCALE_ORIG, ATTR_TCP_WSCALE_REPL},
       in_state(TCP_CONNTRACK_FIN_WAIT)},
      {"TCP, IPv6", tcp6(1002), kEstablished, {ATTR_TCP_STATE}, in_state(TCP_CONNTRACK_CLOSE_WAIT)},
      {"UDP, not replied", udp(1101), with_status(IPS_CONFIRMED), {}, kNothing},
      {"UDP, replied", udp(1102), with_status(IPS_CONFIRMED | IPS_SEEN_REPLY), {}, with_status(kReplied)},
      {"UDP, assured, IPv6",
       between(IPPROTO_UDP, "2001:db8:2::3", 1103, "2001:db8::3", 53),
       udp_replied,
       {},
       kNothing},
      {"UDP-Lite",
       between(IPPROTO_UDPLITE, "192.168.2.3", 1104, "192.168.0.3", 53),
       udp_replied,
       {ATTR_ORIG_PORT_DST},
       kNothing},
      {"SCTP with tags",
       between(IPPROTO_SCTP, "192.168.2.3", 1201, "192.168.0.3", 2905),
       sctp_state(SCTP_CONNTRACK_ESTABLISHED),
       {ATTR_SCTP_STATE, ATTR_SCTP_VTAG_ORIG, ATTR_SCTP_VTAG_REPL},
       sctp_state(SCTP_CONNTRACK_SHUTDOWN_SENT)},
      {"SCTP, IPv6",
       between(IPPROTO_SCTP, "2001:db8:2::3", 1202, "2001:db8::3", 2905),
       sctp_state(SCTP_CONNTRACK_COOKIE_WAIT),
       {ATTR_SCTP_STATE},
       kNothing},
      {"DCCP with state, role and handshake sequence",
       between(IPPROTO_DCCP, "192.168.2.3", 1301, "192.168.0.3", 5001),
       dccp_state(DCCP_CONNTRACK_OPEN),
       {ATTR_ORIG_PORT_DST, ATTR_DCCP_STATE, ATTR_DCCP_ROLE, ATTR_DCCP_HANDSHAKE_SEQ},
       kNothing},
      {"ICMP",
       between(IPPROTO_ICMP, "192.168.2.3", 77, "192.168.0.3", 0),
       with_status(IPS_CONFIRMED | IPS_SEEN_REPLY),
       {ATTR_ICMP_ID, ATTR_ICMP_TYPE},
       kNothing},
      {"ICMPv6",
       between(IPPROTO_ICMPV6, "2001:db8:2::3", 78, "2001:db8::3", 0),
       with_status(IPS_CONFIRMED | IPS_SEEN_REPLY),
       {ATTR_ICMP_ID, ATTR_ICMP_TYPE},
       kNothing},
      {"GRE with keys",
       between(IPPROTO_GRE, "192.168.2.3", 0x1234, "192.168.0.3", 0x4321),
       udp_replied,
       {ATTR_ORIG_PORT_SRC, ATTR_ORIG_PORT_DST},
       kNothing},
      {"GRE with another key, same hosts",
       between(IPPROTO_GRE, "192.168.2.3", 0x1235, "192.168.0.3", 0x4321),
       udp_replied,
       {ATTR_ORIG_PORT_SRC},
       kNothing},
      {"ESP", between(IPPROTO_ESP, "192.168.2.3", 0, "192.168.0.3", 0), udp_replied, {}, kNothing},
      {"source NAT",
       tcp(1401),
       translated(kEstablished, ATTR_SNAT_IPV4, kVip),
       {},
       in_state(TCP_CONNTRACK_CLOSE)},
      {"source NAT with port",
       tcp(1402),
       translated(kEstablished, ATTR_SNAT_IPV4, kVip, {{ATTR_SNAT_PORT, 61402}}),
       {},
       kNothing},
      {"destination NAT with port",
       between(IPPROTO_TCP, "192.168.0.3", 1403, kVip, 8080),
       translated(kEstablished, ATTR_DNAT_IPV4, "192.168.2.3", {{ATTR_DNAT_PORT, 80}}),
       {},
       kNothing},
      {"both ways",
       between(IPPROTO_TCP, "192.168.2.4", 1404, "192.168.2.9", 8081),
       translated(translated(kEstablished, ATTR_SNAT_IPV4, kVip, {{ATTR_SNAT_PORT, 61404}}), ATTR_DNAT_IPV4,
                  "192.168.0.3", {{ATTR_DNAT_PORT, 81}}),
       {},
       kNothing},
      {"UDP, source NAT with port, not replied",
       udp(1405),
       translated(with_status(IPS_CONFIRMED), ATTR_SNAT_IPV4, kVip, {{ATTR_SNAT_PORT, 61405}}),
       {},
       kNothing},
      {"ICMP, source NAT",
       between(IPPROTO_ICMP, "192.168.2.3", 79, "192.168.0.3", 0),
       translated(with_status(IPS_CONFIRMED | IPS_SEEN_REPLY), ATTR_SNAT_IPV4, kVip),
       {ATTR_ICMP_ID},
       kNothing},
      {"source NAT with port, IPv6",
       tcp6(1406),
       translated(kEstablished, ATTR_SNAT_IPV6, "2001:db8::100", {{ATTR_SNAT_PORT, 61406}}),
       {},
       kNothing},
      {"destination NAT with port, IPv6",
       between(IPPROTO_TCP, "2001:db8::3", 1407, "2001:db8::100", 8080),
       translated(kEstablished, ATTR_DNAT_IPV6, "2001:db8:2::3", {{ATTR_DNAT_PORT, 80}}),
       {},
       kNothing},
      {"sequence adjustment both ways",
       tcp(1501),
       adjusted(10),
       {ATTR_ORIG_NAT_SEQ_CORRECTION_POS, ATTR_ORIG_NAT_SEQ_OFFSET_BEFORE, ATTR_ORIG_NAT_SEQ_OFFSET_AFTER,
        ATTR_REPL_NAT_SEQ_CORRECTION_POS, ATTR_REPL_NAT_SEQ_OFFSET_BEFORE, ATTR_REPL_NAT_SEQ_OFFSET_AFTER},
       adjusted(20)},
      {"mark",
       tcp(1502),
       numbers(kEstablished, {{ATTR_MARK, 0xdecade01}}),
       {ATTR_MARK},
       numbers(kNothing, {{ATTR_MARK, 7}})},
      {"a mark that goes",
       tcp(1503),
       numbers(kEstablished, {{ATTR_MARK, 5}}),
       {ATTR_MARK},
       numbers(kNothing, {{ATTR_MARK, 0}})},
      {"labels", tcp(1504), labelled(1, 127), {ATTR_CONNLABELS}, labelled(2, 66)},
      {"a zone",
       in_zone(tcp(1505), ATTR_ZONE, 5),
       kEstablished,
       {ATTR_ZONE},
       in_state(TCP_CONNTRACK_LAST_ACK)},
      {"the same tuple in another zone",
       in_zone(tcp(1505), ATTR_ZONE, 6),
       kEstablished,
       {ATTR_ZONE},
       kNothing},
      {"a zone of the original direction",
       in_zone(tcp(1506), ATTR_ORIG_ZONE, 7),
       kEstablished,
       {ATTR_ORIG_ZONE},
       in_state(TCP_CONNTRACK_FIN_WAIT)},
      {"a zone of the reply direction",
       in_zone(tcp(1507), ATTR_REPL_ZONE, 8),
       kEstablished,
       {ATTR_REPL_ZONE},
       in_state(TCP_CONNTRACK_FIN_WAIT)},
      {"helper ftp", tcp(1601, 21), helped(kEstablished, "ftp"), {ATTR_HELPER_NAME}, kNothing},
      {"helper ftp, source NAT",
       tcp(1602, 21),
       helped(translated(kEstablished, ATTR_SNAT_IPV4, kVip), "ftp"),
       {ATTR_HELPER_NAME},
       kNothing},
      {"helper ftp, in a zone",
       in_zone(tcp(1606, 21), ATTR_ZONE, 9),
       helped(kEstablished, "ftp"),
       {ATTR_HELPER_NAME},
       kNothing},
      {"helper sip", udp(1603, 5060), helped(udp_replied, "sip"), {ATTR_HELPER_NAME}, kNothing},
      {"helper tftp, IPv6",
       between(IPPROTO_UDP, "2001:db8:2::3", 1604, "2001:db8::3", 69),
       helped(udp_replied, "tftp"),
       {ATTR_HELPER_NAME},
       kNothing},
      {"related to its master",
       tcp(1605, 20'001),
       of_master(1601, 21),
       {ATTR_MASTER_PORT_DST},
       in_state(TCP_CONNTRACK_FIN_WAIT)},
      {"synproxy",
       tcp(1701),
       numbers(kEstablished, {{ATTR_SYNPROXY_ISN, 11}, {ATTR_SYNPROXY_ITS, 22}, {ATTR_SYNPROXY_TSOFF, 33}}),
       {ATTR_SYNPROXY_ISN, ATTR_SYNPROXY_ITS, ATTR_SYNPROXY_TSOFF},
       kNothing},
  };
  constexpr std::pair<const char*, std::uint8_t> kStates[] = {
      {"SYN_RECV", TCP_CONNTRACK_SYN_RECV},     {"FIN_WAIT", TCP_CONNTRACK_FIN_WAIT},
      {"CLOSE_WAIT", TCP_CONNTRACK_CLOSE_WAIT}, {"LAST_ACK", TCP_CONNTRACK_LAST_ACK},
      {"TIME_WAIT", TCP_CONNTRACK_TIME_WAIT},   {"CLOSE", TCP_CONNTRACK_CLOSE}};
  std::uint16_t port = 1010;
  for (const auto& [name, state] : kStates) {
    all.push_back({std::string("TCP in ") + name, tcp(++port), in_state(state), {ATTR_TCP_STATE}, kNothing});
  }
  return all;
}

in6_addr ipv6_number(const char* text) {
  in6_addr address{};
  ::inet_pton(AF_INET6, text, &address);
  return address;
}

std::uint32_t ipv4_number(const char* text) {
  in_addr address{};
  ::inet_pton(AF_INET, text, &address);
  return address.s_addr;
}

}  // namespace ftfw::lab
