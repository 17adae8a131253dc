#include "appliance/failover/timeline.hpp"

#include <fmt/format.h>

#include <iterator>
#include <string_view>

namespace ftfw::failover {
namespace {

std::string_view verb_of(Transition transition) {
  switch (transition) {
    case Transition::stand_by:
      return "standing by";
    case Transition::take_over:
      return "took over";
    case Transition::hand_over:
      return "handed over";
    case Transition::give_way:
      return "gave way";
    case Transition::fault:
      return "closed by a fault";
    case Transition::withdraw:
      return "withdrew";
  }
  return "?";
}

}  // namespace

std::string Timeline::to_string() const {
  std::string text = fmt::format("{} in {:.2f} ms:", verb_of(transition), in_milliseconds(total));
  const char* separator = " ";
  if (transition == Transition::take_over) {
    text += silence
                ? fmt::format(" detected {:.2f} ms after the last advertisement", in_milliseconds(*silence))
                : " detected at once";
    separator = ", ";
  }
  for (const TimedStep& step : steps) {
    // Waiting for somebody who does not come is an outcome, not a failure.
    const bool waited_in_vain = step.step == Step::await_peer && !step.ok;
    fmt::format_to(std::back_inserter(text), "{}{} {:.2f}{}", separator,
                   waited_in_vain ? "peer not heard" : name_of(step.step), in_milliseconds(step.took),
                   step.ok || waited_in_vain ? "" : " (failed)");
    separator = ", ";
  }
  return text;
}

}  // namespace ftfw::failover
