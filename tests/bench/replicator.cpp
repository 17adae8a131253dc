#include "tests/bench/replicator.hpp"

#include <fmt/core.h>

#include <chrono>
#include <cstdlib>
#include <fstream>
#include <regex>

#include "appliance/base/clock.hpp"
#include "tests/netns/lab/appliance.hpp"
#include "tests/netns/lab/error.hpp"
#include "tests/netns/lab/wait.hpp"

namespace ftfw::bench {
namespace {

using lab::Node;

constexpr Duration kPatience = 120s;

Duration milliseconds(const std::string& text) {
  const std::chrono::duration<double, std::milli> value(std::strtod(text.c_str(), nullptr));
  return std::chrono::duration_cast<Duration>(value);
}

class Ours final : public Replicator {
 public:
  Ours(lab::Lab& lab, bool cache)
      : Replicator(lab),
        cache_(cache),
        configuration_(configuration(lab, cache)),
        source_(lab, Node::fw_1, configuration_),
        standby_(lab, Node::fw_2, configuration_) {}

  void start_source() override {
    source_.start();
    if (!lab::wait_until(kPatience, [&] { return source_.holding() == lab::Holding::all; })) {
      lab::give_up("fw-1 does not become primary: " + source_.log());
    }
  }

  void start_standby() override { standby_.start(); }
  void stop_standby() override { standby_.kill(); }
  std::size_t standby_flows() override {
    return cache_ ? cached_flows() : kernel_flows(lab_.network(Node::fw_2));
  }
  pid_t pid(Node node) const override { return node == Node::fw_1 ? source_.pid() : standby_.pid(); }

  Duration commit(std::size_t flows) override {
    source_.freeze();
    lab_.cut_all(Node::fw_1);
    source_.kill();
    const auto committed = [&] {
      return standby_.last_takeover() && kernel_flows(lab_.network(Node::fw_2)) >= flows;
    };
    if (!lab::wait_until(kPatience, committed, 5ms)) lab::give_up("no commit: " + standby_.log());
    const lab::Timeline timeline = *standby_.last_takeover();
    for (const auto& [name, text] : timeline.steps) {
      if (name == "commit") return milliseconds(text);
    }
    lab::give_up("no commit in the timeline: " + standby_.log());
  }

  std::string account(Node node) override {
    const lab::Appliance& daemon = node == Node::fw_1 ? source_ : standby_;
    return lab_
        .run(node, {lab::control_program().string(), "--socket", daemon.control_socket().string(), "status",
                    "--json"})
        .output;
  }

 private:
  static std::filesystem::path configuration(lab::Lab& lab, bool cache) {
    const auto reference = lab::write_configuration(lab, {});
    return cache ? lab::edited(lab, reference, "standby = \"kernel\"", "standby = \"cache\"") : reference;
  }

  std::size_t cached_flows() {
    const lab::Outcome asked = lab_.run(Node::fw_2, {lab::control_program().string(), "--socket",
                                                     standby_.control_socket().string(), "status", "--json"});
    static const std::regex kEntries("\"entries\": ?([0-9]+)");
    std::smatch found;
    if (asked.exit_code != 0 || !std::regex_search(asked.output, found, kEntries)) return 0;
    return std::stoul(found[1]);
  }

  bool cache_;
  std::filesystem::path configuration_;
  lab::Appliance source_;
  lab::Appliance standby_;
};

// The configuration that the reference network had, on links of the lab.
constexpr const char* kConntrackd = R"(
Sync {{
  Mode FTFW {{
    ResendQueueSize 131072
    PurgeTimeout 60
    ACKWindowSize 300
    DisableExternalCache {external}
  }}
  UDP {{
    IPv4_address {own}
    IPv4_Destination_Address {peer}
    Port 3780
    Interface eth2
    SndSocketBuffer 1249280
    RcvSocketBuffer 1249280
    Checksum on
  }}
  Options {{
    TCPWindowTracking Off
    ExpectationSync on
  }}
}}
General {{
  HashSize 32768
  HashLimit 2097152
  LogFile off
  Syslog off
  LockFile {directory}/{name}.lock
  UNIX {{
    Path {directory}/{name}.ctl
  }}
  NetlinkBufferSize 2097152
  NetlinkBufferSizeMaxGrowth 8388608
  NetlinkOverrunResync On
  NetlinkEventsReliable Off
  EventIterationLimit 100
  Filter From Kernelspace {{
    Protocol Accept {{
      TCP
      SCTP
      DCCP
    }}
    Address Ignore {{
      IPv4_address 127.0.0.1
      IPv4_address 192.168.2.100
      IPv4_address 192.168.0.100
      IPv4_address 192.168.100.100
      IPv4_address 192.168.100.200
    }}
  }}
}}
)";

class Conntrackd final : public Replicator {
 public:
  Conntrackd(lab::Lab& lab, bool cache) : Replicator(lab), cache_(cache) {}

