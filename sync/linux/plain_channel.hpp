// Channel without cryptography (`insecure = true`): associations are pairs of random ids, so that a restarted
// peer is told from the one before and late datagrams of an old association are dropped. Whoever can send to
// the link can forge it; it exists for trusted test links and for people who said so in words.
//
//   0        4         5      6          8             16             24
//   | "FTFW" | version | kind | reserved | sender's id | receiver's id | payload ...
//   hello: receiver's id 0, payload the node's name. welcome: answers hello with both ids, payload the name;
//   who gets a welcome to the id it offers is up and welcomes back once. data: both ids. goodbye: both ids.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "sync/linux/channel.hpp"

namespace ftfw::sync {

class PlainChannel final : public Channel {
 public:
  static constexpr Duration kFirstRepeat = 100ms;  // doubled up to
  static constexpr Duration kLongestRepeat = 1s;

  PlainChannel(ChannelSettings settings, std::unique_ptr<DatagramPort> port);

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
  enum class Kind : std::uint8_t { hello = 1, welcome = 2, data = 3, goodbye = 4 };
  struct Pair {
    std::uint64_t own = 0;
    std::uint64_t peer = 0;
    bool operator==(const Pair&) const = default;
  };

  void take(ByteSpan datagram, Instant now);
  void greet(Kind kind, std::uint64_t peer_id, std::string_view name);
  void go_up(Pair pair);
  void look_for_peer(Instant now);
  void transmit(Kind kind, Pair ids, ByteSpan payload);

  ChannelSettings settings_;
  std::unique_ptr<DatagramPort> port_;
  std::uint64_t offered_ = 0;  // own id of the association that is up or looked for
  std::optional<Pair> current_;
  bool wanted_ = false;
  bool closed_ = false;
  Instant next_hello_{};
  Duration interval_ = kFirstRepeat;
  std::uint64_t associations_ = 0;
  ChannelCounters counters_;
  std::vector<ChannelOutput> outputs_;
};

}  // namespace ftfw::sync
