// Frame header, 44 bytes and 8 for each selective word:
//    0        1          2               4
//   | version | words    | 0 (16)        | instance (64)              | peer instance (64)          |
//   20                                   28                           36
//   | sequence (64)                      | acknowledged (64)          | epoch (64)                  |
//   44
//   | selective word (64), 0 to 4 times  | messages ...
//
// Message: | type(8) | flags(8) | length of what follows(16) | ...
//   1 hello: challenge(64) echo(64) lowest version(8) highest version(8) features(32) name length(8) name
//   2 state: number(64) role(8) in sync(8) source epoch(64) group role(8) priority(8) legs up(8) primary
//   epoch(64), then what may be absent: table(8: bit 0 empty; bit 1 labels, bit 2 helpers are refused; bit 3:
//   it hears the source that it obeys) standing(8: bit 0 ready, bit 1 maintenance) configuration hash(64)
//   ruleset hash(64) uptime in seconds(32) version length(8) version
//   3 entry (flag 0x01: only if absent)   4 destroyed: tuple, zone(16)   5 expectation
//   6 expectation destroyed: tuple, zone(16)
//   7 begin: send(64), flag 0x01: and the number of the compare(64)   8 end: send(64)
//   9 full send request (flag 0x01: restart)
//   10 compare begin: number(64) salt(64) left out(8: 1 labels, 2 helpers), flag 0x01: hurried
//   11 compare ready: number(64)
//   12 digests: number(64) bits(8) first range(32) count(16) values(count x 32)
//   13 ranges wanted: number(64) count(16) ranges(count x 32), flag 0x01: the last piece, 0x02: all
//   14 group message, behind the state of its frame: kind(8: 1 release, 2 request, 3 ready, 4 go, 5 abort)
//   epoch(64) attempt(64). One of another kind is skipped.
#include "sync/wire.hpp"

#include "sync/range_set.hpp"

namespace ftfw::sync::wire {
namespace {

enum class Type : std::uint8_t {
  hello = 1,
  state = 2,
  entry = 3,
  destroyed = 4,
  expectation = 5,
  expectation_destroyed = 6,
  begin = 7,
  end = 8,
  full_send_request = 9,
  compare_begin = 10,
  compare_ready = 11,
  digests = 12,
  ranges_wanted = 13,
  group_message = 14,
};
constexpr std::uint8_t kLastType = 14;
constexpr std::uint8_t kFlagSet = 0x01;
constexpr std::uint8_t kFlagAll = 0x02;
constexpr std::uint8_t kEmpty = 0x01;
constexpr unsigned kRefusedShift = 1;  // of the bits below, in a state
constexpr std::uint8_t kHearsSource = 0x08;
constexpr std::uint8_t kReady = 0x01;
constexpr std::uint8_t kMaintenance = 0x02;
constexpr std::uint8_t kLabels = 0x01;
constexpr std::uint8_t kHelpers = 0x02;
constexpr std::size_t kMessageHeaderBytes = 4;

std::uint8_t byte_of(LeftOut left_out) {
  return static_cast<std::uint8_t>((left_out.labels ? kLabels : 0) | (left_out.helpers ? kHelpers : 0));
}

LeftOut left_out_of(unsigned byte) {
  return {.labels = (byte & kLabels) != 0, .helpers = (byte & kHelpers) != 0};
}

void encode_values(const std::vector<std::uint32_t>& values, ByteWriter& writer) {
  writer.u16(static_cast<std::uint16_t>(values.size()));
  for (const std::uint32_t value : values) writer.u32(value);
}

bool decode_values(ByteReader& reader, std::vector<std::uint32_t>& values) {
  const std::size_t count = reader.u16();
  if (!reader.ok() || reader.remaining() < count * 4) return false;
  values.reserve(count);
  for (std::size_t i = 0; i < count; ++i) values.push_back(reader.u32());
  return reader.ok();
}

struct Encoder {
  ByteWriter& writer;

