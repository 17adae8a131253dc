// Orders of an operator: the control thread posts them to the failover thread, which answers each with a text
// and whether it was done. Meanwhile the client's answer waits, and the control thread serves others.
//
//   handler  -> post(order) -> ControlOrder  -> failover
//   client  <- OrderAnswer  <- ControlAnswer <- failover
//
// Thread: control.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <variant>

#include "appliance/base/mailbox.hpp"
#include "appliance/control/command.hpp"

namespace ftfw {

struct AnnounceOrder {};  // the virtual addresses, once more
struct ReloadOrder {};    // the configuration file

using Order = std::variant<AnnounceOrder, ReloadOrder>;

struct ControlOrder {
  std::uint64_t id = 0;
  Order what;
};
using ControlOrders = Mailbox<ControlOrder>;

struct ControlAnswer {
  std::uint64_t id = 0;
  bool done = false;
  bool invalid = false;     // not done, because of what a file says
  std::string report = {};  // whole lines that are shown first, whatever became of the order
  std::string text;         // whole lines; if it was not done, why, without the last line's end
};
using ControlAnswers = Mailbox<ControlAnswer>;

class OrderDesk {
 public:
  OrderDesk(ControlOrders& orders, ControlAnswers& answers) : orders_(orders), answers_(answers) {}

  // The stream waits until the failover thread answers, which it does even if nobody waits any more.
  Answer post(Order order);

  // For ControlServer::wake_with.
  int wake_fd() const { return answers_.wake_fd(); }
  void read_answers();

 private:
  class OrderAnswer;

  ControlOrders& orders_;
  ControlAnswers& answers_;
  std::uint64_t last_id_ = 0;
  std::map<std::uint64_t, std::weak_ptr<ControlAnswer>> waiting_;  // id 0 in it: not answered yet
};

}  // namespace ftfw
