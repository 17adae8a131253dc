// The protocol between two nodes: frames (one datagram of plaintext each) and the messages in them. Drawn
// byte by byte in wire.cpp and README.md. Integers are in network order. A decoder never reads past what was
// received, refuses what is malformed as a whole, and skips what is unknown: message types by their length,
// fields at the end of a known message by what remains of it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "appliance/base/bytes.hpp"
#include "appliance/base/result.hpp"
#include "sync/group_state.hpp"
#include "sync/observation.hpp"

namespace ftfw::sync::wire {

inline constexpr std::size_t kMaxFrameBytes = 1200;
inline constexpr std::uint8_t kFrameVersion = 1;  // layout of the header; frozen
inline constexpr std::size_t kHeaderBytes = 44;
inline constexpr std::size_t kSelectiveWords = 4;
inline constexpr std::size_t kMaxBodyBytes = kMaxFrameBytes - kHeaderBytes - kSelectiveWords * 8;
inline constexpr std::size_t kMaxNodeName = 64;
inline constexpr std::size_t kMaxLabelBytes = 128;  // the kernel has 16 today
inline constexpr std::size_t kMaxHelperName = 31;   // NF_CT_HELPER_NAME_LEN is 16

// Bits of Hello::features.
inline constexpr std::uint32_t kFeatureDigests = 0x00000001;  // messages 10 to 13, and begin of ranges

struct Header {
  std::uint64_t instance = 0;       // of the sender's process
  std::uint64_t peer_instance = 0;  // whom the sender speaks to; 0: not known yet
  std::uint64_t sequence = 0;       // 0: not sequenced (hello, state, acknowledgement)
  std::uint64_t acknowledged = 0;   // every sequence up to here was delivered
  std::uint64_t epoch = 0;          // of the source; of what a sequenced frame carries
  // Bit i of word w: sequence acknowledged + 1 + 64 * w + i was received.
  std::vector<std::uint64_t> selective;
  bool operator==(const Header&) const = default;
};

struct Hello {
  std::uint64_t challenge = 0;  // the newest of the sender
  std::uint64_t echo = 0;       // the newest heard from whom it is addressed to
  std::uint8_t version_min = 1;
  std::uint8_t version_max = 1;
  std::uint32_t features = 0;
  std::string node;
  bool operator==(const Hello&) const = default;
};

struct State {
  std::uint64_t number = 0;  // grows, so that a late one is recognised
  Role role = Role::replica;
  bool in_sync = false;
  std::uint64_t source_epoch = 0;
  bool hears_source = false;
  GroupState group;
  TableState table;
  std::uint32_t uptime_s = 0;  // of the process
  bool operator==(const State&) const = default;
};

struct Entry {
  ConntrackEntry entry;
  // From a dump, and events newer than that dump were already sent: create it where it is missing, change
  // nothing.
  bool only_if_absent = false;
  bool operator==(const Entry&) const = default;
};
struct Destroyed {
  EntryKey key;
  bool operator==(const Destroyed&) const = default;
};
struct Expected {
  Expectation expectation;
  bool operator==(const Expected&) const = default;
};
struct ExpectedDestroyed {
  ExpectationKey key;
  bool operator==(const ExpectedDestroyed&) const = default;
};
// A full send stands between the two, or the ranges that were wanted after a compare (its number; 0: the
// whole table). A begin without its end is void as soon as the next begin comes.
struct Begin {
  std::uint64_t send = 0;
  std::uint64_t compare = 0;
  bool operator==(const Begin&) const = default;
};
struct End {
  std::uint64_t send = 0;
  bool operator==(const End&) const = default;
};
struct FullSendRequest {
  bool restart = false;  // the begin of the one under way was never seen
  bool operator==(const FullSendRequest&) const = default;
};

// Both sides read their tables from here on, and leave out what messages name from here to the first digests.
struct CompareBegin {
  std::uint64_t compare = 0;
  std::uint64_t salt = 0;
  LeftOut left_out;
  bool hurried = false;  // somebody waits for it: no pace
  bool operator==(const CompareBegin&) const = default;
};
// The replica has read its table.
struct CompareReady {
  std::uint64_t compare = 0;
  bool operator==(const CompareReady&) const = default;
};
// Of the ranges first, first + 1 ... of 2^bits.
struct Digests {
  std::uint64_t compare = 0;
  std::uint8_t bits = 0;
  std::uint32_t first = 0;
  std::vector<std::uint32_t> values;
  bool operator==(const Digests&) const = default;
};
// The replica's answer: the ranges that differ, in pieces.
struct RangesWanted {
  std::uint64_t compare = 0;
  std::vector<std::uint32_t> ranges;
  bool last = false;
  bool all = false;  // more than are worth a list
  bool operator==(const RangesWanted&) const = default;
};

using Message =
    std::variant<Hello, State, Entry, Destroyed, Expected, ExpectedDestroyed, Begin, End, FullSendRequest,
                 CompareBegin, CompareReady, Digests, RangesWanted, GroupMessage>;

inline constexpr std::size_t kValuesInMessage = 120;  // digests, ranges

struct Frame {
  Header header;
  std::vector<Message> messages;  // the known ones
  std::size_t unknown_messages = 0;
};

ByteVector encode_frame(const Header& header, ByteSpan body);
void encode(const Message& message, ByteVector& body);
Result<Frame> decode_frame(ByteSpan bytes);

// The key that a message of the stream names, as its place in ranges (range_set.hpp); nothing for the others.
std::optional<std::uint64_t> place_of(const Message& message);

// The largest encoding of one message; it fits into an empty body.
inline constexpr std::size_t kMaxMessageBytes = 512;

// In entry_codec.cpp. The readers fail the reader or return false when a value cannot be.
void encode_entry(const ConntrackEntry& entry, ByteWriter& writer);
void encode_expectation(const Expectation& expectation, ByteWriter& writer);
void encode_tuple(const Tuple& tuple, ByteWriter& writer);
bool decode_entry(ByteReader& reader, ConntrackEntry& entry);
bool decode_expectation(ByteReader& reader, Expectation& expectation);
bool decode_tuple(ByteReader& reader, Tuple& tuple);

}  // namespace ftfw::sync::wire
