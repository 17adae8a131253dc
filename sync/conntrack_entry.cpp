#include "sync/conntrack_entry.hpp"

#include <netinet/in.h>

#include <utility>

namespace ftfw::sync {
namespace {

// An ICMP identifier stands in source_port in both directions and belongs to the source (nf_nat_proto.c).
bool has_identifier(std::uint8_t protocol) {
  return protocol == IPPROTO_ICMP || protocol == IPPROTO_ICMPV6;
}

// A kernel that does not track the protocol (SCTP, DCCP: it may be built without) knows the flow by its
// addresses alone, and no state of it.
bool tracked_by_addresses(const Tuple& original) {
  return original.source_port == 0 && original.destination_port == 0;
}

template <typename T>
void fill(std::optional<T>& newer, const std::optional<T>& older) {
  if (!newer) newer = older;
}

}  // namespace

bool ConntrackEntry::source_translated() const {
  const Tuple plain = key.original.inverse();
  if (reply.destination != plain.destination) return true;
  return has_identifier(plain.protocol) ? reply.source_port != plain.source_port
                                        : reply.destination_port != plain.destination_port;
}

bool ConntrackEntry::destination_translated() const {
  const Tuple plain = key.original.inverse();
  if (reply.source != plain.source) return true;
  return !has_identifier(plain.protocol) && reply.source_port != plain.source_port;
}

bool ConntrackEntry::is_complete() const {
  if (!status) return false;
  switch (key.original.protocol) {
    case IPPROTO_TCP:
      return tcp.has_value();
    case IPPROTO_SCTP:
      return sctp.has_value() || tracked_by_addresses(key.original);
    case IPPROTO_DCCP:
      return dccp.has_value() || tracked_by_addresses(key.original);
    default:
      return true;
  }
}

ConntrackEntry merge(const ConntrackEntry& older, ConntrackEntry newer) {
  fill(newer.status, older.status);
  fill(newer.timeout_s, older.timeout_s);
  fill(newer.mark, older.mark);
  fill(newer.tcp, older.tcp);
  fill(newer.sctp, older.sctp);
  fill(newer.dccp, older.dccp);
  fill(newer.sequence_adjustment, older.sequence_adjustment);
  fill(newer.synproxy, older.synproxy);
  fill(newer.master, older.master);
  if (newer.labels.empty()) newer.labels = older.labels;
  if (newer.helper.empty()) newer.helper = older.helper;
  return newer;
}

}  // namespace ftfw::sync
