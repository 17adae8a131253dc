// One firewall's daemon: its configuration, its process, and what the kernel and its log say of it. Who is
// primary is asked of the kernel (the virtual addresses), never of the daemon.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "tests/netns/lab/lab.hpp"

namespace ftfw::lab {

struct ApplianceSettings {
  int vrrp_version = 3;
  std::string advertisement_interval = "100ms";
  std::string standby = "kernel";  // or "cache"
};

// Master_Down_Interval of a backup with priority 80: three intervals and the skew (RFC 9568 section 6.1).
Duration detection_interval(Duration advertisement_interval);

// Writes the reference configuration, with these settings, and its key into the lab's directory: one file for
// both nodes. Returns its path.
std::filesystem::path write_configuration(Lab& lab, const ApplianceSettings& settings);

// Another configuration in the lab's directory: this one, with every `from` (which must be there) made `to`.
std::filesystem::path edited(Lab& lab, const std::filesystem::path& configuration, const std::string& from,
                             const std::string& to);

// FTFW_APPLIANCE, or the one that was built together with this program. Gives up when there is none.
std::filesystem::path appliance_program();
// The ftfwctl that was built together with this program.
std::filesystem::path control_program();

// The daemon's own account of its last takeover:
// "took over in N ms: detected .., rules .., commit .., addresses .., announced .."
struct Timeline {
  double total_ms = 0;
  std::vector<std::pair<std::string, std::string>> steps;  // name, text ("0.12 ms")
  std::string line;
};
std::optional<Timeline> parse_timeline(const std::string& log);

enum class Holding { none, some, all };

// What a standby says of its flows.
struct Standing {
  bool in_sync = false;
  std::size_t entries = 0;  // flows and expectations
};

class Appliance {
 public:
  Appliance(Lab& lab, Node node, std::filesystem::path configuration);

  // Options beside the configuration, the control socket and the state directory. `wrapper` are the words
  // before the program's.
  void start(const std::vector<std::string>& options = {}, const std::vector<std::string>& wrapper = {});
  // For a start that shall fail: runs it to its end.
  Outcome try_start(const std::vector<std::string>& options = {},
                    const std::vector<std::string>& wrapper = {});
  void kill();  // SIGKILL; returns when it is gone
  // SIGTERM, and its exit code; nothing if it still runs after at_most.
  std::optional<int> terminate(Duration at_most);
  void freeze();
  void thaw();
  bool running() { return process_.running(); }
  pid_t pid() const { return process_.pid(); }

  // From the next start on.
  void configure(std::filesystem::path configuration) { configuration_ = std::move(configuration); }
  std::filesystem::path control_socket() const { return directory() / "control.sock"; }

  // How many of the virtual addresses the node's kernel holds.
  Holding holding();
  // The shortest time for which the kernel will keep the virtual addresses by itself; 0 when it has none.
  std::uint32_t seconds_left();

  // Asked of the daemon; nothing if it does not answer.
  std::optional<Standing> standing();

  // Since the last start().
  std::string log() const;
  std::optional<Timeline> last_takeover() const { return parse_timeline(log()); }

 private:
  std::filesystem::path directory() const;
  std::vector<std::string> command(const std::vector<std::string>& options,
                                   const std::vector<std::string>& wrapper) const;

  Lab& lab_;
  Node node_;
  std::filesystem::path configuration_;
  Process process_;
  int starts_ = 0;
};

}  // namespace ftfw::lab
