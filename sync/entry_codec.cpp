// A tuple on the wire:                    4 (IPv4: 14 bytes, IPv6: 38)
//   | family(8): 4 or 6 | protocol(8) | source(32/128) | destination | source port(16) | destination port(16)
//   |
//
// An entry: presence(16), the original tuple, then the fields whose bit is set, in the order of the bits.
//   0x0001 reply tuple (absent: the plain inverse)     0x0080 DCCP: state(8) role(8) handshake sequence(64)
//   0x0002 zone(16)                                    0x0100 sequence adjustment: 2 x (position, before,
//   after)(32) 0x0004 status(32)                                  0x0200 synproxy: isn(32) its(32) offset(32)
//   0x0008 timeout in seconds(32)                      0x0400 labels: length(8), bytes
//   0x0010 mark(32)                                    0x0800 helper: length(8), text
//   0x0020 TCP: state(8) scales(2 x 8) flags(2 x 8)    0x1000 master: tuple
//   0x0040 SCTP: state(8) tags(2 x 32)
//
// An expectation: the key's tuple, mask, master, then zone(16) timeout(32) flags(32) class(32),
//   helper: length(8), text; function: length(8), text; NAT present(8); if 1: direction(32), tuple.
#include <netinet/in.h>

#include "sync/wire.hpp"

