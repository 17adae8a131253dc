#include "firewall/linux/expressions.hpp"

#include <netinet/in.h>  // before linux/netfilter.h

#include <fmt/format.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nf_nat.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/rtnetlink.h>
#include <net/if.h>

#include <array>
#include <bit>
#include <cerrno>
#include <optional>
#include <span>
#include <string>
#include <variant>

#include "firewall/linux/handles.hpp"
#include "firewall/linux/sets.hpp"
#include "firewall/network.hpp"

namespace ftfw::firewall::linux_nft {
namespace {

constexpr std::uint32_t kRegister = NFT_REG_1;
// What NAT takes: a range is two registers, of addresses and of ports.
constexpr std::uint32_t kAddressMax = NFT_REG_2;
constexpr std::uint32_t kPortMin = NFT_REG_3;
constexpr std::uint32_t kPortMax = NFT_REG_4;
constexpr std::size_t kHelperNameBytes = 16;  // NF_CT_HELPER_NAME_LEN

// Offsets in the headers: RFC 791, 8200, 9293, 768 and 792.
constexpr std::uint32_t kIpv4SourceOffset = 12;
constexpr std::uint32_t kIpv4DestinationOffset = 16;
constexpr std::uint32_t kIpv6SourceOffset = 8;
constexpr std::uint32_t kIpv6DestinationOffset = 24;
constexpr std::uint32_t kSourcePortOffset = 0;
constexpr std::uint32_t kDestinationPortOffset = 2;
constexpr std::uint32_t kTcpFlagsOffset = 13;
constexpr std::uint32_t kIcmpTypeOffset = 0;

// RFC 792 and RFC 4443: port unreachable.
constexpr std::uint8_t kIcmpPortUnreachable = 3;
constexpr std::uint8_t kIcmpv6PortUnreachable = 4;

constexpr std::uint32_t kInvalidBit = NF_CT_STATE_INVALID_BIT;
constexpr std::uint32_t kEstablishedBit = NF_CT_STATE_BIT(IP_CT_ESTABLISHED);
constexpr std::uint32_t kRelatedBit = NF_CT_STATE_BIT(IP_CT_RELATED);
constexpr std::uint32_t kNewBit = NF_CT_STATE_BIT(IP_CT_NEW);
constexpr std::uint32_t kUntrackedBit = NF_CT_STATE_UNTRACKED_BIT;

// The object representation: host byte order, which is what the kernel keeps for everything that is no packet
// byte.
template <typename T>
ByteSpan host_order(const T& value) {
  return {reinterpret_cast<const std::uint8_t*>(&value), sizeof value};
}

class Emitter {
 public:
  Emitter(Batch& batch, const Origin& origin, nftnl_rule& rule)
      : batch_(batch), origin_(origin), rule_(rule) {}

