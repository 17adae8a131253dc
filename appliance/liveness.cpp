#include "appliance/liveness.hpp"

namespace ftfw {

std::string_view name_of(ThreadName thread) {
  switch (thread) {
    case ThreadName::vrrp:
      return "vrrp";
    case ThreadName::failover:
      return "failover";
    case ThreadName::lease:
      return "lease";
    case ThreadName::capture:
      return "capture";
    case ThreadName::replication:
      return "replication";
  }
  return "?";
}

}  // namespace ftfw