namespace ftfw::sync::wire {
namespace {

enum : std::uint16_t {
  kReply = 0x0001,
  kZone = 0x0002,
  kStatus = 0x0004,
  kTimeout = 0x0008,
  kMark = 0x0010,
  kTcp = 0x0020,
  kSctp = 0x0040,
  kDccp = 0x0080,
  kSequenceAdjustment = 0x0100,
  kSynproxy = 0x0200,
  kLabels = 0x0400,
  kHelper = 0x0800,
  kMaster = 0x1000,
};

std::uint16_t presence_of(const ConntrackEntry& entry) {
  unsigned bits = 0;
  if (entry.reply != entry.key.original.inverse()) bits |= kReply;
  if (entry.key.zone != 0) bits |= kZone;
  if (entry.status) bits |= kStatus;
  if (entry.timeout_s) bits |= kTimeout;
  if (entry.mark) bits |= kMark;
  if (entry.tcp) bits |= kTcp;
  if (entry.sctp) bits |= kSctp;
  if (entry.dccp) bits |= kDccp;
  if (entry.sequence_adjustment) bits |= kSequenceAdjustment;
  if (entry.synproxy) bits |= kSynproxy;
  if (!entry.labels.empty() && entry.labels.size() <= kMaxLabelBytes) bits |= kLabels;
  if (!entry.helper.empty() && entry.helper.size() <= kMaxHelperName) bits |= kHelper;
  if (entry.master) bits |= kMaster;
  return static_cast<std::uint16_t>(bits);
}

void encode_text(const std::string& text, ByteWriter& writer) {
  writer.u8(static_cast<std::uint8_t>(text.size()));
  writer.text(text);
}

bool decode_text(ByteReader& reader, std::size_t longest, std::string& text) {
  const std::size_t length = reader.u8();
  const ByteSpan bytes = reader.take(length);
  if (!reader.ok() || length > longest) return false;
  text.assign(bytes.begin(), bytes.end());
  return text.find('\0') == std::string::npos;
}

void encode_protocol_state(const ConntrackEntry& entry, ByteWriter& writer) {
  if (entry.tcp) {
    writer.u8(static_cast<std::uint8_t>(entry.tcp->state));
    writer.u8(entry.tcp->window_scale_original);
    writer.u8(entry.tcp->window_scale_reply);
    writer.u8(entry.tcp->flags_original);
    writer.u8(entry.tcp->flags_reply);
  }
  if (entry.sctp) {
    writer.u8(entry.sctp->state);
    writer.u32(entry.sctp->tag_original);
    writer.u32(entry.sctp->tag_reply);
  }
  if (entry.dccp) {
    writer.u8(entry.dccp->state);
    writer.u8(entry.dccp->role);
    writer.u64(entry.dccp->handshake_sequence);
  }
}

bool decode_protocol_state(ByteReader& reader, unsigned bits, ConntrackEntry& entry) {
  const std::uint8_t protocol = entry.key.original.protocol;
  if ((bits & kTcp) != 0) {
    TcpInfo tcp;
    const std::uint8_t state = reader.u8();
    if (protocol != IPPROTO_TCP || state > static_cast<std::uint8_t>(TcpState::syn_sent2)) return false;
    tcp.state = static_cast<TcpState>(state);
    tcp.window_scale_original = reader.u8();
    tcp.window_scale_reply = reader.u8();
    tcp.flags_original = reader.u8();
    tcp.flags_reply = reader.u8();
    if (tcp.window_scale_original > 14 || tcp.window_scale_reply > 14) return false;  // RFC 7323 2.2
    entry.tcp = tcp;
  }
  if ((bits & kSctp) != 0) {
    if (protocol != IPPROTO_SCTP) return false;
    entry.sctp = SctpInfo{.state = reader.u8(), .tag_original = reader.u32(), .tag_reply = reader.u32()};
  }
  if ((bits & kDccp) != 0) {
    if (protocol != IPPROTO_DCCP) return false;
    entry.dccp = DccpInfo{.state = reader.u8(), .role = reader.u8(), .handshake_sequence = reader.u64()};
  }
  return true;
}

bool same_kind(const Tuple& a, const Tuple& b) {
  return a.protocol == b.protocol && a.source.family() == b.source.family();
}

}  // namespace

void encode_tuple(const Tuple& tuple, ByteWriter& writer) {
  writer.u8(static_cast<std::uint8_t>(tuple.source.family()));
  writer.u8(tuple.protocol);
  writer.bytes(tuple.source.bytes());
  writer.bytes(tuple.destination.bytes());
  writer.u16(tuple.source_port);
  writer.u16(tuple.destination_port);
}

bool decode_tuple(ByteReader& reader, Tuple& tuple) {
  const std::uint8_t family = reader.u8();
  if (family != 4 && family != 6) return false;
  const std::size_t length = family == 4 ? 4 : 16;
  tuple.protocol = reader.u8();
  const auto source = IpAddress::from_bytes(reader.take(length));
  const auto destination = IpAddress::from_bytes(reader.take(length));
  tuple.source_port = reader.u16();
  tuple.destination_port = reader.u16();
  if (!reader.ok() || !source || !destination) return false;
  tuple.source = *source;
  tuple.destination = *destination;
  return true;
}

void encode_entry(const ConntrackEntry& entry, ByteWriter& writer) {
  const unsigned bits = presence_of(entry);
  writer.u16(static_cast<std::uint16_t>(bits));
  encode_tuple(entry.key.original, writer);
  if ((bits & kReply) != 0) encode_tuple(entry.reply, writer);
  if ((bits & kZone) != 0) writer.u16(entry.key.zone);
  if (entry.status) writer.u32(*entry.status);
  if (entry.timeout_s) writer.u32(*entry.timeout_s);
  if (entry.mark) writer.u32(*entry.mark);
  encode_protocol_state(entry, writer);
  if (entry.sequence_adjustment) {
    for (const SequenceAdjustment& direction : *entry.sequence_adjustment) {
      writer.u32(direction.position);
      writer.u32(direction.offset_before);
      writer.u32(direction.offset_after);
    }
  }
  if (entry.synproxy) {
    writer.u32(entry.synproxy->initial_sequence);
    writer.u32(entry.synproxy->initial_timestamp);
    writer.u32(entry.synproxy->timestamp_offset);
  }
  if ((bits & kLabels) != 0) {
    writer.u8(static_cast<std::uint8_t>(entry.labels.size()));
    writer.bytes(entry.labels);
  }
  if ((bits & kHelper) != 0) encode_text(entry.helper, writer);
  if (entry.master) encode_tuple(*entry.master, writer);
}

bool decode_entry(ByteReader& reader, ConntrackEntry& entry) {
  const unsigned bits = reader.u16();
  if (!decode_tuple(reader, entry.key.original)) return false;
  if ((bits & kReply) == 0) {
    entry.reply = entry.key.original.inverse();
  } else if (!decode_tuple(reader, entry.reply) || !same_kind(entry.reply, entry.key.original)) {
    return false;
  }
  if ((bits & kZone) != 0) entry.key.zone = reader.u16();
  if ((bits & kStatus) != 0) entry.status = reader.u32();
  if ((bits & kTimeout) != 0) entry.timeout_s = reader.u32();
  if ((bits & kMark) != 0) entry.mark = reader.u32();
  if (!decode_protocol_state(reader, bits, entry)) return false;
  if ((bits & kSequenceAdjustment) != 0) {
    auto& directions = entry.sequence_adjustment.emplace();
    for (SequenceAdjustment& direction : directions) {
      direction = {.position = reader.u32(), .offset_before = reader.u32(), .offset_after = reader.u32()};
    }
  }
  if ((bits & kSynproxy) != 0) {
    entry.synproxy = Synproxy{.initial_sequence = reader.u32(),
                              .initial_timestamp = reader.u32(),
                              .timestamp_offset = reader.u32()};
  }
  if ((bits & kLabels) != 0) {
    const std::size_t length = reader.u8();
    const ByteSpan labels = reader.take(length);
    if (!reader.ok() || length > kMaxLabelBytes) return false;
    entry.labels.assign(labels.begin(), labels.end());
  }
  if ((bits & kHelper) != 0 && !decode_text(reader, kMaxHelperName, entry.helper)) return false;
  if ((bits & kMaster) != 0 && !decode_tuple(reader, entry.master.emplace())) return false;
  return reader.ok();
}

void encode_expectation(const Expectation& expectation, ByteWriter& writer) {
  encode_tuple(expectation.key.expected, writer);
  encode_tuple(expectation.mask, writer);
  encode_tuple(expectation.master, writer);
  writer.u16(expectation.key.zone);
  writer.u32(expectation.timeout_s);
  writer.u32(expectation.flags);
  writer.u32(expectation.expect_class);
  encode_text(expectation.helper.size() <= kMaxHelperName ? expectation.helper : std::string{}, writer);
  encode_text(expectation.function.size() <= kMaxHelperName ? expectation.function : std::string{}, writer);
  writer.u8(expectation.nat ? 1 : 0);
  if (!expectation.nat) return;
  writer.u32(expectation.nat->direction);
  encode_tuple(expectation.nat->tuple, writer);
}

bool decode_expectation(ByteReader& reader, Expectation& expectation) {
  if (!decode_tuple(reader, expectation.key.expected) || !decode_tuple(reader, expectation.mask) ||
      !decode_tuple(reader, expectation.master)) {
    return false;
  }
  if (expectation.mask.source.family() != expectation.key.expected.source.family()) return false;
  expectation.key.zone = reader.u16();
  expectation.timeout_s = reader.u32();
  expectation.flags = reader.u32();
  expectation.expect_class = reader.u32();
  if (!decode_text(reader, kMaxHelperName, expectation.helper)) return false;
  if (!decode_text(reader, kMaxHelperName, expectation.function)) return false;
  const std::uint8_t nat = reader.u8();
  if (!reader.ok() || nat > 1) return false;
  if (nat == 1) {
    expectation.nat.emplace().direction = reader.u32();
    if (!decode_tuple(reader, expectation.nat->tuple)) return false;
  }
  return reader.ok();
}

}  // namespace ftfw::sync::wire