  void operator()(const InterfaceMatch& match) {
    load_meta(match.traffic == Traffic::in ? NFT_META_IIFNAME : NFT_META_OIFNAME);
    std::vector<Interval> values;
    for (const std::string& name : match.names) {
      const ByteVector key = padded<IFNAMSIZ>(name);
      values.push_back({key, key});
    }
    compare_any(KeyType::interface_name, std::move(values));
  }
  void operator()(const ProtocolMatch& match) { require_protocol(match.protocol); }
  void operator()(const PortMatch& match) {
    require_protocol(match.protocol);
    load_payload(NFT_PAYLOAD_TRANSPORT_HEADER,
                 match.side == Side::source ? kSourcePortOffset : kDestinationPortOffset,
                 sizeof(std::uint16_t));
    if (!match.set.empty()) return look_into(match.set);
    std::vector<Interval> values;
    for (const PortRange& range : match.ports) values.push_back({key_of(range.first), key_of(range.last)});
    compare_any(KeyType::internet_service, std::move(values));
  }
  void operator()(const TcpFlagsMatch& match) {
    require_protocol(IPPROTO_TCP);
    load_payload(NFT_PAYLOAD_TRANSPORT_HEADER, kTcpFlagsOffset, 1);
    mask(host_order(match.mask));
    // "tcp flags syn" in nft's eyes, which lists the other form of the same differently.
    const bool one_flag = match.value == match.mask && std::has_single_bit(match.mask);
    compare(one_flag ? NFT_CMP_NEQ : NFT_CMP_EQ, {one_flag ? std::uint8_t{0} : match.value});
  }
  void operator()(const IcmpMatch& match) {
    const bool ipv4 = match.family == Family::ipv4;
    require_family(ipv4 ? NFPROTO_IPV4 : NFPROTO_IPV6);
    require_protocol(static_cast<std::uint8_t>(ipv4 ? int{IPPROTO_ICMP} : int{IPPROTO_ICMPV6}));
    load_payload(NFT_PAYLOAD_TRANSPORT_HEADER, kIcmpTypeOffset, 1);
    std::vector<Interval> values;
    for (const std::uint8_t type : match.types) values.push_back({{type}, {type}});
    compare_any(ipv4 ? KeyType::icmp_type : KeyType::icmpv6_type, std::move(values));
  }
  void operator()(const AddressMatch& match);
  void operator()(const MarkMatch& match) {
    if (match.connection) {
      load_ct(NFT_CT_MARK);
    } else {
      load_meta(NFT_META_MARK);
    }
    if (match.mark.mask != ~std::uint32_t{0}) mask(host_order(match.mark.mask));
    compare_u32(NFT_CMP_EQ, match.mark.value);
  }
  void operator()(const CtStateMatch& match) {
    match_bits(NFT_CT_STATE, (match.invalid ? kInvalidBit : 0U) | (match.established ? kEstablishedBit : 0U) |
                                 (match.related ? kRelatedBit : 0U) | (match.fresh ? kNewBit : 0U) |
                                 (match.untracked ? kUntrackedBit : 0U));
  }
  void operator()(const CtDirectionMatch& match) {
    load_ct(NFT_CT_DIRECTION);
    compare(NFT_CMP_EQ, {static_cast<std::uint8_t>(match.direction)});
  }
  void operator()(const CtExpectedMatch&) { match_bits(NFT_CT_STATUS, IPS_EXPECTED); }
  void operator()(const CtTranslatedMatch&) { match_bits(NFT_CT_STATUS, IPS_DST_NAT); }
  void operator()(const CtHelperMatch& match) {
    load_ct(NFT_CT_HELPER);
    compare(NFT_CMP_EQ, padded<kHelperNameBytes>(match.type));
  }
  void operator()(const UnicastElsewhereMatch&) {
    nftnl_expr* fib = append("fib");
    ::nftnl_expr_set_u32(fib, NFTNL_EXPR_FIB_RESULT, NFT_FIB_RESULT_ADDRTYPE);
    ::nftnl_expr_set_u32(fib, NFTNL_EXPR_FIB_FLAGS, NFTA_FIB_F_DADDR);
    ::nftnl_expr_set_u32(fib, NFTNL_EXPR_FIB_DREG, kRegister);
    compare_u32(NFT_CMP_EQ, RTN_UNICAST);
  }
  void operator()(const NoWayBackMatch& match) {
    nftnl_expr* fib = append("fib");
    ::nftnl_expr_set_u32(fib, NFTNL_EXPR_FIB_RESULT, NFT_FIB_RESULT_OIF);
    ::nftnl_expr_set_u32(
        fib, NFTNL_EXPR_FIB_FLAGS,
        NFTA_FIB_F_PRESENT | NFTA_FIB_F_SADDR | (match.loose ? 0U : std::uint32_t{NFTA_FIB_F_IIF}));
    ::nftnl_expr_set_u32(fib, NFTNL_EXPR_FIB_DREG, kRegister);
    compare_u32(NFT_CMP_EQ, 0);
  }
  void operator()(const SetHelper& set) { refer(NFT_OBJECT_CT_HELPER, set.object); }
  void operator()(const Count& count) { refer(NFT_OBJECT_COUNTER, count.object); }
  void operator()(const CountRule&) { append("counter"); }
  void operator()(const FlowAdd& flow) {
    ::nftnl_expr_set_str(append("flow_offload"), NFTNL_EXPR_FLOW_TABLE_NAME, flow.flowtable.c_str());
  }
  void operator()(const Limit& limit) {
    nftnl_expr* expression = append("limit");
    ::nftnl_expr_set_u64(expression, NFTNL_EXPR_LIMIT_RATE, limit.rate.packets);
    ::nftnl_expr_set_u64(expression, NFTNL_EXPR_LIMIT_UNIT, limit.rate.per_seconds);
    ::nftnl_expr_set_u32(expression, NFTNL_EXPR_LIMIT_BURST, limit.rate.burst);
    ::nftnl_expr_set_u32(expression, NFTNL_EXPR_LIMIT_TYPE, NFT_LIMIT_PKTS);
    ::nftnl_expr_set_u32(expression, NFTNL_EXPR_LIMIT_FLAGS,
                         limit.rate.over ? std::uint32_t{NFT_LIMIT_F_INV} : 0U);
  }
  void operator()(const Log& log) {
    nftnl_expr* expression = append("log");
    if (!log.prefix.empty()) ::nftnl_expr_set_str(expression, NFTNL_EXPR_LOG_PREFIX, log.prefix.c_str());
    if (log.level != config::LogLevel::warn)
      ::nftnl_expr_set_u32(expression, NFTNL_EXPR_LOG_LEVEL, static_cast<std::uint32_t>(log.level));
  }
  void operator()(const Translate& translate) {
    load_immediate(kRegister, translate.to.first.bytes());
    if (!translate.to.is_host()) load_immediate(kAddressMax, translate.to.last.bytes());
    load_ports(translate.ports);
    nftnl_expr* nat = append("nat");
    ::nftnl_expr_set_u32(nat, NFTNL_EXPR_NAT_TYPE,
                         translate.side == Side::source ? NFT_NAT_SNAT : NFT_NAT_DNAT);
    // NFPROTO_INET is refused here (EAFNOSUPPORT).
    ::nftnl_expr_set_u32(nat, NFTNL_EXPR_NAT_FAMILY,
                         translate.to.family() == Family::ipv4 ? NFPROTO_IPV4 : NFPROTO_IPV6);
    ::nftnl_expr_set_u32(nat, NFTNL_EXPR_NAT_REG_ADDR_MIN, kRegister);
    if (!translate.to.is_host()) ::nftnl_expr_set_u32(nat, NFTNL_EXPR_NAT_REG_ADDR_MAX, kAddressMax);
    if (!translate.ports) return;
    ::nftnl_expr_set_u32(nat, NFTNL_EXPR_NAT_REG_PROTO_MIN, kPortMin);
    if (!translate.ports->is_single()) ::nftnl_expr_set_u32(nat, NFTNL_EXPR_NAT_REG_PROTO_MAX, kPortMax);
    ::nftnl_expr_set_u32(nat, NFTNL_EXPR_NAT_FLAGS, NF_NAT_RANGE_PROTO_SPECIFIED);
  }
  void operator()(const Masquerade& masquerade) {
    load_ports(masquerade.ports);
    nftnl_expr* nat = append("masq");
    if (!masquerade.ports) return;
    ::nftnl_expr_set_u32(nat, NFTNL_EXPR_MASQ_REG_PROTO_MIN, kPortMin);
    if (!masquerade.ports->is_single()) ::nftnl_expr_set_u32(nat, NFTNL_EXPR_MASQ_REG_PROTO_MAX, kPortMax);
    ::nftnl_expr_set_u32(nat, NFTNL_EXPR_MASQ_FLAGS, NF_NAT_RANGE_PROTO_SPECIFIED);
  }
  void operator()(const Redirect& redirect) {
    load_ports(redirect.ports);
    nftnl_expr* nat = append("redir");
    if (!redirect.ports) return;
    ::nftnl_expr_set_u32(nat, NFTNL_EXPR_REDIR_REG_PROTO_MIN, kPortMin);
    if (!redirect.ports->is_single()) ::nftnl_expr_set_u32(nat, NFTNL_EXPR_REDIR_REG_PROTO_MAX, kPortMax);
    ::nftnl_expr_set_u32(nat, NFTNL_EXPR_REDIR_FLAGS, NF_NAT_RANGE_PROTO_SPECIFIED);
  }
  void operator()(const Reject& reject);
  void operator()(const Accept&) { verdict(NF_ACCEPT); }
  void operator()(const Drop&) { verdict(NF_DROP); }
  void operator()(const Goto& jump) {
    ::nftnl_expr_set_str(verdict(static_cast<std::uint32_t>(NFT_GOTO)), NFTNL_EXPR_IMM_CHAIN,
                         jump.chain.c_str());
  }

