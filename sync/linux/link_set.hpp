// Several dedicated links as one channel: each has an association, keep-alives (LinkHealth) and figures of
// its own, and any one alive is enough. Owned by the replication thread. With one link it is the same, so
// that a pair can be given a second one node by node.
//
// A frame goes over one link, never over two, so that a further link costs nothing but its keep-alives:
//   sound: the peer is heard there and hears us, and the interface has its carrier.
//   Of the sound links the one that delivers best; of equals the first of the configuration. Another one must
//   deliver clearly better, or come earlier and be as good, to be worth a change (no flapping under loss).
//   None sound: turn by turn over all that have an association, so that what the session repeats takes
//   another way.
// A link that falls silent is left after LinkHealth::kSilentAfter, one that loses its carrier with the next
// look at it (every LinkHealth::kInterval); what was lost meanwhile the session repeats. Frames that overtake
// each other in a change are the session's business as well.
//
// It is up while any link is; AssociationUp is handed on for each link (the session greets the peer anew),
// AssociationDown when the last one has gone.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "sync/linux/channel.hpp"
#include "sync/linux/link_health.hpp"
#include "sync/linux/link_port.hpp"

namespace ftfw::sync {

// The worst first.
enum class LinkCondition : std::uint8_t {
  no_interface,
  no_address,
  refused,
  no_carrier,
  searching,  // no association with the peer
  silent,     // an association, and the peer is not heard or does not hear us
  sound,
};
std::string_view name_of(LinkCondition condition);

struct LinkStatus {
  std::string interface;
  LinkCondition condition = LinkCondition::searching;
  bool carries = false;    // frames go here
  std::string cipher;      // empty without an association
  bool next_key = false;   // the association is under the next key
  unsigned delivered = 0;  // of the last LinkHealth::kWindow keep-alives
  std::string trouble;     // why it has no socket
  ChannelCounters counters;
};

struct LinkSettings {
  std::string interface;
  IpAddress own_address;
  IpAddress peer_address;
};

// That no other program has the port on any of them, before several sockets of this process share it.
Status check_ports(std::span<const LinkSettings> links, std::uint16_t port);

class LinkSet final : public Channel {
 public:
  // One that is silent for so long is looked for anew, beside the association it has.
  static constexpr Duration kLostAfter = 1s;

  // port may be null: then nothing is known of the interface (tests over a wire in memory).
  struct Link {
    std::string interface;
    std::unique_ptr<Channel> channel;
    LinkPort* port;  // the channel's
  };

  // `common` for every link, whose addresses and interface stand in `links` (in the order of preference). Its
  // keys are wiped: every link has its own copy then, which wipes itself.
  // Errors as of make_channel(), except that an address may come later.
  static Result<std::unique_ptr<LinkSet>> open(ChannelSettings common, std::span<const LinkSettings> links);
  static Result<std::unique_ptr<LinkSet>> over(std::vector<Link> links);

  void start(Instant now) override;
  void on_readable(Instant now) override;
  void on_timer(Instant now) override;
  std::optional<Instant> next_deadline() const override;
  Status send(ByteSpan payload) override;
  std::vector<ChannelOutput> take_outputs() override { return std::exchange(outputs_, {}); }
  void lost(Instant now) override;
  void close() override;
  bool up() const override;
  int fd() const override { return epoll_.get(); }
  ChannelCounters counters() const override;  // of all links together

  std::vector<LinkStatus> links() const;

 private:
  struct State {
    Link link;
    LinkHealth health;
    std::string cipher;
    bool next_key = false;
    bool called_lost = false;  // in this silence
  };

  LinkSet(std::vector<Link> links, UniqueFd epoll);
  bool sound(const State& state) const;
  LinkCondition condition_of(const State& state) const;
  void choose();
  bool is_better(std::size_t one, std::size_t than) const;
  void look_after(State& state);
  void collect();
  void take(State& state, ChannelOutput& output);

  std::vector<State> links_;
  UniqueFd epoll_;
  Instant now_{};  // as last told
  Instant next_look_{};
  bool closed_ = false;
  std::size_t carrier_ = 0;            // where frames go while it is sound
  std::optional<std::size_t> chosen_;  // carrier_, or nothing: none is sound
  std::size_t turn_ = 0;
  std::uint64_t malformed_probes_ = 0;
  std::vector<ChannelOutput> outputs_;
};

}  // namespace ftfw::sync
