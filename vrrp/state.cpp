#include "vrrp/state.hpp"

namespace ftfw::vrrp {

std::string_view to_string(State state) {
  switch (state) {
    case State::initialize:
      return "initialize";
    case State::backup:
      return "backup";
    case State::active:
      return "active";
    case State::fault:
      return "fault";
  }
  return "?";
}

}  // namespace ftfw::vrrp
