// Waits until the tables of both firewalls hold the same, whatever kind of table it is that is looked at.
#pragma once

#include <cstddef>
#include <string>

#include "tests/netns/lab/lab.hpp"
#include "tests/netns/lab/wait.hpp"

namespace ftfw::lab {

// read: a node's table, with `flows` and a difference() of two. At least so many flows. Empty, or what still
// differs at the deadline.
template <typename Read>
std::string wait_equal_tables(std::size_t at_least, Duration at_most, const Read& read) {
  std::string last;
  wait_until(
      at_most,
      [&] {
        const auto first = read(Node::fw_1);
        const auto second = read(Node::fw_2);
        last = difference(first, second);
        if (first.flows.size() < at_least) {
          last += "  fw-1 holds " + std::to_string(first.flows.size()) + " flows, expected at least " +
                  std::to_string(at_least) + "\n";
        }
        return last.empty();
      },
      100ms);
  return last;
}

}  // namespace ftfw::lab
