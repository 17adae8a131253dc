// The states of the sync group, and so of every virtual router in it: RFC 9568 6.4 plus fault. One value for
// the whole group: its routers never disagree.
#pragma once

#include <cstdint>
#include <string_view>

namespace ftfw::vrrp {

enum class State : std::uint8_t {
  initialize,  // not started, or stopped: neither sends nor elects
  backup,      // listens
  active,      // advertises and owns the virtual addresses
  fault,       // started, but a leg has no usable link or no address: cannot be Active
};

std::string_view to_string(State state);

}  // namespace ftfw::vrrp
