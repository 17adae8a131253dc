#include "sync/linux/dtls_channel.hpp"

#include <algorithm>
#include <cerrno>
#include <utility>

namespace ftfw::sync {

namespace {

// One call stays short; epoll calls again while there is more.
constexpr int kDatagramsPerCall = 256;

// Whether an association in this role waits for such a message.
bool is_for(Association::Role role, const FirstRecord& record) {
  if (record.type == RecordType::change_cipher_spec) return true;
  switch (record.message) {
    case HandshakeType::server_hello:
    case HandshakeType::hello_verify_request:
    case HandshakeType::server_key_exchange:
    case HandshakeType::server_hello_done:
      return role == Association::Role::client;
    case HandshakeType::client_key_exchange:
      return role == Association::Role::server;
    case HandshakeType::client_hello:
    case HandshakeType::other:
      return false;
  }
  return false;
}

}  // namespace

bool DtlsChannel::RateLimit::allow(Instant now, std::uint32_t limit) {
  if (now - second_ >= 1s) {
    second_ = now;
    used_ = 0;
  }
  return used_++ < limit;
}

Result<std::unique_ptr<Channel>> DtlsChannel::make(ChannelSettings settings,
                                                   std::unique_ptr<DatagramPort> port) {
  auto context = DtlsContext::make(settings.node, settings.peer, std::exchange(settings.key, {}),
                                   std::exchange(settings.next_key, {}));
  if (!context) return std::unexpected(context.error());
  return std::unique_ptr<Channel>(new DtlsChannel(std::move(settings), std::move(port), std::move(*context)));
}

DtlsChannel::DtlsChannel(ChannelSettings settings, std::unique_ptr<DatagramPort> port,
                         std::unique_ptr<DtlsContext> context)
    : settings_(std::move(settings)), port_(std::move(port)), context_(std::move(context)) {}

void DtlsChannel::start(Instant now) {
  wanted_ = true;
  next_attempt_ = now;
  on_timer(now);
}

void DtlsChannel::lost(Instant now) {
  if (closed_ || wanted_) return;
  wanted_ = true;
  next_attempt_ = now;
  on_timer(now);
}

void DtlsChannel::close() {
  closed_ = true;
  wanted_ = false;
  handshake_.reset();
  if (!current_) return;
  current_->association->close();
  transmit(current_->association->take_datagrams());
  current_.reset();
}

std::optional<Instant> DtlsChannel::next_deadline() const {
  if (handshake_) return std::min(handshake_->repeat_at, handshake_->abandon_at);
  if (wanted_) return next_attempt_;
  return std::nullopt;
}

void DtlsChannel::on_timer(Instant now) {
  if (handshake_ && now >= handshake_->abandon_at) {
    drop_handshake(handshake_->answered ? HandshakeFailure::key_differs : HandshakeFailure::no_answer, now);
  }
  if (handshake_ && now >= handshake_->repeat_at) {
    transmit(handshake_->flight);
    handshake_->interval = std::min(handshake_->interval * 2, kLongestRepeat);
    handshake_->repeat_at = now + handshake_->interval;
  }
  if (!handshake_ && wanted_ && now >= next_attempt_) begin_as_client(now);
}

void DtlsChannel::on_readable(Instant now) {
  for (int i = 0; i < kDatagramsPerCall; ++i) {
    const auto datagram = port_->receive();
    if (!datagram) return;
    ++counters_.datagrams_received;
    if (!closed_) take(*datagram, now);
  }
}

void DtlsChannel::take(ByteSpan datagram, Instant now) {
  const auto record = first_record(datagram);
  if (!record) {
    ++counters_.malformed;
  } else if (record->sealed) {
    on_sealed_record(*record, datagram, now);
  } else if (record->type == RecordType::handshake && record->message == HandshakeType::client_hello) {
    on_client_hello(*record, datagram, now);
  } else {
    on_handshake_record(*record, datagram, now);
  }
}

// A repeated hello of the attempt under way is answered by repeating; any other goes to the listener, which
// keeps nothing until the cookie comes back.
void DtlsChannel::on_client_hello(const FirstRecord& record, ByteSpan datagram, Instant now) {
  const bool under_way = handshake_ && handshake_->association->role() == Association::Role::server;
  if (under_way && handshake_->random == record.random) return transmit(handshake_->flight);
  if (current_ && current_->random == record.random) {
    ++counters_.unexpected;
    return;
  }
  if (handshake_ && !under_way && settings_.node < settings_.peer) {
    ++counters_.crossings;
    return;
  }
  if (!cookies_.allow(now, kCookiesPerSecond)) {
    ++counters_.hellos_limited;
    return;
  }
  context_->refresh_cookie_secret(now);
  if (!listener_) {
    auto made = Association::make(*context_, Association::Role::server);
    if (!made) return;
    listener_ = std::move(*made);
  }
  switch (listener_->listen(datagram)) {
    case Association::Hello::refused:
      ++counters_.malformed;
      return;
    case Association::Hello::cookie_sent:
      ++counters_.hellos_answered;
      transmit(listener_->take_datagrams());
      return;
    case Association::Hello::accepted:
      break;
  }
  auto association = std::move(listener_);
  if (!handshakes_.allow(now, kHandshakesPerSecond)) {
    ++counters_.hellos_limited;
    return;
  }
  begin(std::move(association), record.random, now);
}

// Not sealed, so nobody can say who sent it: it may only move the handshake under way. A client that repeats
// its last flight has not got ours.
void DtlsChannel::on_handshake_record(const FirstRecord& record, ByteSpan datagram, Instant now) {
  const bool a_handshake =
      record.type == RecordType::handshake || record.type == RecordType::change_cipher_spec;
  if (a_handshake && handshake_ && is_for(handshake_->association->role(), record)) {
    handshake_->answered |= record.message != HandshakeType::hello_verify_request;
    handshake_->association->feed(datagram);
    return after_step(now);
  }
  const bool repeat_asked =
      current_ && !current_->confirmed && record.message == HandshakeType::client_key_exchange;
  if (repeat_asked) return transmit(current_->last_flight);
  ++counters_.unexpected;
}

void DtlsChannel::on_sealed_record(const FirstRecord& record, ByteSpan datagram, Instant now) {
  if (handshake_ && record.type == RecordType::handshake) {
    handshake_->association->feed(datagram);
    return after_step(now);
  }
  if (!current_) {
    ++counters_.not_accepted;
    return;
  }
  current_->association->feed(datagram);
  read_current(now);
}

void DtlsChannel::begin_as_client(Instant now) {
  auto association = Association::make(*context_, Association::Role::client);
  if (!association) {
    next_attempt_ = now + kHandshakeLimit;
    return;
  }
  begin(std::move(*association), {}, now);
}

void DtlsChannel::begin(std::unique_ptr<Association> association, const ClientRandom& random, Instant now) {
  handshake_.emplace(Handshake{.association = std::move(association),
                               .random = random,
                               .repeat_at = now + kFirstRepeat,
                               .abandon_at = now + kHandshakeLimit});
  handshake_->association->advance();
  after_step(now);
}

// Sends what the step produced: that is the flight to repeat from now on.
void DtlsChannel::after_step(Instant now) {
  if (Flight produced = handshake_->association->take_datagrams(); !produced.empty()) {
    transmit(produced);
    handshake_->flight = std::move(produced);
    handshake_->interval = kFirstRepeat;
    handshake_->repeat_at = now + kFirstRepeat;
  }
  switch (handshake_->association->stage()) {
    case Association::Stage::handshaking:
      return;
    case Association::Stage::established:
      return promote(now);
    case Association::Stage::closed:
    case Association::Stage::failed:
      break;
  }
  const DtlsContext::Refusals& refused = context_->refusals();
  HandshakeFailure reason = HandshakeFailure::broken;
  if (refused.own_name > counters_.own_name_refused) reason = HandshakeFailure::own_name;
  if (refused.other_name > counters_.other_name_refused) reason = HandshakeFailure::other_name;
  if (refused.other_key > counters_.other_key_refused) reason = HandshakeFailure::key_differs;
  counters_.own_name_refused = refused.own_name;
  counters_.other_name_refused = refused.other_name;
  counters_.other_key_refused = refused.other_key;
  drop_handshake(reason, now + kPauseAfterFailure);
}

void DtlsChannel::promote(Instant now) {
  if (current_) outputs_.emplace_back(AssociationDown{DownReason::replaced});
  current_.emplace(Current{.association = std::move(handshake_->association),
                           .random = handshake_->random,
                           .last_flight = std::move(handshake_->flight)});
  handshake_.reset();
  wanted_ = false;
  ++counters_.handshakes_finished;
  const bool started_here = current_->association->role() == Association::Role::client;
  // A client's last flight was answered, or it would not be here.
  current_->confirmed = started_here;
  outputs_.emplace_back(AssociationUp{.number = ++associations_,
                                      .started_here = started_here,
                                      .cipher = current_->association->cipher(),
                                      .next_key = context_->is_next_key(current_->association->identity())});
  // Application data may stand behind the last handshake record of the datagram.
  if (auto received = current_->association->take_received(); !received.empty()) {
    for (ByteVector& payload : received) outputs_.emplace_back(Received{std::move(payload)});
    current_->confirmed = true;
  }
  if (current_->association->stage() != Association::Stage::established) read_current(now);
}

void DtlsChannel::drop_handshake(HandshakeFailure reason, Instant next_attempt) {
  handshake_.reset();
  ++counters_.handshakes_failed;
  next_attempt_ = next_attempt;
  outputs_.emplace_back(HandshakeFailed{reason});
}

// After a datagram was fed to the association that is up.
void DtlsChannel::read_current(Instant now) {
  Association& association = *current_->association;
  transmit(association.take_datagrams());
  auto received = association.take_received();
  for (ByteVector& payload : received) outputs_.emplace_back(Received{std::move(payload)});
  current_->confirmed |= !received.empty();
  switch (association.stage()) {
    case Association::Stage::handshaking:
    case Association::Stage::established:
      if (received.empty()) ++counters_.not_accepted;
      return;
    case Association::Stage::closed:
      outputs_.emplace_back(AssociationDown{DownReason::closed});
      break;
    case Association::Stage::failed:
      outputs_.emplace_back(AssociationDown{DownReason::broken});
      break;
  }
  current_.reset();
  wanted_ = true;
  next_attempt_ = now + kPauseAfterFailure;
}

Status DtlsChannel::send(ByteSpan payload) {
  if (!current_) return fail(Blame::system, "no association with the peer", ENOTCONN);
  if (auto written = current_->association->write(payload); !written) return written;
  transmit(current_->association->take_datagrams());
  return {};
}

void DtlsChannel::transmit(const Flight& datagrams) {
  for (const ByteVector& datagram : datagrams) {
    ++(port_->send(datagram) ? counters_.datagrams_sent : counters_.send_failures);
  }
}

ChannelCounters DtlsChannel::counters() const {
  ChannelCounters counters = counters_;
  counters.foreign = port_->foreign();
  return counters;
}

}  // namespace ftfw::sync
