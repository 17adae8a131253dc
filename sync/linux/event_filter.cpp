#include "sync/linux/event_filter.hpp"

#include <arpa/inet.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nf_conntrack_tcp.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <linux/netlink.h>

#include <algorithm>
#include <bit>
#include <bitset>
#include <cstddef>

namespace ftfw::sync {

namespace {

// A load behind the end of the message would end the program with "drop", so offsets come from the kernel's
// own search for an attribute (SKF_AD_NLATTR, SKF_AD_NLATTR_NEST: from offset A, type X; 0 is "not there").
class Program {
 public:
  static constexpr std::uint32_t kDrop = 0;
  static constexpr std::uint32_t kPass = UINT32_MAX;

  void add(int code, std::uint32_t k, std::uint8_t if_true = 0, std::uint8_t if_false = 0) {
    code_.push_back({static_cast<std::uint16_t>(code), if_true, if_false, k});
  }
  void finish(std::uint32_t verdict) { add(BPF_RET | BPF_K, verdict); }
  // The verdict if A == k.
  void finish_if(std::uint32_t k, std::uint32_t verdict) {
    add(BPF_JMP | BPF_JEQ | BPF_K, k, 0, 1);
    finish(verdict);
  }
  void find(std::uint32_t type) { search(type, SKF_AD_NLATTR); }
  void find_nested(std::uint32_t type) { search(type, SKF_AD_NLATTR_NEST); }

  // Runs `block` unless A == 0. The jump over it may be longer than a conditional one can be.
  template <typename Block>
  void unless_missing(Block block) {
    add(BPF_JMP | BPF_JEQ | BPF_K, 0, 0, 1);
    const std::size_t jump = code_.size();
    add(BPF_JMP | BPF_JA, 0);
    block();
    code_[jump].k = static_cast<std::uint32_t>(code_.size() - jump - 1);
  }

  // Jumps of any length to where land() is called next.
  void leave_if(std::uint32_t k) { leave(BPF_JMP | BPF_JEQ | BPF_K, k, 0, 1); }
  void leave_unless(std::uint32_t k) { leave(BPF_JMP | BPF_JEQ | BPF_K, k, 1, 0); }
  void leave_if_any(std::uint32_t bits) { leave(BPF_JMP | BPF_JSET | BPF_K, bits, 0, 1); }
  void land() {
    for (const std::size_t jump : left_) code_[jump].k = static_cast<std::uint32_t>(code_.size() - jump - 1);
    left_.clear();
  }

  std::vector<sock_filter> take() { return std::move(code_); }

 private:
  void search(std::uint32_t type, int extension) {
    add(BPF_LDX | BPF_IMM, type);
    add(BPF_LD | BPF_B | BPF_ABS, static_cast<std::uint32_t>(SKF_AD_OFF + extension));
  }

  void leave(int code, std::uint32_t k, std::uint8_t if_true, std::uint8_t if_false) {
    add(code, k, if_true, if_false);
    left_.push_back(code_.size());
    add(BPF_JMP | BPF_JA, 0);
  }

