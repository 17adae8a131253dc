#include "appliance/put_back.hpp"

#include <algorithm>
#include <cerrno>
#include <utility>

#include "appliance/base/log.hpp"

namespace ftfw {
namespace {

std::string describe(const vrrp::VirtualAddress& address) {
  return address.address.address.to_string() + " on " + address.interface;
}

std::string removed_text(const std::string& what) {
  return what + " was removed by another program and is put back";
}

bool names(const vrrp::OwnRemovals& removals, const vrrp::VirtualAddress& address) {
  return std::ranges::any_of(removals.addresses, [&](const vrrp::RemovedAddress& each) {
    return each.interface == address.interface && each.address == address.address;
  });
}

bool names(const vrrp::OwnRemovals& removals, const config::VirtualRoute& route) {
  return std::ranges::any_of(removals.routes, [&](const vrrp::RemovedRoute& each) {
    config::VirtualRoute removed;
    removed.to = each.to;
    removed.table = each.table;
    removed.metric = each.metric;
    return vrrp::is_same_route(removed, route);
  });
}

}  // namespace

// The lists are no longer than what is ours and configured: a storm of removals means looking.
void PutBack::note(vrrp::OwnRemovals removals) {
  noted_.look_yourself = noted_.look_yourself || removals.look_yourself;
  for (const vrrp::VirtualAddress& each : holdings_.addresses()) {
    if (names(removals, each) && !names(noted_, each))
      noted_.addresses.push_back({each.interface, each.address});
  }
  for (vrrp::RemovedRoute& each : removals.routes) {
    const bool ours = std::ranges::any_of(holdings_.routes(), [&](const config::VirtualRoute& route) {
      return names({.addresses = {}, .routes = {each}}, route) && !names(noted_, route);
    });
    if (ours) noted_.routes.push_back(each);
  }
}

PutBack::Outcome PutBack::run(bool primary, Instant now) {
  Outcome outcome;
  // What this program itself replaced meanwhile was told as well: then only what is missing counts.
  const bool own_changes = std::exchange(changes_, holdings_.changes()) != holdings_.changes();
  if (own_changes && !noted_.empty()) noted_ = {.addresses = {}, .routes = {}, .look_yourself = true};
  if (!primary) look_again_ = false;
  noted_.look_yourself = noted_.look_yourself || std::exchange(look_again_, false);
  lease_.with([&](Lease& lease) {
    if (own_changes) lease.withheld.clear();
    outcome.lease = lapse_if_late(lease, now);
    const bool held = primary && lease.held;
    const auto mended = holdings_.mend_virtual_macs(held);
    if (!mended) tell(outcome, "virtual MACs", mended.error().text, now);
    for (const std::string& name : mended ? *mended : std::vector<std::string>{}) {
      if (!held) {
        log::notice("interface " + name + " is as it should be again");
        continue;
      }
      ++outcome.count;
      tell(outcome, name, "interface " + name + " was removed or set down by another program and is put back",
           now);
      announcement_due_ = true;
      // Its addresses went with it and are no more to tell.
      std::vector<vrrp::VirtualAddress> along = holdings_.addresses();
      std::erase_if(along, [&](const auto& each) { return each.interface != name; });
      std::erase_if(noted_.addresses, [&](const auto& each) { return each.interface == name; });
      if (const Status back = holdings_.put_back(along, lease.lifetime); !back) {
        tell(outcome, name + " addresses", back.error().text, now);
        look_again_ = true;
      }
    }
    if (held) run_addresses(lease, outcome, now);
  });
  if (primary) run_routes(outcome, now);
  noted_ = {};
  if (primary && announcement_due_ && (!announced_ || now - *announced_ >= kAnnounceAgainAfter)) {
    outcome.announce = true;
    announced_ = now;
    announcement_due_ = false;
  }
  return outcome;
}

std::vector<vrrp::VirtualAddress> PutBack::wanted_addresses(const Lease& lease, Outcome& outcome,
                                                            Instant now) {
  std::vector<vrrp::VirtualAddress> wanted;
  if (noted_.look_yourself) {
    auto missing = holdings_.missing_addresses();
    if (!missing) tell(outcome, "addresses", missing.error().text, now);
    if (missing) wanted = std::move(*missing);
  }
  for (const vrrp::VirtualAddress& each : holdings_.addresses()) {
    const bool withheld = std::ranges::find(lease.withheld, each) != lease.withheld.end();
    if ((withheld || names(noted_, each)) && std::ranges::find(wanted, each) == wanted.end())
      wanted.push_back(each);
  }
  const std::size_t all = wanted.size();
  std::erase_if(wanted, [this](const vrrp::VirtualAddress& each) { return !holdings_.can_stand(each); });
  if (wanted.size() < all) look_again_ = true;
  return wanted;
}

// One that the lease thread has renewed meanwhile stands again, but was removed all the same.
void PutBack::run_addresses(Lease& lease, Outcome& outcome, Instant now) {
  const auto wanted = wanted_addresses(lease, outcome, now);
  if (wanted.empty()) return;
  const bool all = holdings_.put_back(wanted, lease.lifetime).has_value();
  for (const vrrp::VirtualAddress& each : wanted) {
    const Status back = all ? Status{} : holdings_.put_back(std::span(&each, 1), lease.lifetime);
    std::erase(lease.withheld, each);
    if (back) {
      ++outcome.count;
      announcement_due_ = true;
      tell(outcome, describe(each), removed_text(describe(each)), now);
      continue;
    }
    look_again_ = true;
    if (back.error().code == EEXIST) lease.withheld.push_back(each);
    tell(outcome, describe(each), back.error().text, now);
  }
}

std::vector<config::VirtualRoute> PutBack::wanted_routes(Outcome& outcome, Instant now) {
  if (noted_.look_yourself) {
    auto missing = holdings_.missing_routes();
    if (missing) return std::move(*missing);
    tell(outcome, "routes", missing.error().text, now);
    return {};
  }
  std::vector<config::VirtualRoute> named = holdings_.routes();
  std::erase_if(named, [this](const config::VirtualRoute& each) { return !names(noted_, each); });
  return named;
}

void PutBack::run_routes(Outcome& outcome, Instant now) {
  const auto wanted = wanted_routes(outcome, now);
  if (wanted.empty()) return;
  if (!holdings_.all_interfaces_up()) {
    look_again_ = true;
    return;
  }
  const bool all = holdings_.put_back(wanted).has_value();
  for (const config::VirtualRoute& each : wanted) {
    const std::string what = "route " + vrrp::to_string(each);
    const Status back = all ? Status{} : holdings_.put_back(std::span(&each, 1));
    if (back) {
      ++outcome.count;
      tell(outcome, what, removed_text(what), now);
      continue;
    }
    look_again_ = true;
    tell(outcome, what, back.error().text, now);
  }
}

void PutBack::tell(Outcome& outcome, const std::string& what, const std::string& text, Instant now) {
  const auto told = told_.find(what);
  if (told != told_.end() && now - told->second < kTellAgainAfter) return;
  told_.insert_or_assign(what, now);
  outcome.alarms.push_back(text);
}

}  // namespace ftfw
