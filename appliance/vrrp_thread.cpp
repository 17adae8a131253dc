#include "appliance/vrrp_thread.hpp"

#include <sys/epoll.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <type_traits>
#include <utility>

#include "appliance/base/clock.hpp"
#include "appliance/realtime.hpp"

namespace ftfw {
namespace {

// What LinkWatch watches, in this order: the interface of each router, each tracked interface, and of each
// router the macvlan of its virtual MAC (whose packets come by the router's socket; without one, its
// interface again).
std::vector<std::string> interfaces_of(const vrrp::Settings& settings) {
  std::vector<std::string> names;
  for (const vrrp::RouterSettings& router : settings.routers) names.push_back(router.interface);
  for (const vrrp::TrackedInterface& tracked : settings.tracked_interfaces)
    names.push_back(tracked.interface);
  for (const vrrp::RouterSettings& router : settings.routers)
    names.push_back(router.virtual_mac ? router.virtual_mac->interface : router.interface);
  return names;
}

// At most this many packets of one leg in one round, so that a flood cannot starve the timers.
constexpr int kPacketsPerRound = 32;

// What suspended_time() may grow by although nothing was suspended: the two clocks are not read at once.
constexpr Duration kClockJitter = 5ms;

}  // namespace

VrrpThread::VrrpThread(vrrp::Settings settings, VrrpCommands& commands, VrrpReports& reports,
                       Liveness& liveness)
    : engine_(std::move(settings)),
      commands_(commands),
      reports_(reports),
      liveness_(liveness),
      sockets_(engine_.settings().routers.size()),
      send_failures_(engine_.settings().routers.size()) {}

Status VrrpThread::open() {
  auto links = vrrp::LinkWatch::open(interfaces_of(engine_.settings()));
  if (!links) return std::unexpected(links.error());
  links_.emplace(std::move(*links));
  for (std::size_t router = 0; router < sockets_.size(); ++router) {
    auto socket = vrrp::AdvertisementSocket::open(engine_.settings().routers[router]);
    if (!socket) return std::unexpected(socket.error());
    sockets_[router].emplace(std::move(*socket));
    for (const int fd : sockets_[router]->fds()) {
      const Status watched =
          loop_.watch(fd, EPOLLIN, [this, router](std::uint32_t) { read_packets(router); });
      if (!watched) return watched;
    }
  }
  if (const Status watched = loop_.watch(links_->fd(), EPOLLIN, [this](std::uint32_t) { read_links(); });
      !watched) {
    return watched;
  }
  return loop_.watch(commands_.wake_fd(), EPOLLIN, [this](std::uint32_t) { obey_commands(); });
}

void VrrpThread::run(const std::stop_token& stop) {
  name_this_thread("ftfw-vrrp");
  if (const Status realtime = use_realtime_scheduling(kVrrpPriority); !realtime) {
    reports_.post(Trouble{"vrrp thread runs without real-time scheduling: " + realtime.error().text});
  }
  const std::stop_callback wake(stop, [this] { loop_.wake(); });
  suspended_ = suspended_time();
  const Instant start = monotonic_now();
  for (std::size_t i = 0; i < sockets_.size() + engine_.settings().tracked_interfaces.size(); ++i)
    use_link(start, {.interface = i, .state = links_->state(i)});
  engine_.set_in_sync(start, false);  // until replication says otherwise
  obey_commands();                    // the tracked files have been read
  engine_.start(start);
  carry_out_outputs();
  while (!stop.stop_requested()) {
    loop_.run_once(next_deadline());
    const Instant now = time_now();
    liveness_.beat(ThreadName::vrrp, now);
    engine_.on_timer(now);
    carry_out_outputs();
    reports_.flush();
    if (now >= next_status_) report_status(now);
  }
}

// Each input asks for the time here, so that a suspension is noticed before anything that followed it.
Instant VrrpThread::time_now() {
  const Instant now = monotonic_now();
  const Duration suspended = suspended_time();
  if (suspended > suspended_ + kClockJitter)
    engine_.on_suspended(now, suspended - std::exchange(suspended_, suspended));
  return now;
}

std::optional<Instant> VrrpThread::next_deadline() const {
  const std::optional<Instant> engine = engine_.next_deadline();
  return engine ? std::min(*engine, next_status_) : next_status_;
}

void VrrpThread::read_links() {
  const auto changes = links_->read();
  if (!changes) {
    reports_.post(Trouble{"link events: " + changes.error().text});
    return;
  }
  const Instant now = time_now();
  for (const vrrp::LinkChange& change : *changes) use_link(now, change);
  carry_out_outputs();
}

void VrrpThread::use_link(Instant now, const vrrp::LinkChange& change) {
  const std::vector<vrrp::RouterSettings>& routers = engine_.settings().routers;
  const std::size_t tracked = engine_.settings().tracked_interfaces.size();
  const bool is_router = change.interface < routers.size();
  if (!is_router && change.interface < routers.size() + tracked) {
    engine_.on_tracked_interface(now, change.interface - routers.size(), change.state.up);
    return;
  }
  const std::size_t router = is_router ? change.interface : change.interface - routers.size() - tracked;
  if (change.recreated && change.state.exists()) {
    if (const Status joined = sockets_[router]->rejoin(); !joined) {
      reports_.post(Trouble{routers[router].interface + ": " + joined.error().text});
    }
  }
  if (is_router)
    engine_.on_link(now, router, change.state.up, change.state.address(routers[router].family()));
}

void VrrpThread::read_packets(std::size_t router) {
  for (int count = 0; count < kPacketsPerRound; ++count) {
    const auto packet = sockets_[router]->receive();
    // A socket error here is a link that went away: the link events say so.
    if (!packet || !*packet) break;
    engine_.on_packet(time_now(), router, **packet);
  }
  carry_out_outputs();
}

void VrrpThread::obey_commands() {
  commands_.clear_wakeups();
  while (const auto command = commands_.take()) {
    const Instant now = time_now();
    std::visit(
        [this, now](const auto& what) {
          using Command = std::decay_t<decltype(what)>;
          if constexpr (std::is_same_v<Command, SetInSync>) {
            engine_.set_in_sync(now, what.in_sync);
          } else if constexpr (std::is_same_v<Command, ReleaseClaim>) {
            engine_.release(now);
          } else if constexpr (std::is_same_v<Command, AdjustPriority>) {
            engine_.set_priority_adjustment(now, what.adjustment);
          } else {
            static_assert(std::is_same_v<Command, StartClaims>);
            engine_.reclaim(now);
          }
        },
        *command);
    next_status_ = now;  // what it changed is shown at once
  }
  carry_out_outputs();
}

void VrrpThread::carry_out_outputs() {
  for (vrrp::Output& output : engine_.take_outputs()) {
    std::visit(
        [this](auto& what) {
          using What = std::decay_t<decltype(what)>;
          if constexpr (std::is_same_v<What, vrrp::SendAdvertisement>) {
            send(what);
          } else {
            if constexpr (std::is_same_v<What, vrrp::StateChanged>) next_status_ = what.at;
            reports_.post(std::move(what));
          }
        },
        output);
  }
}

void VrrpThread::send(const vrrp::SendAdvertisement& advertisement) {
  // An address that went away a moment ago: the link event that says so is on its way to the engine.
  const vrrp::RouterSettings& router = engine_.settings().routers[advertisement.router];
  const auto& source = links_->state(advertisement.router).address(router.family());
  int error = EADDRNOTAVAIL;
  if (source) {
    const Status sent =
        sockets_[advertisement.router]->send(advertisement.packet, *source, advertisement.destination);
    error = sent ? 0 : sent.error().code;
  }
  SendFailures& failures = send_failures_[advertisement.router];
  if (error != 0) ++failures.count;
  const int last_error = std::exchange(failures.last_error[advertisement.destination], error);
  if (error != 0 && error != last_error) {
    reports_.post(Trouble{"advertisement on " + router.interface + " to " +
                          advertisement.destination.to_string() + " not sent: " + std::strerror(error) +
                          (error == EPERM ? " (a packet filter drops protocol 112)" : "")});
  }
}

void VrrpThread::report_status(Instant now) {
  next_status_ = now + kBeatInterval;
  VrrpStatus status;
  status.state = std::string(vrrp::to_string(engine_.state()));
  status.priority = engine_.effective_priority();
  status.waits_for = std::string(engine_.waits_for(now));
  for (std::size_t i = 0; i < sockets_.size(); ++i) {
    const vrrp::RouterSettings& settings = engine_.settings().routers[i];
    const vrrp::RouterStatus router = engine_.router(i);
    const vrrp::RouterCounters& counters = engine_.counters().routers[i];
    RouterStatus& shown = status.routers.emplace_back();
    shown.name = settings.name;
    shown.interface = settings.interface;
    shown.id = settings.id;
    shown.link_usable = router.address.has_value();
    shown.usable_from = router.usable_from;
    if (router.last_heard) {
      shown.active = router.last_heard->address.to_string();
      shown.heard = router.last_heard->at;
    }
    shown.virtual_mac = settings.virtual_mac ? settings.virtual_mac->address.to_string() : "";
    for (const auto& [name, value] : vrrp::named_counters(counters)) shown.counters.emplace_back(name, value);
    shown.counters.emplace_back("IP header does not fit", sockets_[i]->malformed());
    shown.counters.emplace_back("send failures", send_failures_[i].count);
  }
  for (std::size_t i = 0; i < engine_.settings().tracked_interfaces.size(); ++i) {
    const vrrp::TrackedInterface& tracked = engine_.settings().tracked_interfaces[i];
    status.tracked.push_back({tracked.interface, engine_.tracked_interface_usable(i), tracked.weight});
  }
  reports_.post(std::move(status));
}

}  // namespace ftfw
