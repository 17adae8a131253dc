#include "sync/linux/plain_channel.hpp"

#include <sys/random.h>

#include <algorithm>
#include <cerrno>

namespace ftfw::sync {

namespace {

constexpr std::uint32_t kMagic = 0x46544657;  // "FTFW"
constexpr std::uint8_t kVersion = 1;
constexpr int kDatagramsPerCall = 256;

std::uint64_t random_id() {
  std::uint64_t id = 0;
  while (id == 0) {
    // Never fails for so few bytes once the system is up; then 0 is tried again.
    [[maybe_unused]] const ssize_t got = ::getrandom(&id, sizeof id, 0);
  }
  return id;
}

}  // namespace

PlainChannel::PlainChannel(ChannelSettings settings, std::unique_ptr<DatagramPort> port)
    : settings_(std::move(settings)), port_(std::move(port)) {}

void PlainChannel::start(Instant now) {
  look_for_peer(now);
}

void PlainChannel::lost(Instant now) {
  if (!closed_ && !wanted_) look_for_peer(now);
}

void PlainChannel::look_for_peer(Instant now) {
  offered_ = random_id();
  wanted_ = true;
  interval_ = kFirstRepeat;
  next_hello_ = now;
  on_timer(now);
}

void PlainChannel::on_timer(Instant now) {
  if (!wanted_ || now < next_hello_) return;
  greet(Kind::hello, 0, settings_.node);
  next_hello_ = now + interval_;
  interval_ = std::min(interval_ * 2, kLongestRepeat);
}

std::optional<Instant> PlainChannel::next_deadline() const {
  return wanted_ ? std::optional(next_hello_) : std::nullopt;
}

void PlainChannel::on_readable(Instant now) {
  for (int i = 0; i < kDatagramsPerCall; ++i) {
    const auto datagram = port_->receive();
    if (!datagram) return;
    ++counters_.datagrams_received;
    if (!closed_) take(*datagram, now);
  }
}

void PlainChannel::take(ByteSpan datagram, Instant now) {
  ByteReader reader(datagram);
  const bool ours = reader.u32() == kMagic && reader.u8() == kVersion;
  const auto kind = static_cast<Kind>(reader.u8());
  reader.u16();
  const std::uint64_t peer_id = reader.u64();
  const Pair ids{.own = reader.u64(), .peer = peer_id};
  const ByteSpan payload = reader.take(reader.remaining());
  if (!reader.ok() || !ours) {
    ++counters_.malformed;
    return;
  }
  const std::string_view name(reinterpret_cast<const char*>(payload.data()), payload.size());
  switch (kind) {
    case Kind::hello:
    case Kind::welcome:
      if (name != settings_.peer) {
        ++(name == settings_.node ? counters_.own_name_refused : counters_.other_name_refused);
      } else if (kind == Kind::hello) {
        greet(Kind::welcome, ids.peer, settings_.node);
      } else if (ids.own == offered_ && current_ != ids) {
        go_up(ids);
      }
      return;
    case Kind::data:
      if (current_ != ids) {
        ++counters_.not_accepted;
      } else {
        outputs_.emplace_back(Received{ByteVector(payload.begin(), payload.end())});
      }
      return;
    case Kind::goodbye:
      if (current_ != ids) return;
      current_.reset();
      outputs_.emplace_back(AssociationDown{DownReason::closed});
      look_for_peer(now);
      return;
  }
  ++counters_.malformed;
}

void PlainChannel::go_up(Pair pair) {
  if (current_) outputs_.emplace_back(AssociationDown{DownReason::replaced});
  current_ = pair;
  outputs_.emplace_back(AssociationUp{.number = ++associations_, .started_here = wanted_, .cipher = "none"});
  wanted_ = false;
  ++counters_.handshakes_finished;
  greet(Kind::welcome, pair.peer, settings_.node);
}

void PlainChannel::greet(Kind kind, std::uint64_t peer_id, std::string_view name) {
  const auto* first = reinterpret_cast<const std::uint8_t*>(name.data());
  transmit(kind, {.own = offered_, .peer = peer_id}, {first, name.size()});
}

void PlainChannel::transmit(Kind kind, Pair ids, ByteSpan payload) {
  ByteVector datagram;
  ByteWriter writer(datagram);
  writer.u32(kMagic);
  writer.u8(kVersion);
  writer.u8(static_cast<std::uint8_t>(kind));
  writer.u16(0);
  writer.u64(ids.own);
  writer.u64(ids.peer);
  writer.bytes(payload);
  ++(port_->send(datagram) ? counters_.datagrams_sent : counters_.send_failures);
}

Status PlainChannel::send(ByteSpan payload) {
  if (payload.size() > kMaxPayload) {
    return fail(Blame::system, "a frame of " + std::to_string(payload.size()) + " bytes is too long",
                EMSGSIZE);
  }
  if (!current_) return fail(Blame::system, "no association with the peer", ENOTCONN);
  transmit(Kind::data, *current_, payload);
  return {};
}

void PlainChannel::close() {
  if (current_) transmit(Kind::goodbye, *current_, {});
  current_.reset();
  closed_ = true;
  wanted_ = false;
}

ChannelCounters PlainChannel::counters() const {
  ChannelCounters counters = counters_;
  counters.foreign = port_->foreign();
  return counters;
}

}  // namespace ftfw::sync
