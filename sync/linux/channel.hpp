// The channel to the peer: authenticated datagrams over the dedicated link. Loss and reordering are the
// session's above; duplicates are removed by DTLS, not by the insecure channel. Owned by the replication
// thread. Pure of time: it is told `now`.
//
// An association is one agreement on fresh keys. Invariants: what take_outputs() hands out came from the peer
// under the association that is up; an association stays up until a newer one is finished beside it or the
// peer says goodbye, so nothing that a stranger sends can end it. Silence is the session's to notice: it
// calls lost().
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "appliance/base/address.hpp"
#include "appliance/base/result.hpp"
#include "appliance/base/time.hpp"
#include "sync/linux/datagram_port.hpp"

namespace ftfw::sync {

struct ChannelSettings {
  std::string node;  // own name
  std::string peer;  // the only name that is accepted
  IpAddress own_address;
  IpAddress peer_address;
  std::uint16_t port = 3780;  // on both sides
  std::string interface;
  ByteVector key;            // pre-shared, 16..256 bytes; not looked at with `insecure`
  ByteVector next_key;       // accepted and offered beside it while a key is changed; empty: none
  bool insecure = false;     // neither secrecy nor authentication
  bool shared_port = false;  // there are channels to other peers on the same port
};

enum class DownReason : std::uint8_t {
  replaced,  // a newer association follows at once
  closed,    // the peer said goodbye
  broken,    // the peer sent something authentic that ends it
};

enum class HandshakeFailure : std::uint8_t {
  no_answer,    // nobody there, or everything lost
  key_differs,  // the peer answered and the end did not authenticate: another key, or heavy loss
  own_name,     // somebody claims to be this node (reflection, or two nodes with one name)
  other_name,   // somebody with an unknown name
  broken,       // not a handshake of ours
};

struct AssociationUp {
  std::uint64_t number = 0;  // counts the associations of this channel
  bool started_here = false;
  std::string cipher;     // for the operator
  bool next_key = false;  // under the next key
};
struct AssociationDown {
  DownReason reason = DownReason::closed;
};
struct HandshakeFailed {
  HandshakeFailure reason = HandshakeFailure::no_answer;
};
struct Received {
  ByteVector bytes;
};

using ChannelOutput = std::variant<AssociationUp, AssociationDown, HandshakeFailed, Received>;

struct ChannelCounters {
  std::uint64_t datagrams_received = 0;
  std::uint64_t datagrams_sent = 0;
  std::uint64_t send_failures = 0;    // the socket's buffer was full, the link down, ...
  std::uint64_t foreign = 0;          // from another address or port
  std::uint64_t malformed = 0;        // not a record of this protocol
  std::uint64_t not_accepted = 0;     // did not authenticate, or a replay
  std::uint64_t unexpected = 0;       // a handshake message nobody waits for
  std::uint64_t hellos_answered = 0;  // with a cookie
  std::uint64_t hellos_limited = 0;   // not answered: too many
  std::uint64_t crossings = 0;        // the peer's hello while ours goes first
  std::uint64_t handshakes_finished = 0;
  std::uint64_t handshakes_failed = 0;
  std::uint64_t own_name_refused = 0;
  std::uint64_t other_name_refused = 0;
  std::uint64_t other_key_refused = 0;  // the peer's name, and a key that is none of ours
};

class Channel {
 public:
  // Payload of one send(): with headers it fits a link of 1400 bytes.
  static constexpr std::size_t kMaxPayload = 1300;

  virtual ~Channel() = default;

  // Begins to look for the peer.
  virtual void start(Instant now) = 0;
  virtual void on_readable(Instant now) = 0;
  virtual void on_timer(Instant now) = 0;
  virtual std::optional<Instant> next_deadline() const = 0;

  // One datagram. ENOTCONN while no association is up, EMSGSIZE above kMaxPayload; a datagram that the link
  // does not take is a loss, not an error.
  virtual Status send(ByteSpan payload) = 0;
  // What happened since the last call, in order.
  virtual std::vector<ChannelOutput> take_outputs() = 0;

  // The session hears nothing from the peer: a new handshake starts beside the association, which stays.
  virtual void lost(Instant now) = 0;
  // Says goodbye to the peer (once, unacknowledged) and ends the association. The channel stays quiet
  // afterwards.
  virtual void close() = 0;

  virtual bool up() const = 0;
  virtual int fd() const = 0;
  virtual ChannelCounters counters() const = 0;
};

// Opens the socket. Blame::system with errno: port in use, address or interface missing, no permission.
// Blame::configuration: key too short or too long, own and peer name equal.
Result<std::unique_ptr<Channel>> make_channel(ChannelSettings settings);
// The same over a given port.
Result<std::unique_ptr<Channel>> make_channel_over(ChannelSettings settings,
                                                   std::unique_ptr<DatagramPort> port);

}  // namespace ftfw::sync
