// Channel over DTLS 1.2: at most one association that is up and one handshake beside it.
//
//   who begins is the DTLS client. On a crossing the lower node name stays client: the other drops its own
//   hello as soon as the peer's hello comes back with the cookie. hello -> cookie (nothing is kept, rate
//   limited) -> hello with cookie (rate limited) -> handshake beside the association -> finished: it replaces
//   the association. Abandoned after 3 s.
//
// Invariant: a datagram that did not authenticate changes at most the handshake under way.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "sync/linux/association.hpp"
#include "sync/linux/channel.hpp"
#include "sync/linux/dtls_record.hpp"

namespace ftfw::sync {

class DtlsChannel final : public Channel {
 public:
  static constexpr Duration kFirstRepeat = 100ms;  // doubled each time, up to
  static constexpr Duration kLongestRepeat = 400ms;
  static constexpr Duration kHandshakeLimit = 3s;
  static constexpr Duration kPauseAfterFailure = 200ms;
  static constexpr std::uint32_t kCookiesPerSecond = 1000;
  static constexpr std::uint32_t kHandshakesPerSecond = 20;  // begun by hellos with a valid cookie

  static Result<std::unique_ptr<Channel>> make(ChannelSettings settings, std::unique_ptr<DatagramPort> port);

  void start(Instant now) override;
  void on_readable(Instant now) override;
  void on_timer(Instant now) override;
  std::optional<Instant> next_deadline() const override;
  Status send(ByteSpan payload) override;
  std::vector<ChannelOutput> take_outputs() override { return std::exchange(outputs_, {}); }
  void lost(Instant now) override;
  void close() override;
  bool up() const override { return current_.has_value(); }
  int fd() const override { return port_->fd(); }
  ChannelCounters counters() const override;

 private:
  using Flight = std::vector<ByteVector>;

  struct Current {
    std::unique_ptr<Association> association;
    ClientRandom random{};
    Flight last_flight;  // a server repeats it as long as the client asks, until the client was heard
    bool confirmed = false;
  };

  struct Handshake {
    std::unique_ptr<Association> association;
    ClientRandom random{};  // names the attempt: the same in every hello of it
    Flight flight;          // what is repeated
    Duration interval = kFirstRepeat;
    Instant repeat_at;
    Instant abandon_at;
    bool answered = false;  // the peer sent more than a cookie
  };

  // At most `limit` per second.
  class RateLimit {
   public:
    bool allow(Instant now, std::uint32_t limit);

   private:
    Instant second_{};
    std::uint32_t used_ = 0;
  };

  DtlsChannel(ChannelSettings settings, std::unique_ptr<DatagramPort> port,
              std::unique_ptr<DtlsContext> context);

  void take(ByteSpan datagram, Instant now);
  void on_client_hello(const FirstRecord& record, ByteSpan datagram, Instant now);
  void on_handshake_record(const FirstRecord& record, ByteSpan datagram, Instant now);
  void on_sealed_record(const FirstRecord& record, ByteSpan datagram, Instant now);
  void begin_as_client(Instant now);
  void begin(std::unique_ptr<Association> association, const ClientRandom& random, Instant now);
  void after_step(Instant now);
  void promote(Instant now);
  void drop_handshake(HandshakeFailure reason, Instant next_attempt);
  void read_current(Instant now);
  void transmit(const Flight& datagrams);

  ChannelSettings settings_;
  std::unique_ptr<DatagramPort> port_;
  std::unique_ptr<DtlsContext> context_;
  std::unique_ptr<Association> listener_;  // answers hellos; becomes the handshake when one is accepted
  std::optional<Handshake> handshake_;
  std::optional<Current> current_;
  bool wanted_ = false;  // an association is looked for: none yet, or lost()
  bool closed_ = false;
  Instant next_attempt_{};
  std::uint64_t associations_ = 0;
  RateLimit cookies_;
  RateLimit handshakes_;
  ChannelCounters counters_;
  std::vector<ChannelOutput> outputs_;
};

}  // namespace ftfw::sync