  void operator()(const Hello& hello) const {
    writer.u64(hello.challenge);
    writer.u64(hello.echo);
    writer.u8(hello.version_min);
    writer.u8(hello.version_max);
    writer.u32(hello.features);
    const std::string name = hello.node.substr(0, kMaxNodeName);
    writer.u8(static_cast<std::uint8_t>(name.size()));
    writer.text(name);
  }
  void operator()(const State& state) const {
    writer.u64(state.number);
    writer.u8(static_cast<std::uint8_t>(state.role));
    writer.u8(state.in_sync ? 1 : 0);
    writer.u64(state.source_epoch);
    writer.u8(static_cast<std::uint8_t>(state.group.role));
    writer.u8(state.group.priority);
    writer.u8(state.group.legs_up ? 1 : 0);
    writer.u64(state.group.primary_epoch);
    writer.u8(static_cast<std::uint8_t>(
        (state.table.empty ? kEmpty : 0U) | (state.hears_source ? kHearsSource : 0U) |
        static_cast<unsigned>(byte_of(state.table.refused)) << kRefusedShift));
    writer.u8(static_cast<std::uint8_t>((state.group.ready ? kReady : 0U) |
                                        (state.group.maintenance ? kMaintenance : 0U)));
    writer.u64(state.group.configuration_hash);
    writer.u64(state.group.ruleset_hash);
    writer.u32(state.uptime_s);
    const std::string_view version = std::string_view(state.group.version).substr(0, kMaxVersion);
    writer.u8(static_cast<std::uint8_t>(version.size()));
    writer.text(version);
  }
  void operator()(const Entry& message) const { encode_entry(message.entry, writer); }
  void operator()(const Destroyed& message) const {
    encode_tuple(message.key.original, writer);
    writer.u16(message.key.zone);
  }
  void operator()(const Expected& message) const { encode_expectation(message.expectation, writer); }
  void operator()(const ExpectedDestroyed& message) const {
    encode_tuple(message.key.expected, writer);
    writer.u16(message.key.zone);
  }
  void operator()(const Begin& message) const {
    writer.u64(message.send);
    if (message.compare != 0) writer.u64(message.compare);
  }
  void operator()(const End& message) const { writer.u64(message.send); }
  void operator()(const FullSendRequest&) const {}
  void operator()(const CompareBegin& message) const {
    writer.u64(message.compare);
    writer.u64(message.salt);
    writer.u8(byte_of(message.left_out));
  }
  void operator()(const CompareReady& message) const { writer.u64(message.compare); }
  void operator()(const Digests& message) const {
    writer.u64(message.compare);
    writer.u8(message.bits);
    writer.u32(message.first);
    encode_values(message.values, writer);
  }
  void operator()(const RangesWanted& message) const {
    writer.u64(message.compare);
    encode_values(message.ranges, writer);
  }
  void operator()(const GroupMessage& message) const {
    writer.u8(static_cast<std::uint8_t>(message.kind));
    writer.u64(message.epoch);
    writer.u64(message.attempt);
  }
};

std::uint8_t flags_of(const Message& message) {
  if (const auto* entry = std::get_if<Entry>(&message)) return entry->only_if_absent ? kFlagSet : 0;
  if (const auto* request = std::get_if<FullSendRequest>(&message)) return request->restart ? kFlagSet : 0;
  if (const auto* begin = std::get_if<Begin>(&message)) return begin->compare != 0 ? kFlagSet : 0;
  if (const auto* compare = std::get_if<CompareBegin>(&message)) return compare->hurried ? kFlagSet : 0;
  if (const auto* wanted = std::get_if<RangesWanted>(&message)) {
    return static_cast<std::uint8_t>((wanted->last ? kFlagSet : 0) | (wanted->all ? kFlagAll : 0));
  }
  return 0;
}

bool decode_hello(ByteReader& reader, Hello& hello) {
  hello.challenge = reader.u64();
  hello.echo = reader.u64();
  hello.version_min = reader.u8();
  hello.version_max = reader.u8();
  hello.features = reader.u32();
  const std::size_t length = reader.u8();
  const ByteSpan name = reader.take(length);
  hello.node.assign(name.begin(), name.end());
  return reader.ok() && length <= kMaxNodeName && hello.version_min <= hello.version_max;
}

// Absent in the states of older programs.
void decode_standing(ByteReader& reader, State& state) {
  const unsigned standing = reader.u8();
  state.group.ready = (standing & kReady) != 0;
  state.group.maintenance = (standing & kMaintenance) != 0;
  state.group.configuration_hash = reader.u64();
  state.group.ruleset_hash = reader.u64();
  state.uptime_s = reader.u32();
  const std::size_t length = reader.u8();
  const ByteSpan version = reader.take(length);
  state.group.version.assign(version.begin(), version.end());
  if (length > kMaxVersion) state.group.version.resize(kMaxVersion);
}

bool decode_state(ByteReader& reader, State& state) {
  state.number = reader.u64();
  const std::uint8_t role = reader.u8();
  state.in_sync = reader.u8() != 0;
  state.source_epoch = reader.u64();
  const std::uint8_t group_role = reader.u8();
  state.group.priority = reader.u8();
  state.group.legs_up = reader.u8() != 0;
  state.group.primary_epoch = reader.u64();
  const unsigned table = reader.remaining() > 0 ? reader.u8() : 0U;
  state.table.empty = (table & kEmpty) != 0;
  state.hears_source = (table & kHearsSource) != 0;
  state.table.refused = left_out_of(table >> kRefusedShift);
  if (reader.remaining() > 0) decode_standing(reader, state);
  if (!reader.ok() || role > 1 || group_role > 3) return false;
  state.role = static_cast<Role>(role);
  state.group.role = static_cast<GroupRole>(group_role);
  return true;
}

bool decode_begin(ByteReader& reader, bool of_ranges, Begin& begin) {
  begin.send = reader.u64();
  if (of_ranges) begin.compare = reader.u64();
  return reader.ok() && of_ranges == (begin.compare != 0);
}

bool decode_digests(ByteReader& reader, Digests& digests) {
  digests.compare = reader.u64();
  digests.bits = reader.u8();
  digests.first = reader.u32();
  if (!decode_values(reader, digests.values) || digests.bits > kMaxRangeBits) return false;
  return !digests.values.empty() &&
         std::uint64_t{digests.first} + digests.values.size() <= std::uint64_t{1} << digests.bits;
}

// True as well for a kind that is not known: it is not appended.
bool decode_group_message(ByteReader& reader, std::vector<Message>& out) {
  const std::uint8_t kind = reader.u8();
  GroupMessage message{.epoch = reader.u64()};
  message.attempt = reader.u64();
  if (!reader.ok()) return false;
  if (kind < static_cast<std::uint8_t>(GroupMessage::Kind::release) ||
      kind > static_cast<std::uint8_t>(GroupMessage::Kind::abort)) {
    return true;
  }
  message.kind = static_cast<GroupMessage::Kind>(kind);
  out.emplace_back(message);
  return true;
}

// Appends the message; what follows its known fields is skipped. False: malformed.
bool decode_message(Type type, std::uint8_t flags, ByteSpan bytes, std::vector<Message>& out) {
  ByteReader reader(bytes);
  const bool flag = (flags & kFlagSet) != 0;
  switch (type) {
    case Type::hello:
      return decode_hello(reader, out.emplace_back().emplace<Hello>());
    case Type::state:
      return decode_state(reader, out.emplace_back().emplace<State>());
    case Type::entry: {
      auto& message = out.emplace_back().emplace<Entry>();
      message.only_if_absent = flag;
      return decode_entry(reader, message.entry);
    }
    case Type::destroyed: {
      auto& message = out.emplace_back().emplace<Destroyed>();
      if (!decode_tuple(reader, message.key.original)) return false;
      message.key.zone = reader.u16();
      return reader.ok();
    }
    case Type::expectation:
      return decode_expectation(reader, out.emplace_back().emplace<Expected>().expectation);
    case Type::expectation_destroyed: {
      auto& message = out.emplace_back().emplace<ExpectedDestroyed>();
      if (!decode_tuple(reader, message.key.expected)) return false;
      message.key.zone = reader.u16();
      return reader.ok();
    }
    case Type::begin:
      return decode_begin(reader, flag, out.emplace_back().emplace<Begin>());
    case Type::end:
      out.emplace_back(End{reader.u64()});
      return reader.ok();
    case Type::full_send_request:
      out.emplace_back(FullSendRequest{flag});
      return true;
    case Type::compare_begin: {
      auto& message = out.emplace_back().emplace<CompareBegin>();
      message.compare = reader.u64();
      message.salt = reader.u64();
      message.left_out = left_out_of(reader.u8());
      message.hurried = flag;
      return reader.ok();
    }
    case Type::compare_ready:
      out.emplace_back(CompareReady{reader.u64()});
      return reader.ok();
    case Type::digests:
      return decode_digests(reader, out.emplace_back().emplace<Digests>());
    case Type::ranges_wanted: {
      auto& message = out.emplace_back().emplace<RangesWanted>();
      message.compare = reader.u64();
      message.last = flag;
      message.all = (flags & kFlagAll) != 0;
      return decode_values(reader, message.ranges);
    }
    case Type::group_message:
      return decode_group_message(reader, out);
  }
  return false;
}

Result<Header> decode_header(ByteReader& reader) {
  Header header;
  const std::uint8_t version = reader.u8();
  const std::size_t words = reader.u8();
  reader.u16();
  header.instance = reader.u64();
  header.peer_instance = reader.u64();
  header.sequence = reader.u64();
  header.acknowledged = reader.u64();
  header.epoch = reader.u64();
  if (!reader.ok()) return fail(Blame::wire, "frame shorter than its header");
  if (version != kFrameVersion) return fail(Blame::wire, "frame of an unknown version");
  if (words > kSelectiveWords) return fail(Blame::wire, "too many selective acknowledgements");
  if (header.instance == 0) return fail(Blame::wire, "frame without an instance");
  for (std::size_t i = 0; i < words; ++i) header.selective.push_back(reader.u64());
  if (!reader.ok()) return fail(Blame::wire, "frame ends inside its acknowledgements");
  return header;
}

}  // namespace

ByteVector encode_frame(const Header& header, ByteSpan body) {
  ByteVector bytes;
  bytes.reserve(kHeaderBytes + header.selective.size() * 8 + body.size());
  ByteWriter writer(bytes);
  writer.u8(kFrameVersion);
  writer.u8(static_cast<std::uint8_t>(header.selective.size()));
  writer.u16(0);
  writer.u64(header.instance);
  writer.u64(header.peer_instance);
  writer.u64(header.sequence);
  writer.u64(header.acknowledged);
  writer.u64(header.epoch);
  for (const std::uint64_t word : header.selective) writer.u64(word);
  writer.bytes(body);
  return bytes;
}

void encode(const Message& message, ByteVector& body) {
  ByteWriter writer(body);
  const std::size_t start = writer.size();
  writer.u8(static_cast<std::uint8_t>(message.index() + 1));  // the variant is in the order of the types
  writer.u8(flags_of(message));
  writer.u16(0);
  std::visit(Encoder{writer}, message);
  writer.patch_u16(start + 2, static_cast<std::uint16_t>(writer.size() - start - kMessageHeaderBytes));
}

Result<Frame> decode_frame(ByteSpan bytes) {
  if (bytes.size() > kMaxFrameBytes) return fail(Blame::wire, "frame longer than any this protocol sends");
  ByteReader reader(bytes);
  auto header = decode_header(reader);
  if (!header) return std::unexpected(header.error());
  Frame frame{.header = std::move(*header)};
  while (reader.remaining() > 0) {
    const std::uint8_t type = reader.u8();
    const std::uint8_t flags = reader.u8();
    const ByteSpan body = reader.take(reader.u16());
    if (!reader.ok()) return fail(Blame::wire, "message longer than its frame");
    if (type == 0 || type > kLastType) {
      ++frame.unknown_messages;
    } else if (!decode_message(static_cast<Type>(type), flags, body, frame.messages)) {
      return fail(Blame::wire, "malformed message");
    }
  }
  return frame;
}

std::optional<std::uint64_t> place_of(const Message& message) {
  if (const auto* entry = std::get_if<Entry>(&message)) return sync::place_of(entry->entry.key);
  if (const auto* destroyed = std::get_if<Destroyed>(&message)) return sync::place_of(destroyed->key);
  if (const auto* expected = std::get_if<Expected>(&message))
    return sync::place_of(expected->expectation.key);
  if (const auto* gone = std::get_if<ExpectedDestroyed>(&message)) return sync::place_of(gone->key);
  return std::nullopt;
}

}  // namespace ftfw::sync::wire
