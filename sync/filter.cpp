#include "sync/filter.hpp"

#include <netinet/in.h>

namespace ftfw::sync {

Filter::Filter(const Settings& settings)
    : local_(settings.local_addresses.begin(), settings.local_addresses.end()),
      expectations_(settings.expectations) {
  if (settings.protocols.empty()) protocols_.set();
  for (const std::uint8_t protocol : settings.protocols) protocols_.set(protocol);
}

bool Filter::covers(const ConntrackEntry& entry) const {
  return covers(entry.key) && !local(entry.reply.source);
}

bool Filter::covers(const EntryKey& key) const {
  return replicated(key.original.protocol) && !local(key.original.source);
}

bool Filter::covers(const Expectation& expectation) const {
  return covers(expectation.key) && replicated(expectation.master.protocol) &&
         !local(expectation.master.source);
}

bool Filter::covers(const ExpectationKey& key) const {
  return expectations_ && replicated(key.expected.protocol) && !local(key.expected.source);
}

bool Filter::established_enough(const ConntrackEntry& entry) const {
  if (entry.key.original.protocol != IPPROTO_TCP || entry.master) return true;
  if (!entry.status && !entry.tcp) return true;  // says nothing about it: an update of what was sent before
  if ((entry.status.value_or(0) & (status::kSeenReply | status::kExpected)) != 0) return true;
  if (!entry.tcp) return false;
  switch (entry.tcp->state) {
    case TcpState::none:
    case TcpState::syn_sent:
    case TcpState::syn_sent2:
      return false;
    case TcpState::syn_recv:
    case TcpState::established:
    case TcpState::fin_wait:
    case TcpState::close_wait:
    case TcpState::last_ack:
    case TcpState::time_wait:
    case TcpState::close:
      return true;
  }
  return true;
}

}  // namespace ftfw::sync
