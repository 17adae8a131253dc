#include "tests/bench/pair.hpp"

#include <fmt/core.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <regex>
#include <sstream>

#include "tests/netns/lab/error.hpp"
#include "tests/netns/lab/wait.hpp"

namespace ftfw::bench {
namespace {

using interop::Kind;
using interop::Leg;
using lab::Node;

constexpr Duration kPatience = 30s;

interop::Dialect group(Duration interval) {
  interop::Dialect dialect = interop::sync_group();
  dialect.interval = interval;
  return dialect;
}

std::filesystem::path reference_configuration(lab::Lab& lab, Duration interval) {
  return lab::write_configuration(lab, {.advertisement_interval = fmt::format("{}ms", interval / 1ms)});
}

// Processor time of the threads of a process whose name begins so. The kernel counts in clock ticks.
Duration thread_time(pid_t process, const std::string& name) {
  const double tick = static_cast<double>(::sysconf(_SC_CLK_TCK));
  double ticks = 0;
  for (const auto& task : std::filesystem::directory_iterator(fmt::format("/proc/{}/task", process))) {
    std::ifstream file(task.path() / "stat");
    std::string line;
    std::getline(file, line);
    const std::size_t begin = line.find('(');
    const std::size_t end = line.rfind(')');
    if (end == std::string::npos || !line.substr(begin + 1, end - begin - 1).starts_with(name)) continue;
    std::istringstream fields(line.substr(end + 2));
    std::vector<std::string> words{std::istream_iterator<std::string>(fields), {}};
    // proc(5): utime and stime are fields 14 and 15; the state, the first here, is field 3.
    ticks += std::stod(words.at(11)) + std::stod(words.at(12));
  }
  return std::chrono::duration_cast<Duration>(std::chrono::duration<double>(ticks / tick));
}

class OurPair final : public Pair {
 public:
  explicit OurPair(Duration interval)
      : Pair(interval),
        configuration_(reference_configuration(lab_, interval)),
        primary_(lab_, Node::fw_1, configuration_),
        backup_(lab_, Node::fw_2, configuration_) {}

  void start_primary(Scheduling scheduling) override {
    std::vector<std::string> wrapper;
    if (scheduling == Scheduling::normal) {
      wrapper = {"setpriv", "--bounding-set", "-sys_nice", "--inh-caps", "-sys_nice"};
    }
    primary_.start({}, wrapper);
    wait_for_primary();
  }

  void start_backup() override {
    backup_.start();
    const auto in_sync = [&] {
      const lab::Outcome asked =
          lab_.run(Node::fw_2, {lab::control_program().string(), "--socket",
                                backup_.control_socket().string(), "status", "--json"});
      static const std::regex kInSync("\"in_sync\": ?true");
      return asked.exit_code == 0 && std::regex_search(asked.output, kInSync);
    };
    if (!lab::wait_until(kPatience, in_sync, 20ms))
      lab::give_up("the backup is not in sync: " + backup_.log());
  }

  Duration advertiser_time() const override { return thread_time(primary_.pid(), "ftfw-vrrp"); }

 private:
  void power_off_primary() override {
    primary_.freeze();
    lab_.cut_all(Node::fw_1);
    primary_.kill();
  }

  std::filesystem::path configuration_;
  lab::Appliance primary_;
  lab::Appliance backup_;
};

class KeepalivedPair final : public Pair {
 public:
  explicit KeepalivedPair(Duration interval)
      : Pair(interval),
        primary_(interop::make_keepalived(lab_, Node::fw_1)),
        backup_(interop::make_keepalived(lab_, Node::fw_2)) {
    const std::filesystem::path configuration = reference_configuration(lab_, interval);
    for (const Node node : {Node::fw_1, Node::fw_2}) {
      const std::string rules = lab_.run_well(
          node, {lab::appliance_program().string(), "--config", configuration.string(), "--print-ruleset"});
      lab_.run_well(node, {"nft", "-f", "-"}, without_flowtable(rules));
      lab::set_sysctl(lab_.network(node), "net/ipv4/ip_forward", "1");
    }
  }

  void start_primary(Scheduling) override {
    primary_->start({dialect_, kPrimarysPriority, true});
    wait_for_primary();
  }

  void start_backup() override {
    backup_->start({dialect_, kBackupsPriority, true});
    if (!lab::wait_until(kPatience, [&] { return backup_->listening(); })) {
      lab::give_up("keepalived: " + backup_->log());
    }
  }

 private:
  // This kernel has none.
  static std::string without_flowtable(const std::string& rules) {
    static const std::regex kObject("flowtable [a-z_]+ \\{[^}]*\\{[^}]*\\}[^}]*\\}|flow add @[a-z_]+");
    return std::regex_replace(rules, kObject, "");
  }
  void power_off_primary() override { primary_->crash(); }

  std::unique_ptr<interop::Speaker> primary_;
  std::unique_ptr<interop::Speaker> backup_;
};

}  // namespace

Pair::Pair(Duration interval)
    : dialect_(group(interval)), capture_(lab_, {"eth0", "eth1"}), wire_(capture_, dialect_) {}

std::unique_ptr<Pair> Pair::create(Make make, Duration interval) {
  if (make == Make::ours) return std::make_unique<OurPair>(interval);
  return std::make_unique<KeepalivedPair>(interval);
}

void Pair::wait_for_primary() {
  const auto active = [&] { return wire_.all_legs(Node::fw_1, Kind::claim, 0); };
  if (!lab::wait_until(kPatience, active)) lab::give_up("fw-1 does not become Active");
}

void Pair::crash_primary() {
  const std::size_t mark = wire_.mark();
  const Leg& inside = dialect_.legs[0];
  const auto seen = [&] { return wire_.first(Node::fw_1, inside, Kind::claim, mark).has_value(); };
  if (!lab::wait_until(kPatience, seen, 200us)) lab::give_up("fw-1 does not advertise");
  power_off_primary();
}

void Pair::wait_for_backup(std::size_t mark, Duration at_most) {
  const auto claims = [&] { return wire_.all_legs(Node::fw_2, Kind::claim, mark); };
  if (!lab::wait_until(at_most, claims)) lab::give_up("fw-2 does not take over");
}

std::vector<Duration> lateness(const Pair& pair, std::size_t mark) {
  std::vector<Duration> result;
  for (const Leg& leg : pair.dialect().legs) {
    const std::vector<Instant> times = pair.wire().times(Node::fw_1, leg, Kind::claim, mark);
    for (std::size_t i = 1; i < times.size(); ++i) {
      result.push_back(times[i] - times[i - 1] - pair.dialect().interval);
    }
  }
  return result;
}

}  // namespace ftfw::bench
