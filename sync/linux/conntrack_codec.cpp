#include "sync/linux/conntrack_codec.hpp"

#include <linux/netfilter/nf_conntrack_tcp.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <linux/netlink.h>
#include <netinet/in.h>

#include <cstring>

#include "sync/linux/attributes.hpp"
#include "sync/linux/tuple_codec.hpp"

namespace ftfw::sync {

namespace {

constexpr std::uint8_t kCarriedTcpFlags = IP_CT_TCP_FLAG_WINDOW_SCALE | IP_CT_TCP_FLAG_SACK_PERM;
// NF_CT_LABELS_MAX_SIZE: XT_CONNLABEL_MAXBIT + 1 bits.
constexpr std::size_t kMaxLabelBytes = 16;
// NF_CT_HELPER_NAME_LEN, without the NUL.
constexpr std::size_t kMaxHelperName = 15;

using ConntrackAttributes = AttributeTable<CTA_MAX>;

constexpr std::uint16_t message_type(std::uint16_t message) {
  return static_cast<std::uint16_t>(NFNL_SUBSYS_CTNETLINK << 8 | message);
}

std::unexpected<Error> malformed(const char* what) {
  return fail(Blame::kernel, std::string("conntrack message: ") + what);
}

// ---- reading

// struct nf_ct_tcp_flags { flags, mask }: two bytes.
std::uint8_t tcp_flags(ByteSpan attribute) {
  return attribute.size() == sizeof(nf_ct_tcp_flags) ? attribute[0] & kCarriedTcpFlags : std::uint8_t{0};
}

bool parse_tcp(ByteSpan nest, ConntrackEntry& entry) {
  AttributeTable<CTA_PROTOINFO_TCP_MAX> tcp;
  if (!tcp.parse(nest)) return false;
  const auto state = tcp.u8(CTA_PROTOINFO_TCP_STATE);
  if (!state || *state > static_cast<std::uint8_t>(TcpState::syn_sent2)) return false;
  entry.tcp = TcpInfo{
      .state = static_cast<TcpState>(*state),
      .window_scale_original = tcp.u8(CTA_PROTOINFO_TCP_WSCALE_ORIGINAL).value_or(0),
      .window_scale_reply = tcp.u8(CTA_PROTOINFO_TCP_WSCALE_REPLY).value_or(0),
      .flags_original = tcp_flags(tcp.bytes(CTA_PROTOINFO_TCP_FLAGS_ORIGINAL)),
      .flags_reply = tcp_flags(tcp.bytes(CTA_PROTOINFO_TCP_FLAGS_REPLY)),
  };
  return true;
}

bool parse_sctp(ByteSpan nest, ConntrackEntry& entry) {
  AttributeTable<CTA_PROTOINFO_SCTP_MAX> sctp;
  if (!sctp.parse(nest)) return false;
  const auto state = sctp.u8(CTA_PROTOINFO_SCTP_STATE);
  if (!state) return false;
  entry.sctp = SctpInfo{.state = *state,
                        .tag_original = sctp.u32(CTA_PROTOINFO_SCTP_VTAG_ORIGINAL).value_or(0),
                        .tag_reply = sctp.u32(CTA_PROTOINFO_SCTP_VTAG_REPLY).value_or(0)};
  return true;
}

bool parse_dccp(ByteSpan nest, ConntrackEntry& entry) {
  AttributeTable<CTA_PROTOINFO_DCCP_MAX> dccp;
  if (!dccp.parse(nest)) return false;
  const auto state = dccp.u8(CTA_PROTOINFO_DCCP_STATE);
  if (!state) return false;
  entry.dccp = DccpInfo{.state = *state,
                        .role = dccp.u8(CTA_PROTOINFO_DCCP_ROLE).value_or(0),
                        .handshake_sequence = dccp.u64(CTA_PROTOINFO_DCCP_HANDSHAKE_SEQ).value_or(0)};
  return true;
}

bool parse_protocol_state(const ConntrackAttributes& attributes, ConntrackEntry& entry) {
  if (!attributes.has(CTA_PROTOINFO)) return true;
  AttributeTable<CTA_PROTOINFO_MAX> info;
  if (!info.parse(attributes.bytes(CTA_PROTOINFO))) return false;
  if (info.has(CTA_PROTOINFO_TCP)) return parse_tcp(info.bytes(CTA_PROTOINFO_TCP), entry);
  if (info.has(CTA_PROTOINFO_SCTP)) return parse_sctp(info.bytes(CTA_PROTOINFO_SCTP), entry);
  if (info.has(CTA_PROTOINFO_DCCP)) return parse_dccp(info.bytes(CTA_PROTOINFO_DCCP), entry);
  return true;
}

bool parse_adjustment(ByteSpan nest, SequenceAdjustment& adjustment) {
  AttributeTable<CTA_SEQADJ_MAX> fields;
  if (!fields.parse(nest)) return false;
  adjustment = {.position = fields.u32(CTA_SEQADJ_CORRECTION_POS).value_or(0),
                .offset_before = fields.u32(CTA_SEQADJ_OFFSET_BEFORE).value_or(0),
                .offset_after = fields.u32(CTA_SEQADJ_OFFSET_AFTER).value_or(0)};
  return true;
}

bool parse_extensions(const ConntrackAttributes& attributes, ConntrackEntry& entry) {
  if (attributes.has(CTA_SEQ_ADJ_ORIG) || attributes.has(CTA_SEQ_ADJ_REPLY)) {
    auto& both = entry.sequence_adjustment.emplace();
    if (!parse_adjustment(attributes.bytes(CTA_SEQ_ADJ_ORIG), both[0])) return false;
    if (!parse_adjustment(attributes.bytes(CTA_SEQ_ADJ_REPLY), both[1])) return false;
  }
  if (attributes.has(CTA_SYNPROXY)) {
    AttributeTable<CTA_SYNPROXY_MAX> fields;
    if (!fields.parse(attributes.bytes(CTA_SYNPROXY))) return false;
    const Synproxy synproxy{.initial_sequence = fields.u32(CTA_SYNPROXY_ISN).value_or(0),
                            .initial_timestamp = fields.u32(CTA_SYNPROXY_ITS).value_or(0),
                            .timestamp_offset = fields.u32(CTA_SYNPROXY_TSOFF).value_or(0)};
    if (synproxy != Synproxy{}) entry.synproxy = synproxy;
  }
  if (attributes.has(CTA_HELP)) {
    AttributeTable<CTA_HELP_MAX> help;
    if (!help.parse(attributes.bytes(CTA_HELP))) return false;
    entry.helper = help.text(CTA_HELP_NAME);
    if (entry.helper.size() > kMaxHelperName) return false;
  }
  const ByteSpan labels = attributes.bytes(CTA_LABELS);
  if (labels.size() > kMaxLabelBytes || labels.size() % 4 != 0) return false;
  entry.labels.assign(labels.begin(), labels.end());
  return true;
}

// ---- writing

std::uint16_t request_flags(RequestHead head, std::uint16_t extra) {
  return static_cast<std::uint16_t>(NLM_F_REQUEST | extra | (head.acknowledge ? NLM_F_ACK : 0));
}

void append_zone(MessageBuilder& message, std::uint16_t zone) {
  if (zone != 0) message.u16(CTA_ZONE, zone);
}

void append_nat_range(MessageBuilder& message, std::uint16_t type, const IpAddress& to,
                      std::optional<std::uint16_t> port) {
  message.nest(type, [&] {
    const bool is_ipv4 = to.is_ipv4();
    // Without an upper end the range is this one (nf_nat_ipv4_nlattr_to_range,
    // nf_nat_l4proto_nlattr_to_range).
    message.bytes(is_ipv4 ? CTA_NAT_V4_MINIP : CTA_NAT_V6_MINIP, to.bytes());
    if (port) message.nest(CTA_NAT_PROTO, [&] { message.u16(CTA_PROTONAT_PORT_MIN, *port); });
  });
}

// Both directions are written as soon as one is translated, each with one address and one port: a range of
// one leaves the kernel nothing to choose, so a clash is an error (EEXIST) and not another port than the
// source has. An entry without a reply gets them too, for its next packet would still meet the NAT rules
// otherwise.
void append_nat(MessageBuilder& message, const ConntrackEntry& entry, const Tuple& plain_reply) {
  const bool translated = entry.reply != plain_reply;
  const bool replied = (entry.status.value_or(0) & status::kSeenReply) != 0;
  if (!translated && replied) return;
  const Tuple& reply = entry.reply;
  std::optional<std::uint16_t> source_port;
  std::optional<std::uint16_t> destination_port;
  if (has_ports(reply.protocol)) {
    source_port = reply.destination_port;
    destination_port = reply.source_port;
  } else if (has_identifier(reply.protocol)) {
    source_port = reply.source_port;
  }
  append_nat_range(message, CTA_NAT_SRC, reply.destination, source_port);
  append_nat_range(message, CTA_NAT_DST, reply.source, destination_port);
}

void append_tcp_flags(MessageBuilder& message, std::uint16_t type, std::uint8_t flags, std::uint8_t mask,
                      bool be_liberal) {
  const std::uint8_t value = (flags & mask) | (be_liberal ? IP_CT_TCP_FLAG_BE_LIBERAL : 0);
  const std::uint8_t pair[] = {value, static_cast<std::uint8_t>(mask | IP_CT_TCP_FLAG_BE_LIBERAL)};
  message.bytes(type, pair);
}

// Of an update that leaves the state as it is, only whether windows are checked: scales and flags may be
// older than what the kernel has seen since.
void append_tcp(MessageBuilder& message, const TcpInfo& tcp, bool be_liberal) {
  const bool all = tcp.state != TcpState::none;
  const std::uint8_t mask = all ? kCarriedTcpFlags : 0;
  if (all) {
    message.u8(CTA_PROTOINFO_TCP_STATE, static_cast<std::uint8_t>(tcp.state));
    message.u8(CTA_PROTOINFO_TCP_WSCALE_ORIGINAL, tcp.window_scale_original);
    message.u8(CTA_PROTOINFO_TCP_WSCALE_REPLY, tcp.window_scale_reply);
  }
  append_tcp_flags(message, CTA_PROTOINFO_TCP_FLAGS_ORIGINAL, tcp.flags_original, mask, be_liberal);
  append_tcp_flags(message, CTA_PROTOINFO_TCP_FLAGS_REPLY, tcp.flags_reply, mask, be_liberal);
}

void append_protocol_state(MessageBuilder& message, const ConntrackEntry& entry, bool be_liberal) {
  if (!entry.tcp && !entry.sctp && !entry.dccp) return;
  message.nest(CTA_PROTOINFO, [&] {
    if (entry.tcp) {
      message.nest(CTA_PROTOINFO_TCP, [&] { append_tcp(message, *entry.tcp, be_liberal); });
    } else if (entry.sctp) {
      message.nest(CTA_PROTOINFO_SCTP, [&] {
        message.u8(CTA_PROTOINFO_SCTP_STATE, entry.sctp->state);
        message.u32(CTA_PROTOINFO_SCTP_VTAG_ORIGINAL, entry.sctp->tag_original);
        message.u32(CTA_PROTOINFO_SCTP_VTAG_REPLY, entry.sctp->tag_reply);
      });
    } else {
      message.nest(CTA_PROTOINFO_DCCP, [&] {
        message.u8(CTA_PROTOINFO_DCCP_STATE, entry.dccp->state);
        message.u8(CTA_PROTOINFO_DCCP_ROLE, entry.dccp->role);
        message.u64(CTA_PROTOINFO_DCCP_HANDSHAKE_SEQ, entry.dccp->handshake_sequence);
      });
    }
  });
}

void append_adjustments(MessageBuilder& message, const ConntrackEntry& entry) {
  if (!entry.sequence_adjustment) return;
  for (const std::size_t direction : {0U, 1U}) {
    const SequenceAdjustment& adjustment = (*entry.sequence_adjustment)[direction];
    message.nest(direction == 0 ? CTA_SEQ_ADJ_ORIG : CTA_SEQ_ADJ_REPLY, [&] {
      message.u32(CTA_SEQADJ_CORRECTION_POS, adjustment.position);
      message.u32(CTA_SEQADJ_OFFSET_BEFORE, adjustment.offset_before);
      message.u32(CTA_SEQADJ_OFFSET_AFTER, adjustment.offset_after);
    });
  }
}

void append_synproxy(MessageBuilder& message, const ConntrackEntry& entry) {
  if (!entry.synproxy) return;
  message.nest(CTA_SYNPROXY, [&] {
    message.u32(CTA_SYNPROXY_ISN, entry.synproxy->initial_sequence);
    message.u32(CTA_SYNPROXY_ITS, entry.synproxy->initial_timestamp);
    message.u32(CTA_SYNPROXY_TSOFF, entry.synproxy->timestamp_offset);
  });
}

// What create and update have in common. `without`: status bits that this request must not carry.
void append_helper(MessageBuilder& message, const ConntrackEntry& entry) {
  if (entry.helper.empty()) return;
  message.nest(CTA_HELP, [&] { message.text(CTA_HELP_NAME, entry.helper); });
}

void append_state(MessageBuilder& message, const ConntrackEntry& entry, bool be_liberal,
                  std::uint32_t without) {
  append_zone(message, entry.key.zone);
  if (entry.status) message.u32(CTA_STATUS, (*entry.status & ~without) | status::kConfirmed);
  if (entry.timeout_s) message.u32(CTA_TIMEOUT, *entry.timeout_s);
  append_protocol_state(message, entry, be_liberal);
  if (entry.mark) message.u32(CTA_MARK, *entry.mark);
  append_adjustments(message, entry);
  append_synproxy(message, entry);
  if (!entry.labels.empty()) message.bytes(CTA_LABELS, entry.labels);
}

}  // namespace

Result<ConntrackEntry> parse_conntrack(const nlmsghdr& header) {
  const auto raw = attributes_of(header);
  ConntrackAttributes attributes;
  if (!raw || !attributes.parse(*raw)) return malformed("lengths do not fit");
  const auto original = parse_tuple(attributes.bytes(CTA_TUPLE_ORIG));
  const auto reply = parse_tuple(attributes.bytes(CTA_TUPLE_REPLY));
  if (!original || !reply) return malformed("a tuple is missing, broken or of its own zone");
  ConntrackEntry entry;
  entry.key = {.original = *original, .zone = attributes.u16(CTA_ZONE).value_or(0)};
  entry.reply = *reply;
  entry.status = attributes.u32(CTA_STATUS);
  entry.timeout_s = attributes.u32(CTA_TIMEOUT);
  entry.mark = attributes.u32(CTA_MARK);
  if (!parse_protocol_state(attributes, entry)) return malformed("protocol state");
  if (!parse_extensions(attributes, entry)) return malformed("an extension");
  if (attributes.has(CTA_TUPLE_MASTER)) {
    entry.master = parse_tuple(attributes.bytes(CTA_TUPLE_MASTER));
    if (!entry.master) return malformed("the tuple of the master conntrack");
  }
  return entry;
}

void append_create(ByteVector& out, RequestHead head, const ConntrackEntry& entry, bool be_liberal) {
  MessageBuilder message(out, message_type(IPCTNL_MSG_CT_NEW), request_flags(head, NLM_F_CREATE | NLM_F_EXCL),
                         head.sequence, netlink_family(entry.key.original));
  append_tuple(message, CTA_TUPLE_ORIG, entry.key.original);
  const Tuple plain_reply = entry.key.original.inverse();
  append_tuple(message, CTA_TUPLE_REPLY, plain_reply);
  append_nat(message, entry, plain_reply);
  append_helper(message, entry);
  // EXPECTED is the kernel's to set, by the master conntrack.
  append_state(message, entry, be_liberal, status::kExpected | status::kDying);
  if (entry.master) append_tuple(message, CTA_TUPLE_MASTER, *entry.master);
}

void append_update(ByteVector& out, RequestHead head, const ConntrackEntry& entry, bool be_liberal) {
  MessageBuilder message(out, message_type(IPCTNL_MSG_CT_NEW), request_flags(head, 0), head.sequence,
                         netlink_family(entry.key.original));
  append_tuple(message, CTA_TUPLE_ORIG, entry.key.original);
  append_helper(message, entry);
  append_state(message, entry, be_liberal, status::kDying);
  if (!entry.labels.empty()) {
    message.bytes(CTA_LABELS_MASK, std::vector<std::uint8_t>(entry.labels.size(), 0xff));
  }
}

void append_delete(ByteVector& out, RequestHead head, const EntryKey& key) {
  MessageBuilder message(out, message_type(IPCTNL_MSG_CT_DELETE), request_flags(head, 0), head.sequence,
                         netlink_family(key.original));
  append_tuple(message, CTA_TUPLE_ORIG, key.original);
  append_zone(message, key.zone);
}

void append_conntrack_get(ByteVector& out, RequestHead head, const EntryKey& key) {
  MessageBuilder message(out, message_type(IPCTNL_MSG_CT_GET), request_flags(head, 0), head.sequence,
                         netlink_family(key.original));
  append_tuple(message, CTA_TUPLE_ORIG, key.original);
  append_zone(message, key.zone);
}

void append_conntrack_dump(ByteVector& out, std::uint32_t sequence) {
  MessageBuilder message(out, message_type(IPCTNL_MSG_CT_GET), NLM_F_REQUEST | NLM_F_DUMP, sequence,
                         AF_UNSPEC);
}

}  // namespace ftfw::sync