 private:
  nftnl_expr* append(const char* kind) {
    nftnl_expr* expression = allocated(::nftnl_expr_alloc(kind));
    ::nftnl_rule_add_expr(&rule_, expression);
    return expression;
  }

  void load_meta(std::uint32_t key) {
    nftnl_expr* meta = append("meta");
    ::nftnl_expr_set_u32(meta, NFTNL_EXPR_META_KEY, key);
    ::nftnl_expr_set_u32(meta, NFTNL_EXPR_META_DREG, kRegister);
  }
  void load_ct(std::uint32_t key) {
    nftnl_expr* ct = append("ct");
    ::nftnl_expr_set_u32(ct, NFTNL_EXPR_CT_KEY, key);
    ::nftnl_expr_set_u32(ct, NFTNL_EXPR_CT_DREG, kRegister);
  }
  void load_immediate(std::uint32_t to, ByteSpan value) {
    nftnl_expr* immediate = append("immediate");
    ::nftnl_expr_set_u32(immediate, NFTNL_EXPR_IMM_DREG, to);
    ::nftnl_expr_set(immediate, NFTNL_EXPR_IMM_DATA, value.data(), static_cast<std::uint32_t>(value.size()));
  }
  void load_ports(const std::optional<PortRange>& ports) {
    if (!ports) return;
    load_immediate(kPortMin, key_of(ports->first));
    if (!ports->is_single()) load_immediate(kPortMax, key_of(ports->last));
  }
  void load_payload(std::uint32_t base, std::uint32_t offset, std::uint32_t length) {
    nftnl_expr* payload = append("payload");
    ::nftnl_expr_set_u32(payload, NFTNL_EXPR_PAYLOAD_DREG, kRegister);
    ::nftnl_expr_set_u32(payload, NFTNL_EXPR_PAYLOAD_BASE, base);
    ::nftnl_expr_set_u32(payload, NFTNL_EXPR_PAYLOAD_OFFSET, offset);
    ::nftnl_expr_set_u32(payload, NFTNL_EXPR_PAYLOAD_LEN, length);
  }
  void mask(ByteSpan bits) {
    const ByteVector zero(bits.size());
    const auto length = static_cast<std::uint32_t>(bits.size());
    nftnl_expr* bitwise = append("bitwise");
    ::nftnl_expr_set_u32(bitwise, NFTNL_EXPR_BITWISE_SREG, kRegister);
    ::nftnl_expr_set_u32(bitwise, NFTNL_EXPR_BITWISE_DREG, kRegister);
    ::nftnl_expr_set_u32(bitwise, NFTNL_EXPR_BITWISE_LEN, length);
    ::nftnl_expr_set(bitwise, NFTNL_EXPR_BITWISE_MASK, bits.data(), length);
    ::nftnl_expr_set(bitwise, NFTNL_EXPR_BITWISE_XOR, zero.data(), length);
  }
  void compare(std::uint32_t operation, const ByteVector& value) {
    nftnl_expr* cmp = append("cmp");
    ::nftnl_expr_set_u32(cmp, NFTNL_EXPR_CMP_SREG, kRegister);
    ::nftnl_expr_set_u32(cmp, NFTNL_EXPR_CMP_OP, operation);
    ::nftnl_expr_set(cmp, NFTNL_EXPR_CMP_DATA, value.data(), static_cast<std::uint32_t>(value.size()));
  }
  void compare_u32(std::uint32_t operation, std::uint32_t value) {
    const ByteSpan bytes = host_order(value);
    compare(operation, {bytes.begin(), bytes.end()});
  }
  void compare_any(KeyType type, std::vector<Interval> values) {
    if (values.size() == 1) {
      const Interval& only = values.front();
      if (only.is_single()) return compare(NFT_CMP_EQ, only.first);
      compare(NFT_CMP_GTE, only.first);
      return compare(NFT_CMP_LTE, only.last);
    }
    const std::uint32_t id = add_anonymous_set(batch_, origin_, type, values);
    look_into(kAnonymousSetName, id);
  }
  void look_into(const std::string& set, std::optional<std::uint32_t> id = std::nullopt) {
    nftnl_expr* lookup = append("lookup");
    ::nftnl_expr_set_u32(lookup, NFTNL_EXPR_LOOKUP_SREG, kRegister);
    ::nftnl_expr_set_str(lookup, NFTNL_EXPR_LOOKUP_SET, set.c_str());
    if (id) ::nftnl_expr_set_u32(lookup, NFTNL_EXPR_LOOKUP_SET_ID, *id);
  }
  void match_bits(std::uint32_t ct_key, std::uint32_t bits) {
    load_ct(ct_key);
    mask(host_order(bits));
    compare_u32(NFT_CMP_NEQ, 0);
  }
  void refer(std::uint32_t type, const std::string& name) {
    nftnl_expr* reference = append("objref");
    ::nftnl_expr_set_u32(reference, NFTNL_EXPR_OBJREF_IMM_TYPE, type);
    ::nftnl_expr_set_str(reference, NFTNL_EXPR_OBJREF_IMM_NAME, name.c_str());
  }
  nftnl_expr* verdict(std::uint32_t code) {
    nftnl_expr* immediate = append("immediate");
    ::nftnl_expr_set_u32(immediate, NFTNL_EXPR_IMM_DREG, NFT_REG_VERDICT);
    ::nftnl_expr_set_u32(immediate, NFTNL_EXPR_IMM_VERDICT, code);
    return immediate;
  }

