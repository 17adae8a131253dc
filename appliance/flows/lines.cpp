#include "appliance/flows/lines.hpp"

#include <libnetfilter_conntrack/libnetfilter_conntrack.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>
#include <netinet/in.h>

#include <memory>
#include <type_traits>

namespace ftfw {
namespace {

struct Destroy {
  void operator()(nf_conntrack* ct) const { nfct_destroy(ct); }
  void operator()(nf_expect* expect) const { nfexp_destroy(expect); }
};
using Conntrack = std::unique_ptr<nf_conntrack, Destroy>;
using Expect = std::unique_ptr<nf_expect, Destroy>;

// What a line begins with, about the longest there is, and what no line reaches (1024 bits of labels).
constexpr std::size_t kUsualLine = 1024;
constexpr std::size_t kLongestLine = 65536;

// print(buffer, size) returns the length it would have needed, as snprintf.
template <typename Print>
void append_printed(std::string& out, Print print) {
  const std::size_t begin = out.size();
  std::size_t room = kUsualLine;
  for (;;) {
    out.resize(begin + room);
    const int printed = print(out.data() + begin, static_cast<unsigned>(room));
    const auto length = static_cast<std::size_t>(printed < 0 ? 0 : printed);
    if (length < room) {
      out.resize(begin + length);
      break;
    }
    if (length >= kLongestLine) {
      out.resize(begin);
      return;
    }
    room = length + 1;
  }
  if (out.size() > begin) out += '\n';
}

unsigned flags_of(LineFormat format) {
  switch (format) {
    case LineFormat::plain:
      return 0;
    case LineFormat::extended:
      return NFCT_OF_SHOW_LAYER3;
  }
  return 0;
}

void print(std::string& out, const nf_conntrack* ct, LineFormat format) {
  append_printed(out, [&](char* buffer, unsigned size) {
    return nfct_snprintf(buffer, size, ct, NFCT_T_UNKNOWN, NFCT_O_DEFAULT, flags_of(format));
  });
}

void print(std::string& out, const nf_expect* expect, LineFormat format) {
  append_printed(out, [&](char* buffer, unsigned size) {
    return nfexp_snprintf(buffer, size, expect, NFCT_T_UNKNOWN, NFCT_O_DEFAULT, flags_of(format));
  });
}

// ---- from values

struct TupleAttributes {
  nf_conntrack_attr ipv4_source;
  nf_conntrack_attr ipv4_destination;
  nf_conntrack_attr ipv6_source;
  nf_conntrack_attr ipv6_destination;
  nf_conntrack_attr source_port;
  nf_conntrack_attr destination_port;
  nf_conntrack_attr family;
  nf_conntrack_attr protocol;
};
constexpr TupleAttributes kOriginal{ATTR_ORIG_IPV4_SRC, ATTR_ORIG_IPV4_DST, ATTR_ORIG_IPV6_SRC,
                                    ATTR_ORIG_IPV6_DST, ATTR_ORIG_PORT_SRC, ATTR_ORIG_PORT_DST,
                                    ATTR_ORIG_L3PROTO,  ATTR_ORIG_L4PROTO};
constexpr TupleAttributes kReply{ATTR_REPL_IPV4_SRC, ATTR_REPL_IPV4_DST, ATTR_REPL_IPV6_SRC,
                                 ATTR_REPL_IPV6_DST, ATTR_REPL_PORT_SRC, ATTR_REPL_PORT_DST,
                                 ATTR_REPL_L3PROTO,  ATTR_REPL_L4PROTO};

bool is_icmp(std::uint8_t protocol) {
  return protocol == IPPROTO_ICMP || protocol == IPPROTO_ICMPV6;
}

void set(nf_conntrack* ct, const TupleAttributes& attributes, const sync::Tuple& tuple) {
  const bool ipv4 = tuple.source.is_ipv4();
  nfct_set_attr_u8(ct, attributes.family, ipv4 ? AF_INET : AF_INET6);
  nfct_set_attr_u8(ct, attributes.protocol, tuple.protocol);
  nfct_set_attr(ct, ipv4 ? attributes.ipv4_source : attributes.ipv6_source, tuple.source.bytes().data());
  nfct_set_attr(ct, ipv4 ? attributes.ipv4_destination : attributes.ipv6_destination,
                tuple.destination.bytes().data());
  if (!is_icmp(tuple.protocol)) {
    nfct_set_attr_u16(ct, attributes.source_port, htons(tuple.source_port));
    nfct_set_attr_u16(ct, attributes.destination_port, htons(tuple.destination_port));
  }
}

Conntrack conntrack_of(const sync::Tuple& original) {
  Conntrack ct(nfct_new());
  set(ct.get(), kOriginal, original);
  return ct;
}

Conntrack conntrack_of(const sync::ConntrackEntry& entry) {
  Conntrack made = conntrack_of(entry.key.original);
  nf_conntrack* ct = made.get();
  set(ct, kReply, entry.reply);
  const sync::Tuple& original = entry.key.original;
  if (is_icmp(original.protocol)) {
    nfct_set_attr_u16(ct, ATTR_ICMP_ID, htons(original.source_port));
    nfct_set_attr_u8(ct, ATTR_ICMP_TYPE, static_cast<std::uint8_t>(original.destination_port >> 8));
    nfct_set_attr_u8(ct, ATTR_ICMP_CODE, static_cast<std::uint8_t>(original.destination_port & 0xff));
  }
  if (entry.status) nfct_set_attr_u32(ct, ATTR_STATUS, *entry.status);
  if (entry.timeout_s) nfct_set_attr_u32(ct, ATTR_TIMEOUT, *entry.timeout_s);
  nfct_set_attr_u32(ct, ATTR_MARK, entry.mark.value_or(0));
  if (entry.tcp) nfct_set_attr_u8(ct, ATTR_TCP_STATE, static_cast<std::uint8_t>(entry.tcp->state));
  if (entry.sctp) nfct_set_attr_u8(ct, ATTR_SCTP_STATE, entry.sctp->state);
  if (entry.dccp) nfct_set_attr_u8(ct, ATTR_DCCP_STATE, entry.dccp->state);
  if (entry.key.zone != 0) nfct_set_attr_u16(ct, ATTR_ZONE, entry.key.zone);
  if (!entry.helper.empty()) nfct_set_attr(ct, ATTR_HELPER_NAME, entry.helper.c_str());
  return made;
}

Expect expect_of(const sync::Expectation& expectation) {
  Expect made(nfexp_new());
  nf_expect* expect = made.get();
  // Each is copied.
  nfexp_set_attr(expect, ATTR_EXP_MASTER, conntrack_of(expectation.master).get());
  nfexp_set_attr(expect, ATTR_EXP_EXPECTED, conntrack_of(expectation.key.expected).get());
  nfexp_set_attr(expect, ATTR_EXP_MASK, conntrack_of(expectation.mask).get());
  nfexp_set_attr_u32(expect, ATTR_EXP_TIMEOUT, expectation.timeout_s);
  nfexp_set_attr_u32(expect, ATTR_EXP_FLAGS, expectation.flags);
  nfexp_set_attr_u32(expect, ATTR_EXP_CLASS, expectation.expect_class);
  if (expectation.key.zone != 0) nfexp_set_attr_u16(expect, ATTR_EXP_ZONE, expectation.key.zone);
  if (!expectation.helper.empty()) nfexp_set_attr(expect, ATTR_EXP_HELPER_NAME, expectation.helper.c_str());
  return made;
}

}  // namespace

void append_line(std::string& out, const nlmsghdr& message, LineFormat format) {
  if (message.nlmsg_type >> 8 == NFNL_SUBSYS_CTNETLINK_EXP) {
    const Expect expect(nfexp_new());
    if (nfexp_nlmsg_parse(&message, expect.get()) == 0) print(out, expect.get(), format);
  } else {
    const Conntrack ct(nfct_new());
    if (nfct_nlmsg_parse(&message, ct.get()) == 0) print(out, ct.get(), format);
  }
}

void append_line(std::string& out, const sync::ConntrackEntry& entry, LineFormat format) {
  print(out, conntrack_of(entry).get(), format);
}

void append_line(std::string& out, const sync::Expectation& expectation, LineFormat format) {
  print(out, expect_of(expectation).get(), format);
}

}  // namespace ftfw
