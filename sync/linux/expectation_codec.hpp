// Expectation <-> ctnetlink messages, whole: class, NAT and function included (libnetfilter_conntrack drops
// these when it builds a message). Pure. Source: net/netfilter/nf_conntrack_netlink.c
// ctnetlink_create_expect, ctnetlink_exp_dump_expect.
#pragma once

#include "appliance/base/bytes.hpp"
#include "appliance/base/result.hpp"
#include "sync/expectation.hpp"
#include "sync/linux/conntrack_codec.hpp"

namespace ftfw::sync {

// A message of subsystem expectation (dump or event). The kernel (6.18) never reports an expectation's zone:
// it is 0 here, and who knows the master conntrack knows better.
Result<Expectation> parse_expectation(const nlmsghdr& header);

// A new expectation (NLM_F_CREATE | NLM_F_EXCL). Its master conntrack must exist and have the helper. The
// kernel ignores the timeout here and takes the helper's; append_expectation_timeout sets it afterwards.
void append_expectation_create(ByteVector& out, RequestHead head, const Expectation& expectation);
void append_expectation_timeout(ByteVector& out, RequestHead head, const Expectation& expectation);
void append_expectation_delete(ByteVector& out, RequestHead head, const ExpectationKey& key);
void append_expectation_dump(ByteVector& out, std::uint32_t sequence);

}  // namespace ftfw::sync
