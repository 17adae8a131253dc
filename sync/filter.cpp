#include "sync/filter.hpp"

#include <netinet/in.h>

#include <algorithm>

namespace ftfw::sync {
namespace {

std::size_t bit(TcpState state) {
  return static_cast<std::size_t>(state);
}

// Only the handshake is looked at from both ends: a flow in SYN_SENT that was answered is on its way.
std::size_t bit_of(const ConntrackEntry& entry) {
  const bool answered = (entry.status.value_or(0) & status::kSeenReply) != 0;
  switch (entry.tcp->state) {
    case TcpState::none:
    case TcpState::syn_sent:
    case TcpState::syn_sent2:
      return bit(answered ? TcpState::syn_recv : TcpState::syn_sent);
    case TcpState::syn_recv:
    case TcpState::established:
    case TcpState::fin_wait:
    case TcpState::close_wait:
    case TcpState::last_ack:
    case TcpState::time_wait:
    case TcpState::close:
      return bit(entry.tcp->state);
  }
  return bit(entry.tcp->state);
}

bool expected(const ConntrackEntry& entry) {
  return entry.master || (entry.status.value_or(0) & status::kExpected) != 0;
}

}  // namespace

Filter::Filter(const Settings& settings)
    : local_(settings.local_addresses.begin(), settings.local_addresses.end()),
      excluded_(settings.excluded_networks),
      expectations_(settings.expectations) {
  if (settings.protocols.empty()) protocols_.set();
  for (const std::uint8_t protocol : settings.protocols) protocols_.set(protocol);
  if (settings.tcp_states.empty()) tcp_states_.set().reset(bit(TcpState::syn_sent));
  for (const TcpState state : settings.tcp_states) tcp_states_.set(bit(state));
}

bool Filter::excluded(const IpAddress& address) const {
  return std::ranges::any_of(excluded_, [&](const IpPrefix& network) { return network.contains(address); });
}

bool Filter::covers(const ConntrackEntry& entry) const {
  return covers(entry.key) && !local(entry.reply.source) && !excluded(entry.reply.source);
}

bool Filter::covers(const EntryKey& key) const {
  return replicated(key.original.protocol) && !local(key.original.source) && !excluded_end(key.original);
}

bool Filter::covers(const Expectation& expectation) const {
  const bool alone =
      expectation.master.protocol == IPPROTO_TCP && !tcp_states_.test(bit(TcpState::established));
  if (alone) return false;
  return covers(expectation.key) && replicated(expectation.master.protocol) &&
         !local(expectation.master.source) && !excluded_end(expectation.master);
}

bool Filter::covers(const ExpectationKey& key) const {
  return expectations_ && replicated(key.expected.protocol) && !local(key.expected.source) &&
         !excluded_end(key.expected);
}

bool Filter::awaits_reply(const ConntrackEntry& entry) const {
  if (sends_unanswered() || entry.key.original.protocol != IPPROTO_TCP || expected(entry)) return false;
  // Says nothing about it: an update of what was sent before.
  if (!entry.status && !entry.tcp) return false;
  if ((entry.status.value_or(0) & status::kSeenReply) != 0) return false;
  return !entry.tcp || bit_of(entry) == bit(TcpState::syn_sent);
}

bool Filter::travels(const ConntrackEntry& entry) const {
  if (awaits_reply(entry)) return false;
  if (entry.key.original.protocol != IPPROTO_TCP || expected(entry) || !entry.tcp) return true;
  // In an update: as the kernel has it.
  if (entry.tcp->state == TcpState::none && (entry.status.value_or(0) & status::kSeenReply) != 0) return true;
  return tcp_states_.test(bit_of(entry));
}

bool Filter::excludes_answered() const {
  for (std::size_t state = bit(TcpState::syn_recv); state <= bit(TcpState::close); ++state) {
    if (!tcp_states_.test(state)) return true;
  }
  return false;
}

}  // namespace ftfw::sync
