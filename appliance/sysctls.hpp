// The kernel settings that a managed pair needs: set at start, shown in status, restored at exit. The values
// found are kept in a file of the state directory from before the first change until they are restored, so a
// restart after a crash still knows what the machine had. Main thread.
#pragma once

#include <string>
#include <vector>

#include "appliance/base/result.hpp"
#include "config/model.hpp"

namespace ftfw {

struct Sysctl {
  std::string name;  // "net/ipv4/ip_forward", relative to /proc/sys
  std::string wanted;
  std::string found;  // before we touched it
  std::string why;    // one clause, for status
};

class Sysctls {
 public:
  // Reads which interfaces there are. saved_path: the file that remembers `found` across a crash.
  Sysctls(const config::Config& config, std::string saved_path);

  // Sets all; every setting that cannot be read or written is named in one error, the others are set.
  Status apply();
  // Back to what was found; removes the file. Errors are collected likewise.
  Status restore();

  const std::vector<Sysctl>& settings() const { return settings_; }

 private:
  void loosen_reverse_path_filter(const config::SyncGroup& group);
  void adopt_saved();
  Status save() const;

  std::vector<Sysctl> settings_;
  std::string saved_path_;
};

}  // namespace ftfw