  void start_source() override { source_ = start(Node::fw_1); }
  void start_standby() override {
    standby_ = start(Node::fw_2);
    ask(Node::fw_2, "-n");
  }
  void stop_standby() override {
    standby_.kill_now();
    std::filesystem::remove(lab_.scratch().path() / "fw-2.lock");
    std::filesystem::remove(lab_.scratch().path() / "fw-2.ctl");
  }
  std::size_t standby_flows() override {
    if (!cache_) return kernel_flows(lab_.network(Node::fw_2));
    static const std::regex kEntries("cache external:\\s+current active connections:\\s+([0-9]+)");
    std::smatch found;
    const std::string figures = ask(Node::fw_2, "-s");
    return std::regex_search(figures, found, kEntries) ? std::stoul(found[1]) : 0;
  }
  pid_t pid(Node node) const override { return node == Node::fw_1 ? source_.pid() : standby_.pid(); }

  Duration commit(std::size_t flows) override {
    const Instant begin = monotonic_now();
    ask(Node::fw_2, "-c");
    const auto committed = [&] { return kernel_flows(lab_.network(Node::fw_2)) >= flows; };
    if (!lab::wait_until(kPatience, committed, 1ms)) lab::give_up("conntrackd -c commits too little");
    return monotonic_now() - begin;
  }

  std::string account(Node node) override { return ask(node, "-s"); }

 private:
  std::filesystem::path configuration(Node node) const {
    return lab_.scratch().path() / (std::string(lab::name_of(node)) + ".conntrackd");
  }

  lab::Process start(Node node) {
    const bool first = node == Node::fw_1;
    std::ofstream(configuration(node)) << fmt::format(
        fmt::runtime(kConntrackd), fmt::arg("external", cache_ ? "Off" : "On"),
        fmt::arg("own", first ? "192.168.100.100" : "192.168.100.200"),
        fmt::arg("peer", first ? "192.168.100.200" : "192.168.100.100"),
        fmt::arg("directory", lab_.scratch().path().string()), fmt::arg("name", lab::name_of(node)));
    lab::Process process = lab_.start(node, {"conntrackd", "-C", configuration(node).string()},
                                      fmt::format("{}.conntrackd.log", lab::name_of(node)));
    const auto answers = [&] {
      return lab_.run(node, {"conntrackd", "-C", configuration(node).string(), "-s"}).exit_code == 0;
    };
    if (!lab::wait_until(kPatience, answers, 20ms)) {
      lab::give_up("conntrackd: " + lab_.read_log(fmt::format("{}.conntrackd.log", lab::name_of(node))));
    }
    return process;
  }

  std::string ask(Node node, const std::string& option) {
    return lab_.run_well(node, {"conntrackd", "-C", configuration(node).string(), option});
  }

  bool cache_;
  lab::Process source_;
  lab::Process standby_;
};

}  // namespace

std::string name_of(Replication replication) {
  switch (replication) {
    case Replication::ours:
      return "ours";
    case Replication::ours_cache:
      return "ours, cache";
    case Replication::conntrackd_direct:
      return "conntrackd, direct";
    case Replication::conntrackd_cache:
      return "conntrackd, cache";
  }
  return {};
}

std::unique_ptr<Replicator> Replicator::create(Replication replication, lab::Lab& lab) {
  switch (replication) {
    case Replication::ours:
    case Replication::ours_cache:
      return std::make_unique<Ours>(lab, replication == Replication::ours_cache);
    case Replication::conntrackd_direct:
    case Replication::conntrackd_cache:
      return std::make_unique<Conntrackd>(lab, replication == Replication::conntrackd_cache);
  }
  return nullptr;
}

Duration processor_time(pid_t process) {
  Duration sum{};
  for (const auto& task : std::filesystem::directory_iterator(fmt::format("/proc/{}/task", process))) {
    std::ifstream file(task.path() / "schedstat");
    std::int64_t nanoseconds = 0;
    file >> nanoseconds;
    sum += Duration(nanoseconds);
  }
  return sum;
}

std::size_t anonymous_bytes(pid_t process) {
  std::ifstream file(fmt::format("/proc/{}/status", process));
  for (std::string line; std::getline(file, line);) {
    static constexpr std::string_view kName = "RssAnon:";
    if (line.starts_with(kName)) return std::stoul(line.substr(kName.size())) << 10;
  }
  lab::give_up("no RssAnon of the process");
}

std::size_t kernel_flows(const lab::NetNamespace& network) {
  return std::stoul(lab::get_sysctl(network, "net/netfilter/nf_conntrack_count"));
}

std::size_t bytes_on(lab::Lab& lab, Node node, const std::string& interface) {
  std::size_t sum = 0;
  for (const std::string way : {"rx", "tx"}) {
    sum += std::stoul(
        lab.run_well(node, {"cat", fmt::format("/sys/class/net/{}/statistics/{}_bytes", interface, way)}));
  }
  return sum;
}

}  // namespace ftfw::bench
