// ConntrackEntry <-> ctnetlink messages. Pure: bytes in, values out, and back. Source: net/netfilter/
// nf_conntrack_netlink.c (ctnetlink_create_conntrack, ctnetlink_change_conntrack, ctnetlink_fill_info).
//
// Invariants of what is written: the reply tuple is the plain inverse of the original and NAT stands only in
// CTA_NAT_SRC and CTA_NAT_DST (with the translated reply tuple a create succeeds and nothing is translated);
// status never carries what the kernel refuses; of the TCP flags only the carried ones and BE_LIBERAL are
// touched.
#pragma once

#include <cstdint>

#include "appliance/base/bytes.hpp"
#include "appliance/base/result.hpp"
#include "sync/conntrack_entry.hpp"

struct nlmsghdr;

namespace ftfw::sync {

// What precedes the content of a request.
struct RequestHead {
  std::uint32_t sequence = 0;  // nlmsg_seq of the answer
  bool acknowledge = false;    // without it only an error is answered
};

// A message of subsystem conntrack (dump or event). What the message does not carry stays absent: an update
// lacks most fields, an offloaded flow has no timeout and no protocol state. A synproxy of zeros is absent:
// every entry that was created over netlink has one.
Result<ConntrackEntry> parse_conntrack(const nlmsghdr& header);

// A new entry (NLM_F_CREATE | NLM_F_EXCL).
// EEXIST: original or translated reply tuple in use. The other refusals: the matrix in README.md.
void append_create(ByteVector& out, RequestHead head, const ConntrackEntry& entry, bool be_liberal);

// Status, timeout, protocol state, mark, labels and sequence adjustment of an existing entry. The kernel
// compares EXPECTED with what it has and answers EBUSY if they differ, so the entry must say what the replica
// is: EXPECTED if it was created with its master conntrack, else not.
void append_update(ByteVector& out, RequestHead head, const ConntrackEntry& entry, bool be_liberal);

void append_delete(ByteVector& out, RequestHead head, const EntryKey& key);

// One entry; the answer is a message of its own.
void append_conntrack_get(ByteVector& out, RequestHead head, const EntryKey& key);

// All entries of both families.
void append_conntrack_dump(ByteVector& out, std::uint32_t sequence);

}  // namespace ftfw::sync
