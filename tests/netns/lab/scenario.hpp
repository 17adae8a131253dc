// What every system test and the demo share: the lab with both firewalls running and in step, every kind of
// traffic through the primary, and the judgement afterwards. Nothing is thrown at a failed expectation: it is
// noted in problems(), so that one run tells everything that is wrong.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "tests/netns/lab/appliance.hpp"
#include "tests/netns/lab/ftp.hpp"
#include "tests/netns/lab/lab.hpp"
#include "tests/netns/lab/probe.hpp"
#include "tests/netns/lab/services.hpp"
#include "tests/netns/lab/traffic.hpp"

namespace ftfw::lab {

struct ScenarioSettings {
  std::string name;
  std::size_t flows = 0;  // made on the primary, beside the live connections
  bool standby = true;    // fw-2 runs too
  bool print = true;      // a line of figures for each expect_everything_lives()
  bool cache_1 = false;   // fw-1 keeps what it stands by for out of its kernel
  bool cache_2 = false;
};

class Scenario {
 public:
  static constexpr Duration kAdvertisementInterval = 100ms;
  static constexpr int kEchoes = 50;

  // fw-1 is primary, fw-2 is its complete replica, traffic flows.
  explicit Scenario(const ScenarioSettings& settings);
  // Where there were problems, or an exception ends the test: prints the ends of the daemons' logs and keeps
  // the lab's directory.
  ~Scenario();
  Scenario(const Scenario&) = delete;
  Scenario& operator=(const Scenario&) = delete;

  Lab& lab() { return lab_; }
  Appliance& appliance(Node firewall) { return firewall == Node::fw_1 ? *fw_1_ : *fw_2_; }
  Traffic& traffic() { return *traffic_; }
  Probe& probe() { return *probe_; }
  FtpClient& ftp() { return *ftp_; }

  // A new measurement: the probe's gap and the streams' stalls count from here. A long FTP transfer starts,
  // and is under way when the thing to test happens.
  void begin();

  // The process is killed and every cable pulled, as when a machine loses its power.
  void crash(Node firewall);
  // The machine boots: the kernel has withdrawn the addresses of the dead process, its tables are empty,
  // there are no rules; the cables are in and the daemon starts.
  void boot(Node firewall);

  // Each notes a problem if it does not come true in time, and returns how long it took.
  Duration expect_primary(Node firewall, Duration at_most);
  // The other one holds none of the virtual addresses.
  Duration expect_only_primary(Node firewall, Duration at_most);
  Duration expect_addresses_gone(Node firewall, Duration at_most);
  // Every connection lives, the idle ones answer, closing by RST and by FIN leaves ESTABLISHED on the
  // primary, the FTP transfer comes to its end and the session goes on. Prints the line of figures, named
  // `what`.
  void expect_everything_lives(Node primary, const std::string& what);
  // Both tables hold the same, and more than nothing. A standby with a cache is asked: in sync with as many
  // as the primary's kernel holds, and none of them in its own.
  void expect_equal_tables();

  void expect(bool condition, const std::string& what);
  const std::vector<std::string>& problems() const { return problems_; }

  // The last expect_everything_lives().
  const Traffic::Report& last_report() const { return last_report_; }

 private:
  void set_up();
  bool caches(Node firewall) const { return firewall == Node::fw_1 ? settings_.cache_1 : settings_.cache_2; }
  void expect_mirrored(Node standby);
  void show_logs();
  void expect_closed(Node primary, const std::vector<std::uint16_t>& ports, const std::string& how);
  void expect_ftp(const std::string& what);
  void print_figures(Node primary, const std::string& what) const;

  ScenarioSettings settings_;
  Lab lab_;
  std::unique_ptr<Appliance> fw_1_;
  std::unique_ptr<Appliance> fw_2_;
  std::unique_ptr<Services> services_;
  std::unique_ptr<Traffic> traffic_;
  std::unique_ptr<Probe> probe_;
  std::unique_ptr<FtpServer> ftp_server_;
  std::unique_ptr<FtpClient> ftp_;       // a session that lives through everything
  std::unique_ptr<FtpClient> ftp_long_;  // a session of which a transfer lives through everything
  std::unique_ptr<FtpTransfer> transfer_;
  Traffic::Report last_report_;
  std::vector<std::string> problems_;
};

}  // namespace ftfw::lab
