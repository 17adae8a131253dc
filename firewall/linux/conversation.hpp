// Talking to nftables over one netlink socket: a batch and all its answers, the generation, dumps. One
// thread. The kernel executes a request inside the send call, so the answers are there when it returns: the
// socket does not block and is read until it is empty. Invariant: a commit is called a success only if no
// message failed, the last message was acknowledged, and the generation was read back (an acknowledgement
// alone says nothing: it comes even if a later message fails). Source: nfnetlink.c, nfnetlink_rcv_batch;
// nf_tables_api.c.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "appliance/base/netlink_socket.hpp"
#include "appliance/base/time.hpp"
#include "firewall/linux/batch.hpp"

struct nlmsghdr;

namespace ftfw::firewall::linux_nft {

struct Answer {
  std::vector<Refusal> refusals;  // in the order of the messages; empty: done
  bool stale = false;       // the generation was another one: nothing was tried (commit with genid only)
  std::uint32_t genid = 0;  // after the commit
  Duration in_kernel{};     // the send call: waiting for other transactions, and our own
};

class Conversation {
 public:
  static Result<Conversation> open();

  // Commits. genid 0: whatever the generation is.
  Answer commit(Batch& batch, std::uint32_t genid);
  // Lets the kernel check everything and commits nothing. It does not find loops of chains.
  Answer dry_run(Batch& batch);

  Result<std::uint32_t> generation();
  // Every object of a kind (NFT_MSG_GETTABLE, ...) of the family inet. table: of that table only (for objects
  // of tables); not for NFT_MSG_GETTABLE. within: of that chain or set only (for rules and elements). EINTR
  // as code: the ruleset changed meanwhile.
  Status dump(std::uint16_t type, const std::string& table, const std::function<void(const nlmsghdr&)>& each,
              const std::string& within = {});

  // By which events of our own commits are known.
  std::uint32_t port_id() const { return socket_.port_id(); }

  // For a new batch: no message of an earlier one had it.
  std::uint32_t next_sequence() const { return sequence_; }

 private:
  explicit Conversation(NetlinkSocket socket);
  // Sends the request; its answers, to the last.
  Status read_dump(const nlmsghdr& request, const std::function<void(const nlmsghdr&)>& each);
  // Sends the batch; sets refusals and whether the last message was acknowledged.
  bool exchange(Batch& batch, ByteSpan bytes, Answer& answer);

  NetlinkSocket socket_;
  ByteVector buffer_;
  std::uint32_t sequence_ = 0;
};

}  // namespace ftfw::firewall::linux_nft
