#include "sync/linux/link_set.hpp"

#include <sys/epoll.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

namespace ftfw::sync {

namespace {

// Of LinkHealth::kWindow: below that a difference is chance.
constexpr unsigned kClearlyBetter = 6;

void add(ChannelCounters& sum, const ChannelCounters& one) {
  static constexpr std::uint64_t ChannelCounters::* kAll[] = {
      &ChannelCounters::datagrams_received,  &ChannelCounters::datagrams_sent,
      &ChannelCounters::send_failures,       &ChannelCounters::foreign,
      &ChannelCounters::malformed,           &ChannelCounters::not_accepted,
      &ChannelCounters::unexpected,          &ChannelCounters::hellos_answered,
      &ChannelCounters::hellos_limited,      &ChannelCounters::crossings,
      &ChannelCounters::handshakes_finished, &ChannelCounters::handshakes_failed,
      &ChannelCounters::own_name_refused,    &ChannelCounters::other_name_refused,
      &ChannelCounters::other_key_refused,
  };
  static_assert(sizeof(ChannelCounters) == std::size(kAll) * sizeof(std::uint64_t));
  for (const auto counter : kAll) sum.*counter += one.*counter;
}

}  // namespace

std::string_view name_of(LinkCondition condition) {
  switch (condition) {
    case LinkCondition::no_interface:
      return "no interface";
    case LinkCondition::no_address:
      return "no address";
    case LinkCondition::refused:
      return "refused";
    case LinkCondition::no_carrier:
      return "no carrier";
    case LinkCondition::searching:
      return "searching";
    case LinkCondition::silent:
      return "silent";
    case LinkCondition::sound:
      return "sound";
  }
  return "?";
}

Status check_ports(std::span<const LinkSettings> links, std::uint16_t port) {
  for (const LinkSettings& link : links) {
    const auto socket = UdpSocket::open({.own_address = link.own_address,
                                         .peer_address = link.peer_address,
                                         .port = port,
                                         .interface = link.interface});
    if (!socket && socket.error().code != EADDRNOTAVAIL) return std::unexpected(socket.error());
  }
  return {};
}

Result<std::unique_ptr<LinkSet>> LinkSet::open(ChannelSettings common, std::span<const LinkSettings> links) {
  std::vector<Link> opened;
  for (const LinkSettings& link : links) {
    ChannelSettings settings = common;
    settings.interface = link.interface;
    settings.own_address = link.own_address;
    settings.peer_address = link.peer_address;
    auto port = LinkPort::open({.own_address = link.own_address,
                                .peer_address = link.peer_address,
                                .port = common.port,
                                .interface = link.interface,
                                .shared_port = common.shared_port});
    if (!port) return std::unexpected(port.error());
    LinkPort* const of_channel = port->get();
    auto channel = make_channel_over(std::move(settings), std::move(*port));
    if (!channel) return std::unexpected(channel.error());
    opened.push_back({link.interface, std::move(*channel), of_channel});
  }
  for (ByteVector* key : {&common.key, &common.next_key}) ::explicit_bzero(key->data(), key->size());
  return over(std::move(opened));
}

Result<std::unique_ptr<LinkSet>> LinkSet::over(std::vector<Link> links) {
  UniqueFd epoll(::epoll_create1(EPOLL_CLOEXEC));
  if (!epoll) return fail_errno("epoll", errno);
  for (const Link& link : links) {
    epoll_event event{};
    event.events = EPOLLIN;
    if (link.port != nullptr && ::epoll_ctl(epoll.get(), EPOLL_CTL_ADD, link.channel->fd(), &event) != 0) {
      return fail_errno("epoll", errno);
    }
  }
  return std::unique_ptr<LinkSet>(new LinkSet(std::move(links), std::move(epoll)));
}

LinkSet::LinkSet(std::vector<Link> links, UniqueFd epoll) : epoll_(std::move(epoll)) {
  for (Link& link : links) links_.push_back({.link = std::move(link), .health = {}, .cipher = {}});
}

// ---- Channel

void LinkSet::start(Instant now) {
  now_ = now;
  next_look_ = now;
  for (State& state : links_) state.link.channel->start(now);
  on_timer(now);
}

void LinkSet::on_readable(Instant now) {
  now_ = now;
  for (State& state : links_) state.link.channel->on_readable(now);
  collect();
}

void LinkSet::on_timer(Instant now) {
  now_ = now;
  for (State& state : links_) state.link.channel->on_timer(now);
  collect();
  if (closed_ || now < next_look_) return;
  next_look_ = now + LinkHealth::kInterval;
  for (State& state : links_) look_after(state);
  choose();
}

std::optional<Instant> LinkSet::next_deadline() const {
  if (closed_) return std::nullopt;
  Instant next = next_look_;
  for (const State& state : links_) {
    if (const auto deadline = state.link.channel->next_deadline()) next = std::min(next, *deadline);
  }
  return next;
}

Status LinkSet::send(ByteSpan payload) {
  if (chosen_ && links_[*chosen_].link.channel->up()) return links_[*chosen_].link.channel->send(payload);
  // A link without a carrier only where there is no other.
  for (const LinkCondition least : {LinkCondition::silent, LinkCondition::no_interface}) {
    for (std::size_t tried = 0; tried < links_.size(); ++tried) {
      turn_ = (turn_ + 1) % links_.size();
      const State& state = links_[turn_];
      if (state.link.channel->up() && condition_of(state) >= least) return state.link.channel->send(payload);
    }
  }
  return fail(Blame::system, "no association with the peer", ENOTCONN);
}

void LinkSet::lost(Instant now) {
  now_ = now;
  for (State& state : links_) state.link.channel->lost(now);
  collect();
}

void LinkSet::close() {
  closed_ = true;
  for (State& state : links_) state.link.channel->close();
}

bool LinkSet::up() const {
  return std::ranges::any_of(links_, [](const State& state) { return state.link.channel->up(); });
}

ChannelCounters LinkSet::counters() const {
  ChannelCounters sum;
  for (const State& state : links_) add(sum, state.link.channel->counters());
  sum.malformed += malformed_probes_;
  return sum;
}

// ---- the links

bool LinkSet::sound(const State& state) const {
  return condition_of(state) == LinkCondition::sound;
}

LinkCondition LinkSet::condition_of(const State& state) const {
  if (state.link.port != nullptr) {
    switch (state.link.port->state()) {
      case LinkPort::State::open:
        break;
      case LinkPort::State::no_carrier:
        return LinkCondition::no_carrier;
      case LinkPort::State::no_interface:
        return LinkCondition::no_interface;
      case LinkPort::State::no_address:
        return LinkCondition::no_address;
      case LinkPort::State::refused:
        return LinkCondition::refused;
    }
  }
  if (!state.link.channel->up()) return LinkCondition::searching;
  return state.health.sound(now_) ? LinkCondition::sound : LinkCondition::silent;
}

void LinkSet::choose() {
  chosen_.reset();
  if (sound(links_[carrier_])) chosen_ = carrier_;
  for (std::size_t i = 0; i < links_.size(); ++i) {
    if (i != carrier_ && sound(links_[i]) && (!chosen_ || is_better(i, *chosen_))) chosen_ = i;
  }
  if (chosen_) carrier_ = *chosen_;
}

bool LinkSet::is_better(std::size_t one, std::size_t than) const {
  const unsigned here = links_[one].health.delivered();
  const unsigned there = links_[than].health.delivered();
  if (than != carrier_) return here > there;
  return one < than ? here >= there : here >= there + kClearlyBetter;
}

void LinkSet::look_after(State& state) {
  if (state.link.port != nullptr) state.link.port->maintain();
  if (!state.link.channel->up()) return;
  // A keep-alive that is not taken is one that does not arrive.
  [[maybe_unused]] const Status sent = state.link.channel->send(state.health.next_probe());
  const bool silent = state.health.silence(now_) >= kLostAfter;
  if (silent && !state.called_lost) state.link.channel->lost(now_);
  state.called_lost = silent;
}

void LinkSet::collect() {
  bool changed = false;
  for (State& state : links_) {
    for (ChannelOutput& output : state.link.channel->take_outputs()) {
      changed |= !std::holds_alternative<Received>(output);
      take(state, output);
    }
  }
  if (changed) choose();
}

void LinkSet::take(State& state, ChannelOutput& output) {
  if (auto* received = std::get_if<Received>(&output)) {
    state.health.heard(now_);
    if (!LinkHealth::is_probe(received->bytes)) {
      outputs_.push_back(std::move(output));
    } else if (!state.health.on_probe(now_, received->bytes)) {
      ++malformed_probes_;
    }
  } else if (const auto* association = std::get_if<AssociationUp>(&output)) {
    state.health.begin(now_);
    state.cipher = association->cipher;
    state.next_key = association->next_key;
    outputs_.push_back(std::move(output));
  } else if (std::holds_alternative<AssociationDown>(output)) {
    // Another link carries on, or the newer association of this one.
    if (!up()) outputs_.push_back(std::move(output));
  } else {
    outputs_.push_back(std::move(output));
  }
}

std::vector<LinkStatus> LinkSet::links() const {
  std::vector<LinkStatus> all;
  for (std::size_t i = 0; i < links_.size(); ++i) {
    const State& state = links_[i];
    const bool associated = state.link.channel->up();
    all.push_back({.interface = state.link.interface,
                   .condition = condition_of(state),
                   .carries = chosen_ == i,
                   .cipher = associated ? state.cipher : "",
                   .next_key = associated && state.next_key,
                   .delivered = associated ? state.health.delivered() : 0,
                   .trouble = state.link.port != nullptr ? state.link.port->trouble() : "",
                   .counters = state.link.channel->counters()});
  }
  return all;
}

}  // namespace ftfw::sync
