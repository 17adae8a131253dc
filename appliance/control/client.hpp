// The client's end of the control socket, for ftfwctl and the tests. Blocking.
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "appliance/base/result.hpp"

namespace ftfw {

// Sends the request and hands the text over as it comes. An error of the daemon is Blame::peer with its
// words, whatever text came before, or Blame::configuration where a file is to blame; anything else (nobody
// there, broken off, no answer for 40 s) is Blame::system. Endless patience is for what follows the events:
// nothing may happen for days. take returns false to stop: that is no error.
enum class Patience : bool { bounded, endless };
Status ask_control_socket(const std::string& path, const std::string& request,
                          const std::function<bool(std::string_view text)>& take,
                          Patience patience = Patience::bounded);

// The whole text.
Result<std::string> ask_control_socket(const std::string& path, const std::string& request);

}  // namespace ftfw
