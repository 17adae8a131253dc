// Flows in numbers, as the ruleset would have made them of real traffic: created, changed and destroyed in a
// firewall's kernel by ctnetlink, named by an index. To everyone else who watches that kernel they arrive as
// the events that real connections cause. Indices of one kind never clash, nor with the lab's live traffic.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>

#include "appliance/base/netlink_socket.hpp"
#include "tests/netns/lab/lab.hpp"

struct nf_conntrack;

namespace ftfw::lab {

enum class MilledFlow {
  source_nat,       // the client's TCP to the server, translated to the outside virtual address
  destination_nat,  // the server's TCP to the outside virtual address, forwarded to the client
};

class FlowMill {
 public:
  static constexpr std::size_t kMostFlows = 400'000;  // of each kind

  // counted: what the kernel refuses (a flow that is there already, or not any more) is skipped. Otherwise it
  // ends the test.
  enum class Refusals { fatal, counted };
  FlowMill(const Lab& lab, Node node, Refusals refusals = Refusals::fatal);

  // Established ones. The rest names some that were created, in the given order: ... finish: their state
  // becomes TIME_WAIT; destroy: they are removed.
  void create(MilledFlow kind, std::size_t first, std::size_t count);
  void finish(MilledFlow kind, std::size_t first, std::size_t count);
  void destroy(MilledFlow kind, std::size_t first, std::size_t count);
  std::size_t refused() const { return refused_; }

 private:
  void send_all(std::uint16_t message, std::uint16_t flags, std::size_t first, std::size_t count,
                const std::function<void(nf_conntrack*, std::size_t)>& fill);
  void read_answers(std::uint32_t last);

  NetlinkSocket socket_;
  Refusals refusals_;
  std::uint32_t sequence_ = 0;
  std::size_t refused_ = 0;
};

}  // namespace ftfw::lab
