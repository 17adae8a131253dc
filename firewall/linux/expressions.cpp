#include "firewall/linux/expressions.hpp"

#include <netinet/in.h>  // before linux/netfilter.h

#include <fmt/format.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/rtnetlink.h>
#include <net/if.h>

#include <array>
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
constexpr std::size_t kHelperNameBytes = 16;  // NF_CT_HELPER_NAME_LEN
constexpr std::uint32_t kLimitBurst = 5;      // nft's default

// Offsets in the headers: RFC 791, 8200, 9293, 768 and 792.
constexpr std::uint32_t kIpv4SourceOffset = 12;
constexpr std::uint32_t kIpv4DestinationOffset = 16;
constexpr std::uint32_t kIpv6SourceOffset = 8;
constexpr std::uint32_t kIpv6DestinationOffset = 24;
constexpr std::uint32_t kDestinationPortOffset = 2;
constexpr std::uint32_t kTcpFlagsOffset = 13;
constexpr std::uint32_t kIcmpTypeOffset = 0;
constexpr std::uint8_t kTcpSyn = 0x02;

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
    std::vector<ByteVector> values;
    for (const std::string& name : match.names) values.push_back(padded<IFNAMSIZ>(name));
    compare_any(KeyType::interface_name, std::move(values));
  }
  void operator()(const ProtocolMatch& match) { require_protocol(match.protocol); }
  void operator()(const PortMatch& match) {
    require_protocol(match.protocol);
    load_payload(NFT_PAYLOAD_TRANSPORT_HEADER, kDestinationPortOffset, sizeof(std::uint16_t));
    std::vector<ByteVector> values;
    for (const std::uint16_t port : match.ports) {
      values.push_back({static_cast<std::uint8_t>(port >> 8), static_cast<std::uint8_t>(port)});
    }
    compare_any(KeyType::internet_service, std::move(values));
  }
  void operator()(const TcpSynMatch&) {
    require_protocol(IPPROTO_TCP);
    load_payload(NFT_PAYLOAD_TRANSPORT_HEADER, kTcpFlagsOffset, 1);
    mask(host_order(kTcpSyn));
    compare(NFT_CMP_NEQ, ByteVector(1));
  }
  void operator()(const IcmpMatch& match) {
    require_family(NFPROTO_IPV4);
    require_protocol(IPPROTO_ICMP);
    load_payload(NFT_PAYLOAD_TRANSPORT_HEADER, kIcmpTypeOffset, 1);
    std::vector<ByteVector> values;
    for (const std::uint8_t type : match.types) values.push_back({type});
    compare_any(KeyType::icmp_type, std::move(values));
  }
  void operator()(const AddressMatch& match);
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
  void operator()(const SetHelper& set) { refer(NFT_OBJECT_CT_HELPER, set.object); }
  void operator()(const Count& count) { refer(NFT_OBJECT_COUNTER, count.object); }
  void operator()(const FlowAdd& flow) {
    ::nftnl_expr_set_str(append("flow_offload"), NFTNL_EXPR_FLOW_TABLE_NAME, flow.flowtable.c_str());
  }
  void operator()(const Limit& limit) {
    nftnl_expr* expression = append("limit");
    ::nftnl_expr_set_u64(expression, NFTNL_EXPR_LIMIT_RATE, limit.packets);
    ::nftnl_expr_set_u64(expression, NFTNL_EXPR_LIMIT_UNIT, limit.per_seconds);
    ::nftnl_expr_set_u32(expression, NFTNL_EXPR_LIMIT_BURST, kLimitBurst);
    ::nftnl_expr_set_u32(expression, NFTNL_EXPR_LIMIT_TYPE, NFT_LIMIT_PKTS);
    ::nftnl_expr_set_u32(expression, NFTNL_EXPR_LIMIT_FLAGS, 0);
  }
  void operator()(const Log& log) {
    ::nftnl_expr_set_str(append("log"), NFTNL_EXPR_LOG_PREFIX, log.prefix.c_str());
  }
  void operator()(const SnatTo& snat) {
    const ByteSpan address = snat.address.bytes();
    nftnl_expr* immediate = append("immediate");
    ::nftnl_expr_set_u32(immediate, NFTNL_EXPR_IMM_DREG, kRegister);
    ::nftnl_expr_set(immediate, NFTNL_EXPR_IMM_DATA, address.data(),
                     static_cast<std::uint32_t>(address.size()));
    nftnl_expr* nat = append("nat");
    ::nftnl_expr_set_u32(nat, NFTNL_EXPR_NAT_TYPE, NFT_NAT_SNAT);
    // NFPROTO_INET is refused here (EAFNOSUPPORT).
    ::nftnl_expr_set_u32(nat, NFTNL_EXPR_NAT_FAMILY, snat.address.is_ipv4() ? NFPROTO_IPV4 : NFPROTO_IPV6);
    ::nftnl_expr_set_u32(nat, NFTNL_EXPR_NAT_REG_ADDR_MIN, kRegister);
  }
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
  void compare_any(KeyType type, std::vector<ByteVector> values) {
    if (values.size() == 1) return compare(NFT_CMP_EQ, values.front());
    const std::uint32_t id = add_set(batch_, origin_, {.key_type = type, .elements = std::move(values)});
    nftnl_expr* lookup = append("lookup");
    ::nftnl_expr_set_u32(lookup, NFTNL_EXPR_LOOKUP_SREG, kRegister);
    ::nftnl_expr_set_str(lookup, NFTNL_EXPR_LOOKUP_SET, kAnonymousSetName);
    ::nftnl_expr_set_u32(lookup, NFTNL_EXPR_LOOKUP_SET_ID, id);
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
  const IpPrefix& first = match.prefixes.front();
  const bool ipv4 = first.address.is_ipv4();
  const bool source = match.side == Side::source;
  const auto length = static_cast<std::uint32_t>(first.address.bytes().size());
  require_family(ipv4 ? NFPROTO_IPV4 : NFPROTO_IPV6);
  if (first.length == 0) return;
  load_payload(NFT_PAYLOAD_NETWORK_HEADER,
               ipv4 ? (source ? kIpv4SourceOffset : kIpv4DestinationOffset)
                    : (source ? kIpv6SourceOffset : kIpv6DestinationOffset),
               length);
  if (!first.is_host()) mask(ByteSpan(mask_of(first.length)).first(length));
  std::vector<ByteVector> values;
  for (const IpPrefix& prefix : match.prefixes) {
    const ByteSpan bytes = prefix.address.bytes();
    values.emplace_back(bytes.begin(), bytes.end());
  }
  compare_any(ipv4 ? KeyType::ipv4_address : KeyType::ipv6_address, std::move(values));
}

}  // namespace

void add_expressions(Batch& batch, const Origin& origin, const Rule& rule, nftnl_rule& to) {
  Emitter emitter(batch, origin, to);
  for (const Expression& expression : rule.expressions) std::visit(emitter, expression);
}

}  // namespace ftfw::firewall::linux_nft
