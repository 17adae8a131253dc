// Every interface that a configuration names, with the place that names it: what --check compares with the
// machine as warnings, and of which a start demands the essential ones. Not those of virtual MACs, which the
// appliance makes.
#pragma once

#include <string>
#include <vector>

#include "config/model.hpp"

namespace ftfw::config {

struct InterfaceUse {
  std::string name;
  std::string used_for;  // "virtual router VI_1"
  Location where;
  bool essential = true;  // false: without it the appliance works, and it counts as down
};

// One element per place in the file, in file order.
std::vector<InterfaceUse> interfaces_used(const Config& config);

}  // namespace ftfw::config