  std::vector<sock_filter> code_;
  std::vector<std::size_t> left_;
};

constexpr std::uint32_t kFirstAttribute = NLMSG_HDRLEN + sizeof(nfgenmsg);
constexpr std::uint32_t kAttributeHeader = sizeof(nlattr);
constexpr std::uint32_t kSubsystemByte =
    offsetof(nlmsghdr, nlmsg_type) + (std::endian::native == std::endian::little ? 1 : 0);
// Scratch memory of the program.
constexpr std::uint32_t kTuple = 0;
constexpr std::uint32_t kAddresses = 1;

// nlmsg_pid is in host order, and BPF loads big-endian.
void drop_sender(Program& program, std::uint32_t port_id) {
  program.add(BPF_LD | BPF_W | BPF_ABS, offsetof(nlmsghdr, nlmsg_pid));
  program.finish_if(htonl(port_id), Program::kDrop);
}

void pass_other_subsystems(Program& program) {
  program.add(BPF_LD | BPF_B | BPF_ABS, kSubsystemByte);
  program.add(BPF_JMP | BPF_JEQ | BPF_K, NFNL_SUBSYS_CTNETLINK, 1, 0);
  program.finish(Program::kPass);
}

// An event without this tuple passes.
void load_tuple(Program& program, std::uint32_t type) {
  program.add(BPF_LD | BPF_IMM, kFirstAttribute);
  program.find(type);
  program.finish_if(0, Program::kPass);
  program.add(BPF_ST, kTuple);
}

void drop_other_protocols(Program& program, const std::vector<std::uint8_t>& protocols) {
  std::bitset<256> wanted;
  for (const std::uint8_t protocol : protocols) wanted.set(protocol);
  load_tuple(program, CTA_TUPLE_ORIG);
  program.find_nested(CTA_TUPLE_PROTO);
  program.finish_if(0, Program::kPass);
  program.find_nested(CTA_PROTO_NUM);
  program.finish_if(0, Program::kPass);
  program.add(BPF_MISC | BPF_TAX, 0);
  program.add(BPF_LD | BPF_B | BPF_IND, kAttributeHeader);
  // Two instructions for each wanted one, then the drop that they jump over.
  auto left = static_cast<std::uint32_t>(wanted.count());
  for (std::uint32_t protocol = 0; protocol < wanted.size(); ++protocol) {
    if (!wanted.test(protocol)) continue;
    program.add(BPF_JMP | BPF_JEQ | BPF_K, protocol, 0, 1);
    program.add(BPF_JMP | BPF_JA, --left * 2 + 1);
  }
  program.finish(Program::kDrop);
}

std::uint32_t word(const IpAddress& address, std::size_t index) {
  const ByteSpan bytes = address.bytes().subspan(4 * index, 4);
  return std::uint32_t{bytes[0]} << 24 | std::uint32_t{bytes[1]} << 16 | std::uint32_t{bytes[2]} << 8 |
         bytes[3];
}

// X is the offset of the attribute.
void drop_ipv4(Program& program, const std::vector<IpAddress>& addresses) {
  program.add(BPF_LD | BPF_W | BPF_IND, kAttributeHeader);
  for (const IpAddress& address : addresses) program.finish_if(word(address, 0), Program::kDrop);
}

void drop_ipv6(Program& program, const std::vector<IpAddress>& addresses) {
  constexpr std::uint8_t kWords = 4;
  for (const IpAddress& address : addresses) {
    for (std::uint8_t i = 0; i < kWords; ++i) {
      program.add(BPF_LD | BPF_W | BPF_IND, kAttributeHeader + 4U * i);
      // Over the rest of this address: two instructions a word, and the drop.
      const auto rest = static_cast<std::uint8_t>(2 * (kWords - 1 - i) + 1);
      program.add(BPF_JMP | BPF_JEQ | BPF_K, word(address, i), 0, rest);
    }
    program.finish(Program::kDrop);
  }
}

// Of one family.
struct Match {
  std::vector<IpAddress> addresses;
  std::vector<IpPrefix> networks;
};
struct Ends {
  Match ipv4;
  Match ipv6;
};

Ends by_family(const std::vector<IpAddress>& addresses, const std::vector<IpPrefix>& networks) {
  Ends ends;
  for (const IpAddress& address : addresses) {
    auto& family = (address.is_ipv4() ? ends.ipv4 : ends.ipv6).addresses;
    if (family.size() < kMaxFilteredAddresses) family.push_back(address);
  }
  for (const IpPrefix& network : networks) {
    auto& family = (network.address.is_ipv4() ? ends.ipv4 : ends.ipv6).networks;
    if (family.size() < kMaxFilteredNetworks) family.push_back(network);
  }
  return ends;
}

// The bits of word `index` that count.
std::uint32_t mask_word(const IpPrefix& network, std::size_t index) {
  const std::size_t bits = network.length > 32 * index ? network.length - 32 * index : 0;
  return bits >= 32 ? UINT32_MAX : ~(UINT32_MAX >> bits);
}

// X is the offset of the attribute.
void drop_networks(Program& program, const std::vector<IpPrefix>& networks) {
  for (const IpPrefix& network : networks) {
    const std::size_t words = network.address.is_ipv4() ? 1 : 4;
    for (std::size_t i = 0; i < words && mask_word(network, i) != 0; ++i) {
      program.add(BPF_LD | BPF_W | BPF_IND, kAttributeHeader + static_cast<std::uint32_t>(4 * i));
      program.add(BPF_ALU | BPF_AND | BPF_K, mask_word(network, i));
      program.leave_unless(word(network.address, i) & mask_word(network, i));
    }
    program.finish(Program::kDrop);
    program.land();
  }
}

// One end of a flow: an address of the tuple, by the attributes that it has in either family.
void drop_ends(Program& program, std::uint32_t tuple, std::uint32_t ipv4, std::uint32_t ipv6,
               const Ends& ends) {
  load_tuple(program, tuple);
  program.find_nested(CTA_TUPLE_IP);
  program.finish_if(0, Program::kPass);
  program.add(BPF_ST, kAddresses);
  program.find_nested(ipv4);
  program.unless_missing([&] {
    program.add(BPF_MISC | BPF_TAX, 0);
    drop_ipv4(program, ends.ipv4.addresses);
    drop_networks(program, ends.ipv4.networks);
  });
  program.add(BPF_LD | BPF_MEM, kAddresses);
  program.find_nested(ipv6);
  program.unless_missing([&] {
    program.add(BPF_MISC | BPF_TAX, 0);
    drop_ipv6(program, ends.ipv6.addresses);
    drop_networks(program, ends.ipv6.networks);
  });
}

// In SYN_SENT, without a reply, and expected by nobody.
void drop_unanswered_tcp(Program& program) {
  program.add(BPF_LD | BPF_IMM, kFirstAttribute);
  program.find(CTA_PROTOINFO);
  program.leave_if(0);
  program.find_nested(CTA_PROTOINFO_TCP);
  program.leave_if(0);
  program.find_nested(CTA_PROTOINFO_TCP_STATE);
  program.leave_if(0);
  program.add(BPF_MISC | BPF_TAX, 0);
  program.add(BPF_LD | BPF_B | BPF_IND, kAttributeHeader);
  program.add(BPF_JMP | BPF_JEQ | BPF_K, TCP_CONNTRACK_SYN_SENT2, 2, 0);  // over both of the next
  program.leave_unless(TCP_CONNTRACK_SYN_SENT);
  program.add(BPF_LD | BPF_IMM, kFirstAttribute);
  program.find(CTA_TUPLE_MASTER);
  program.leave_unless(0);
  program.add(BPF_LD | BPF_IMM, kFirstAttribute);
  program.find(CTA_STATUS);
  program.leave_if(0);
  program.add(BPF_MISC | BPF_TAX, 0);
  program.add(BPF_LD | BPF_W | BPF_IND, kAttributeHeader);
  program.leave_if_any(IPS_SEEN_REPLY | IPS_EXPECTED);
  program.finish(Program::kDrop);
  program.land();
}

}  // namespace

std::vector<sock_filter> event_filter(const EventFilterSettings& settings) {
  const bool ends = !settings.local_addresses.empty() || !settings.excluded_networks.empty();
  if (settings.ignore_port_id == 0 && settings.protocols.empty() && !ends && settings.unanswered_tcp)
    return {};
  Program program;
  if (settings.ignore_port_id != 0) drop_sender(program, settings.ignore_port_id);
  pass_other_subsystems(program);
  if (!settings.protocols.empty()) drop_other_protocols(program, settings.protocols);
  if (!settings.unanswered_tcp) drop_unanswered_tcp(program);
  if (ends) {
    const Ends sources = by_family(settings.local_addresses, settings.excluded_networks);
    drop_ends(program, CTA_TUPLE_ORIG, CTA_IP_V4_SRC, CTA_IP_V6_SRC, sources);
    drop_ends(program, CTA_TUPLE_REPLY, CTA_IP_V4_SRC, CTA_IP_V6_SRC, sources);
  }
  if (!settings.excluded_networks.empty()) {
    const Ends destinations = by_family({}, settings.excluded_networks);
    drop_ends(program, CTA_TUPLE_ORIG, CTA_IP_V4_DST, CTA_IP_V6_DST, destinations);
  }
  program.finish(Program::kPass);
  return program.take();
}

}  // namespace ftfw::sync
