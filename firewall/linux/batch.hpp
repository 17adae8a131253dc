// One nftables transaction under construction: messages in kernel order, each with a sequence number of its
// own and the place in the configuration that produced it. Owned by one thread, used once. Invariants:
// bytes() is BATCH_BEGIN, the messages, BATCH_END; no message exceeds kMaxMessageBytes (libnftnl does not
// check its buffer: the scratch buffer holds the largest rule that the kernel would take, see batch.cpp); a
// message that is too large is a refusal of ours and the batch must not be sent. The origins point to the
// rules of the ruleset values, which must outlive the batch. Source: nfnetlink.c, nfnetlink_rcv_batch.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "appliance/base/bytes.hpp"
#include "firewall/ruleset.hpp"

struct nlmsghdr;

namespace ftfw::firewall {

// The kernel, or we, will not have a part of the ruleset.
struct Refusal {
  Location where;      // 0: no single line of the configuration is to blame
  std::string object;  // "table inet ftfw, chain forward: icmp type echo-request accept"
  int code = 0;        // errno
  std::string text;    // what errno says, and the kernel's own words where it has some
};

}  // namespace ftfw::firewall

namespace ftfw::firewall::linux_nft {

// What a message is about; put into words only when it is refused.
struct Origin {
  Location where;
  std::string table;      // empty: the transaction as a whole
  std::string_view kind;  // "chain", "counter", ...; empty: the table itself
  std::string name;
  const Rule* rule = nullptr;

  std::string describe() const;
};

class Batch {
 public:
  static constexpr std::size_t kMaxMessageBytes = 60'000;  // attribute lengths have 16 bits

  explicit Batch(std::uint32_t first_sequence);

  // A message of the nftables subsystem and the family inet. flags: NLM_F_*, beside NLM_F_REQUEST.
  void add(std::uint16_t type, std::uint16_t flags, const Origin& origin,
           const std::function<void(nlmsghdr&)>& build);

  // Something that cannot even be put into a message.
  void refuse(const Origin& origin, int code, std::string text);

  bool empty() const { return origins_.empty(); }
  std::size_t message_count() const { return origins_.size(); }
  const std::vector<Refusal>& own_refusals() const { return refusals_; }
  std::uint32_t next_set_id() { return ++set_id_; }

  // For the sender. The last message asks for an acknowledgement. genid 0: unconditional; otherwise the
  // kernel takes the batch only in that generation (ERESTART). end: false leaves BATCH_END out (a dry run).
  ByteSpan seal(std::uint32_t genid, bool end);
  std::uint32_t first_sequence() const { return first_sequence_; }
  std::uint32_t last_sequence() const;  // of the last message, not of BATCH_END
  // Nothing: not a message of this batch.
  const Origin* origin(std::uint32_t sequence) const;

 private:
  std::uint32_t first_sequence_;
  std::uint32_t set_id_ = 0;
  std::size_t last_offset_ = 0;
  ByteVector bytes_;
  ByteVector scratch_;
  std::vector<Origin> origins_;
  std::vector<Refusal> refusals_;
};

}  // namespace ftfw::firewall::linux_nft