  // Once per rule: nft prints a second check as a match of its own.
  void require_protocol(std::uint8_t protocol) {
    if (protocol_ == protocol) return;
    protocol_ = protocol;
    load_meta(NFT_META_L4PROTO);
    compare(NFT_CMP_EQ, {protocol});
  }
  void require_family(std::uint8_t family) {
    if (family_ == family) return;
    family_ = family;
    load_meta(NFT_META_NFPROTO);
    compare(NFT_CMP_EQ, {family});
  }

  // The kernel compares names as N bytes, the rest of them zero.
  template <std::size_t N>
  ByteVector padded(const std::string& name) {
    if (name.size() >= N)
      batch_.refuse(origin_, EINVAL, fmt::format("\"{}\" is longer than {} bytes", name, N - 1));
    ByteVector bytes(name.begin(), name.end());
    bytes.resize(N);
    return bytes;
  }

  Batch& batch_;
  const Origin& origin_;
  nftnl_rule& rule_;
  std::optional<std::uint8_t> protocol_;
  std::optional<std::uint8_t> family_;
};

void Emitter::operator()(const AddressMatch& match) {
  const bool ipv4 = match.family == Family::ipv4;
  const bool source = match.side == Side::source;
  const std::uint32_t length = ipv4 ? 4 : 16;
  require_family(ipv4 ? NFPROTO_IPV4 : NFPROTO_IPV6);
  const bool one_range = match.set.empty() && match.ranges.size() == 1;
  if (one_range && covers_family(match.ranges.front())) return;
  load_payload(NFT_PAYLOAD_NETWORK_HEADER,
               ipv4 ? (source ? kIpv4SourceOffset : kIpv4DestinationOffset)
                    : (source ? kIpv6SourceOffset : kIpv6DestinationOffset),
               length);
  if (!match.set.empty()) return look_into(match.set);
  if (const auto prefix = config::prefix_of(match.ranges.front()); one_range && prefix) {
    if (!prefix->is_host()) mask(ByteSpan(mask_of(prefix->length)).first(length));
    const ByteSpan address = match.ranges.front().first.bytes();
    return compare(NFT_CMP_EQ, {address.begin(), address.end()});
  }
  std::vector<Interval> values;
  for (const AddressRange& range : match.ranges) values.push_back({key_of(range.first), key_of(range.last)});
  compare_any(ipv4 ? KeyType::ipv4_address : KeyType::ipv6_address, std::move(values));
}

void Emitter::operator()(const Reject& reject) {
  nftnl_expr* expression = append("reject");
  const auto say = [expression](std::uint32_t type, std::uint8_t code) {
    ::nftnl_expr_set_u32(expression, NFTNL_EXPR_REJECT_TYPE, type);
    ::nftnl_expr_set_u8(expression, NFTNL_EXPR_REJECT_CODE, code);
  };
  switch (reject.with) {
    case config::RejectWith::automatic:
    case config::RejectWith::port_unreachable:
      if (!reject.family) return say(NFT_REJECT_ICMPX_UNREACH, NFT_REJECT_ICMPX_PORT_UNREACH);
      return say(NFT_REJECT_ICMP_UNREACH,
                 reject.family == Family::ipv4 ? kIcmpPortUnreachable : kIcmpv6PortUnreachable);
    case config::RejectWith::tcp_reset:
      return say(NFT_REJECT_TCP_RST, 0);
    case config::RejectWith::host_unreachable:
      return say(NFT_REJECT_ICMPX_UNREACH, NFT_REJECT_ICMPX_HOST_UNREACH);
    case config::RejectWith::no_route:
      return say(NFT_REJECT_ICMPX_UNREACH, NFT_REJECT_ICMPX_NO_ROUTE);
    case config::RejectWith::admin_prohibited:
      return say(NFT_REJECT_ICMPX_UNREACH, NFT_REJECT_ICMPX_ADMIN_PROHIBITED);
  }
}

}  // namespace

void add_expressions(Batch& batch, const Origin& origin, const Rule& rule, nftnl_rule& to) {
  Emitter emitter(batch, origin, to);
  for (const Expression& expression : rule.expressions) std::visit(emitter, expression);
}

}  // namespace ftfw::firewall::linux_nft
