// Established, source-translated TCP flows in numbers, without as many sockets: put into a firewall's kernel
// by ctnetlink, as if the ruleset had translated real ones. To everyone else who watches that kernel they
// arrive as the events that real connections cause.
#pragma once

#include <cstddef>
#include <optional>
#include <vector>

#include "appliance/base/bytes.hpp"
#include "appliance/base/time.hpp"
#include "tests/netns/lab/lab.hpp"

namespace ftfw::lab {

// The requests, made beforehand: creating them costs what the kernel takes, and nothing else.
class PreparedFlows {
 public:
  // 30,000 client ports below the ephemeral ones, 40 servers' ports.
  static constexpr std::size_t kMost = 1'200'000;

  explicit PreparedFlows(std::size_t count, std::size_t first = 0);

  struct Cost {
    Duration elapsed{};
    Duration processor{};  // of this thread, the kernel's work included
  };
  // As fast as the kernel takes them, 64 in a send; or so many a second.
  Cost create_in(const NetNamespace& network, std::optional<std::size_t> per_second = std::nullopt) const;

  std::size_t count() const { return count_; }

 private:
  struct Send {
    std::size_t end = 0;  // of its bytes; they begin where those before end
    std::uint32_t last = 0;
  };

  std::size_t count_ = 0;
  ByteVector bytes_;
  std::vector<Send> sends_;
};

void make_flows(const Lab& lab, Node node, std::size_t count);

}  // namespace ftfw::lab
