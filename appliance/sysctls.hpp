// The kernel settings that a managed pair needs: set at start, shown in status, restored at exit. The values
// found are kept in a file of the state directory from before the first change until they are restored, so a
// restart after a crash still knows what the machine had. Main thread.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "appliance/base/result.hpp"
#include "config/model.hpp"

namespace ftfw {

enum class Presence { needed, of_interface_that_may_go };

struct Sysctl {
  std::string name;  // "net/ipv4/ip_forward", relative to /proc/sys
  std::string wanted;
  std::string found;  // before we touched it
  std::string why;    // one clause, for status
  Presence presence = Presence::needed;
};

class Sysctls {
 public:
  // Reads which interfaces there are. saved_path: the file that remembers `found` across a crash.
  Sysctls(const config::Config& config, std::string saved_path);

  // Sets all; every setting that cannot be read or written is named in one error, the others are set. An
  // interface besides the group's own that has gone meanwhile is no error. What a former run left and this
  // configuration does not set is restored.
  Status apply();
  // Back to what was found; removes the file. Errors are collected likewise; an interface's settings may have
  // gone with it.
  Status restore();

  const std::vector<Sysctl>& settings() const { return settings_; }

 private:
  void loosen_reverse_path_filter(const config::SyncGroup& group);
  void note_forwarding(const std::string& for_all, const std::string& directory);
  std::optional<std::string> found_before(const std::string& name) const;
  Status save() const;

  std::string saved_path_;
  std::vector<Sysctl> saved_;  // by a former run; name and value
  std::vector<Sysctl> settings_;
  std::vector<Sysctl> along_;      // what changes along with a setting for all interfaces
  std::vector<Sysctl> leftovers_;  // saved, not set by this run, and not yet restored
};

}  // namespace ftfw
