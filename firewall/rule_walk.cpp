#include "firewall/rule_walk.hpp"

#include <netinet/in.h>

#include <algorithm>
#include <vector>

namespace ftfw::firewall {
namespace {

// Of sorted ranges that do not overlap, as the kernel's sets are.
template <typename Range, typename Value>
bool contains(const std::vector<Range>& ranges, const Value& value) {
  const auto behind = std::ranges::upper_bound(ranges, value, {}, &Range::first);
  return behind != ranges.begin() && value <= std::prev(behind)->last;
}

bool is_in(const AddressRange& range, const IpAddress& address) {
  return range.first <= address && address <= range.last;
}

}  // namespace

std::optional<Effect> RuleWalk::walk(const Rule& rule) {
  for (const Expression& expression : rule.expressions) {
    if (!std::visit(*this, expression)) return effect_;
  }
  return effect_ ? effect_ : Effect::goes_on;
}

bool RuleWalk::is_tracked() const {
  return packet_.flow.state != FlowState::invalid && packet_.flow.state != FlowState::untracked;
}

const SetObject* RuleWalk::set_named(const std::string& name) const {
  const auto found = std::ranges::find(table_.sets, name, &SetObject::name);
  return found == table_.sets.end() ? nullptr : &*found;
}

// ---- matches

bool RuleWalk::operator()(const InterfaceMatch& match) {
  const bool routed = hook_ == Hook::forward || hook_ == Hook::output || hook_ == Hook::postrouting;
  const bool in = match.traffic == Traffic::in;
  const std::string& name = in ? packet_.in : packet_.out;
  if (name.empty() || (!in && !routed)) return false;
  return std::ranges::find(match.names, name) != match.names.end();
}

bool RuleWalk::operator()(const ProtocolMatch& match) {
  return packet_.protocol == match.protocol;
}

bool RuleWalk::operator()(const PortMatch& match) {
  if (packet_.protocol != match.protocol) return false;
  const std::uint16_t port = match.side == Side::source ? packet_.source_port : packet_.destination_port;
  if (match.set.empty()) return contains(match.ports, port);
  const SetObject* set = set_named(match.set);
  return set != nullptr && contains(set->ports, port);
}

bool RuleWalk::operator()(const TcpFlagsMatch& match) {
  return packet_.protocol == IPPROTO_TCP && (packet_.tcp_flags & match.mask) == match.value;
}

bool RuleWalk::operator()(const IcmpMatch& match) {
  const std::uint8_t protocol = match.family == Family::ipv4 ? int{IPPROTO_ICMP} : int{IPPROTO_ICMPV6};
  return packet_.family() == match.family && packet_.protocol == protocol &&
         std::ranges::find(match.types, packet_.icmp_type) != match.types.end();
}

bool RuleWalk::operator()(const AddressMatch& match) {
  if (packet_.family() != match.family) return false;
  const IpAddress& address = match.side == Side::source ? packet_.source : packet_.destination;
  if (match.set.empty()) return contains(match.ranges, address);
  const SetObject* set = set_named(match.set);
  return set != nullptr && contains(set->addresses, address);
}

bool RuleWalk::operator()(const MarkMatch& match) {
  if (match.connection && !is_tracked()) return false;
  const std::uint32_t mark = match.connection ? packet_.flow.mark : packet_.mark;
  return (mark & match.mark.mask) == match.mark.value;
}

bool RuleWalk::operator()(const CtStateMatch& match) {
  switch (packet_.flow.state) {
    case FlowState::fresh:
      return match.fresh;
    case FlowState::established:
      return match.established;
    case FlowState::related:
      return match.related;
    case FlowState::invalid:
      return match.invalid;
    case FlowState::untracked:
      return match.untracked;
  }
  return false;
}

bool RuleWalk::operator()(const CtDirectionMatch& match) {
  return is_tracked() && packet_.flow.direction == match.direction;
}

bool RuleWalk::operator()(const CtExpectedMatch&) {
  return is_tracked() && packet_.flow.expected;
}

bool RuleWalk::operator()(const CtTranslatedMatch&) {
  return is_tracked() && packet_.flow.destination_translated;
}

bool RuleWalk::operator()(const CtHelperMatch& match) {
  return is_tracked() && packet_.flow.helper == match.type;
}

// IPv4 asks the table of local addresses only: what is not there is unicast, whether a route leads there or
// not
// (__inet_dev_addr_type). IPv6 asks for the route (__nft_fib6_eval_type).
bool RuleWalk::operator()(const UnicastElsewhereMatch&) {
  const Destination destination = surroundings_.route(packet_.destination).destination;
  return destination == Destination::elsewhere ||
         (destination == Destination::nowhere && packet_.family() == Family::ipv4);
}

bool RuleWalk::operator()(const NoWayBackMatch& match) {
  return !surroundings_.has_way_back(packet_.source, packet_.in, match.loose);
}

// ---- statements

bool RuleWalk::decide(Effect effect) {
  effect_ = effect;
  return false;
}

bool RuleWalk::operator()(const SetHelper&) {
  effect_ = Effect::helper;
  return true;
}

bool RuleWalk::operator()(const Count&) {
  return true;
}

bool RuleWalk::operator()(const CountRule&) {
  return true;
}

bool RuleWalk::operator()(const FlowAdd&) {
  return decide(Effect::fast_path);
}

bool RuleWalk::operator()(const Limit& limit) {
  met_limit_ = true;
  return rate_exceeded_ == limit.rate.over;
}

bool RuleWalk::operator()(const Log&) {
  return true;
}

bool RuleWalk::operator()(const Reject&) {
  return decide(Effect::rejects);
}

bool RuleWalk::operator()(const Accept&) {
  return decide(Effect::accepts);
}

bool RuleWalk::operator()(const Drop&) {
  return decide(Effect::drops);
}

bool RuleWalk::operator()(const Goto& jump) {
  chain_ = jump.chain;
  return decide(Effect::jumps);
}

// ---- NAT

// The other family passes by: nft_nat_inet_eval. A source that is in the range already stays
// (get_unique_tuple), a port likewise.
bool RuleWalk::translate(Side side, const AddressRange& to, const std::optional<PortRange>& ports) {
  if (to.family() != packet_.family()) return true;
  const bool source = side == Side::source;
  const Endpoint old = source ? Endpoint{packet_.source, packet_.source_port}
                              : Endpoint{packet_.destination, packet_.destination_port};
  Translation made{.side = side, .to = {.address = to.first, .port = old.port}};
  const bool keeps_port = !ports || (ports->first <= old.port && old.port <= ports->last);
  if (source && keeps_port && is_in(to, old.address)) {
    made.to = old;
  } else {
    made.one_of_several = !to.is_host() || (!keeps_port && !ports->is_single());
    if (!keeps_port) made.to.port = ports->first;
  }
  translation_ = made;
  return decide(Effect::translates);
}

// Without an address the packet is dropped (nf_nat_redirect.c, nf_nat_masquerade.c).
bool RuleWalk::translate_to_own(Side side, const std::string& interface,
                                const std::optional<PortRange>& ports) {
  const auto own = surroundings_.own_address(interface, packet_.family());
  return own ? translate(side, {*own, *own}, ports) : decide(Effect::drops);
}

bool RuleWalk::operator()(const Translate& nat) {
  return translate(nat.side, nat.to, nat.ports);
}

bool RuleWalk::operator()(const Masquerade& nat) {
  return translate_to_own(Side::source, packet_.out, nat.ports);
}

bool RuleWalk::operator()(const Redirect& nat) {
  return translate_to_own(Side::destination, packet_.in, nat.ports);
}

}  // namespace ftfw::firewall
