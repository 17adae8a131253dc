// The lab judges the product, so first the lab is judged: it builds the network, its traffic flows, it sees a
// gap and a dead connection, it compares tables truly, and nothing of it remains after SIGKILL.
#include <doctest/doctest.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <set>
#include <span>
#include <string>
#include <utility>

#include "appliance/base/clock.hpp"
#include "tests/netns/lab/appliance.hpp"
#include "tests/netns/lab/flow_table.hpp"
#include "tests/netns/lab/ftp.hpp"
#include "tests/netns/lab/lab.hpp"
#include "tests/netns/lab/make_flows.hpp"
#include "tests/netns/lab/probe.hpp"
#include "tests/netns/lab/services.hpp"
#include "tests/netns/lab/traffic.hpp"
#include "tests/netns/lab/wait.hpp"

using namespace ftfw;
using namespace ftfw::lab;
namespace fs = std::filesystem;

namespace {

constexpr const char* kRuleset = R"(
table inet ftfw {
  ct helper ftp-std { type "ftp" protocol tcp; l3proto inet; }
  chain prerouting {
    type filter hook prerouting priority filter; policy accept;
    tcp dport 21 ip daddr 192.168.0.3 ct state new ct helper set "ftp-std"
  }
  chain forward {
    type filter hook forward priority filter; policy drop;
    iifname "eth0" ct state established ct direction reply accept
    iifname "eth1" tcp dport { 21, 22, 80, 443 } tcp flags syn ct state new accept
    iifname "eth1" udp dport 53 ct state new accept
    iifname "eth1" ct state related ct helper "ftp" accept
    iifname "eth1" ct state established ct direction original accept
  }
}
table inet nat {
  chain postrouting {
    type nat hook postrouting priority srcnat; policy accept;
    oifname "eth0" ip saddr 192.168.2.3 snat ip to 192.168.0.100
  }
}
)";

// A firewall made by hand: what the product does, without the product.
void make_firewall(Lab& lab, Node node) {
  lab.run_well(node, {"nft", "-f", "-"}, kRuleset);
  lab.links(node).add_address("eth1", std::string(kInsideVirtualAddress) + "/32");
  lab.links(node).add_address("eth0", std::string(kOutsideVirtualAddress) + "/32");
  set_sysctl(lab.network(node), "net/ipv4/ip_forward", "1");
}

// A process that has exited has no program any more, also while it waits to be reaped: that is the business
// of its new parent.
bool exists(pid_t pid) {
  std::error_code gone;
  return !fs::read_symlink("/proc/" + std::to_string(pid) + "/exe", gone).empty();
}

// Inodes of namespaces are used again soon, so processes are looked for while the namespaces exist.
std::set<pid_t> processes_in(std::span<const unsigned long> networks) {
  std::set<pid_t> found;
  for (const fs::directory_entry& process : fs::directory_iterator("/proc")) {
    std::error_code gone;
    const std::string target = fs::read_symlink(process.path() / "ns/net", gone).string();
    if (gone || !target.starts_with("net:[")) continue;
    const unsigned long inode = std::stoul(target.substr(5));
    if (std::ranges::count(networks, inode) > 0) found.insert(std::stoi(process.path().filename()));
  }
  return found;
}

}  // namespace

TEST_CASE("the network stands: only the node that forwards joins client and server") {
  Lab lab;
  const auto connects = [&] {
    try {
      run_in(lab.network(Node::client), [] { return tcp_connect({kServerAddress, kEchoPort}, 500ms); });
      return true;
    } catch (const std::exception&) {
      return false;
    }
  };
  Services services(lab);
  CHECK_FALSE(connects());

  make_firewall(lab, Node::fw_1);

  // The client may still be asking for its gateway in vain; ARP tries again each second.
  CHECK(wait_until(5s, connects));
  CHECK(lab.run_well(Node::server, {"ip", "route"}) ==
        "192.168.0.0/24 dev eth0 proto kernel scope link src 192.168.0.3 \n");
  CHECK(lab.links(Node::fw_1).addresses("eth2").contains("192.168.100.100"));
}

TEST_CASE("traffic of every kind flows through a firewall, and each kind is counted") {
  Lab lab;
  make_firewall(lab, Node::fw_1);
  Services services(lab);
  Traffic traffic(lab, {});
  Probe probe(lab);
  FtpServer server(lab);
  FtpClient ftp(lab);

  traffic.mark();
  traffic.speak();
  CHECK(ftp.list() == "large.bin\r\nsmall.bin\r\n");
  CHECK(ftp.download(kSmallFile) == kSmallFileBytes);
  const auto report = traffic.wait_all_alive(5s);
  for (const std::string& line : report.obituaries) MESSAGE(line);
  CHECK(report.echoes.alive == 50);
  CHECK(report.downloads.alive == 2);
  CHECK(report.uploads.alive == 2);
  CHECK(report.idle.alive == 4);
  CHECK(services.counts().wrong_bytes == 0);
  CHECK(wait_until(5s, [&] { return probe.report().answered > 500; }));
  CHECK(probe.report().lost < 20);

  const auto before = services.counts();
  const auto by_reset = traffic.reset(3);
  const auto by_fin = traffic.finish(2);
  CHECK(wait_until(5s, [&] { return services.counts().resets == before.resets + 3; }));
  CHECK(wait_until(5s, [&] { return services.counts().finished == before.finished + 2; }));
  CHECK(state_of_client_port(lab, Node::fw_1, by_reset[0]) == "CLOSE");
  CHECK(state_of_client_port(lab, Node::fw_1, by_fin[0]) == "TIME_WAIT");
}

TEST_CASE("a cut cable is a gap for the probe and loses the carrier, but kills no connection") {
  Lab lab;
  make_firewall(lab, Node::fw_1);
  Services services(lab);
  Traffic traffic(lab, {.echoes = 10});
  Probe probe(lab);
  REQUIRE(wait_until(5s, [&] { return probe.report().answered > 50; }));

  probe.begin();
  lab.cut(Node::fw_1, "eth1");
  CHECK(wait_until(1s, [&] { return !lab.links(Node::fw_1).is_running("eth1"); }));
  REQUIRE(wait_until(5s, [&] { return probe.report().longest_gap >= 300ms; }));
  lab.restore(Node::fw_1, "eth1");
  CHECK(wait_until(1s, [&] { return lab.links(Node::fw_1).is_running("eth1"); }));
  traffic.mark();
  traffic.speak();

  CHECK(traffic.wait_all_alive(10s).obituaries.empty());
  const auto report = probe.report();
  CHECK(report.longest_gap >= 300ms);
  CHECK(report.longest_gap < 5s);
  CHECK(report.lost >= 250);
}

TEST_CASE("connections that a firewall forgot and reset are judged dead") {
  Lab lab;
  make_firewall(lab, Node::fw_1);
  Services services(lab);
  Traffic traffic(lab, {.echoes = 10});

  // Rules gone, and the flows: the firewall's own stack answers what is sent to its virtual address with RST.
  lab.cut_all(Node::fw_1);
  lab.forget_kernel_state(Node::fw_1);
  lab.restore_all(Node::fw_1);
  traffic.mark();
  traffic.speak();

  REQUIRE(wait_until(10s, [&] { return services.counts().resets >= 1; }));
  const auto report = traffic.report();
  CHECK_FALSE(report.echoes.all());
  CHECK_FALSE(report.downloads.all());
  CHECK_FALSE(report.obituaries.empty());
}

TEST_CASE("a lossy cable loses about that share, in that direction") {
  Lab lab;
  make_firewall(lab, Node::fw_1);
  Services services(lab);
  Probe probe(lab);
  REQUIRE(wait_until(5s, [&] { return probe.report().answered > 50; }));

  lab.lose(Node::fw_1, "eth0", Way::from_node, 500);
  probe.begin();
  REQUIRE(wait_until(10s, [&] { return probe.report().sent >= 1000; }));
  const auto lossy = probe.report();
  lab.lose_nothing();
  REQUIRE(wait_until(5s, [&] {
    probe.begin();
    return wait_until(200ms, [&] { return probe.report().answered > 100; });
  }));

  CHECK(lossy.lost > 350);
  CHECK(lossy.lost < 650);
}

TEST_CASE("the tables of two firewalls are compared by tuple, state, helper and NAT bits") {
  Lab lab;
  make_firewall(lab, Node::fw_1);
  make_flows(lab, Node::fw_1, 2'000);
  make_flows(lab, Node::fw_2, 2'000);

  CHECK(wait_equal(lab, 2'000, 5s) == "");
  const FlowTable table = replicated_flows(lab, Node::fw_1);
  REQUIRE(table.flows.contains("tcp 192.168.2.3:1024 > 192.168.0.3:80"));
  CHECK(table.flows.at("tcp 192.168.2.3:1024 > 192.168.0.3:80").text() ==
        "ESTABLISHED, reply 192.168.0.3:80 > 192.168.0.100:1024, mark 0, [ASSURED], source NAT");

  lab.run_well(Node::fw_2,
               {"conntrack", "-U", "-p", "tcp", "-s", kClientAddress, "--sport", "1024", "-m", "7"});
  lab.run_well(Node::fw_1, {"conntrack", "-D", "-p", "tcp", "-s", kClientAddress, "--sport", "1025"});
  const std::string text = difference(replicated_flows(lab, Node::fw_1), replicated_flows(lab, Node::fw_2));
  CHECK(text.find("mark 7") != std::string::npos);
  CHECK(text.find("only on the second: tcp 192.168.2.3:1025") != std::string::npos);
}

TEST_CASE("an expectation and its helper are seen between the 227 and the data connection") {
  Lab lab;
  make_firewall(lab, Node::fw_1);
  FtpServer server(lab);
  FtpClient ftp(lab);

  ftp.enter_passive();
  const FlowTable waiting = replicated_flows(lab, Node::fw_1);
  ftp.open_data();
  CHECK(ftp.retrieve(kSmallFile) == kSmallFileBytes);

  REQUIRE(waiting.expectations.size() == 1);
  CHECK(waiting.expectations.begin()->find("helper=ftp") != std::string::npos);
  const std::string control = "tcp 192.168.2.3:" + std::to_string(ftp.control_port()) + " > 192.168.0.3:21";
  REQUIRE(waiting.flows.contains(control));
  CHECK(waiting.flows.at(control).helper == "ftp");
}

TEST_CASE("programs: output, exit code, signals, and a grandchild that daemonised ends with the lab") {
  fs::path directory;
  pid_t grandchild = -1;
  {
    Lab lab;
    directory = lab.scratch().path();
    CHECK(lab.run(Node::client, {"sh", "-c", "cat; exit 3"}, "hello").exit_code == 3);
    CHECK(lab.run(Node::client, {"cat"}, "hello").output == "hello");
    CHECK_THROWS_AS(lab.run(Node::client, {"/nonexistent"}), std::exception);

    Process sleeper = lab.start(Node::fw_1, {"sleep", "1000"}, "sleep.log");
    CHECK(sleeper.running());
    CHECK_FALSE(sleeper.wait(10ms).has_value());
    sleeper.signal(SIGTERM);
    CHECK(sleeper.wait(5s) == 128 + SIGTERM);

    lab.run_well(Node::fw_1, {"sh", "-c", "setsid sleep 12345 >/dev/null 2>&1 &"});
    const unsigned long network = lab.network(Node::fw_1).inode();
    REQUIRE(wait_until(5s, [&] { return processes_in({&network, 1}).size() == 1; }));
    grandchild = *processes_in({&network, 1}).begin();
    CHECK(exists(grandchild));
  }
  CHECK(wait_until(5s, [&] { return !exists(grandchild); }));
  CHECK_FALSE(fs::exists(directory));
}

TEST_CASE("the daemon's last account of a takeover is read from its log") {
  const auto timeline = parse_timeline(
      "x took over in 9.9 ms: detected 1 ms\n"
      "2026-11-02T10:14:03.123Z notice: took over in 2.40 ms: detected 371.2 ms, rules 0.05 ms, commit 0 of "
      "0\nmore\n");

  REQUIRE(timeline);
  CHECK(timeline->total_ms == doctest::Approx(2.4));
  REQUIRE(timeline->steps.size() == 3);
  CHECK(timeline->steps[0] == std::pair<std::string, std::string>("detected", "371.2 ms"));
  CHECK(timeline->steps[2] == std::pair<std::string, std::string>("commit", "0 of 0"));
  CHECK_FALSE(parse_timeline("nothing happened\n"));
}

TEST_CASE("two labs stand side by side") {
  Lab first;
  Lab second;
  make_firewall(first, Node::fw_1);
  make_firewall(second, Node::fw_2);
  Services first_services(first);
  Services second_services(second);

  Traffic first_traffic(first, {.echoes = 5});
  Traffic second_traffic(second, {.echoes = 5});

  CHECK(first_services.counts().accepted == second_services.counts().accepted);
}

TEST_CASE("after SIGKILL of a lab no process and no namespace of it is left") {
  struct Witness {
    unsigned long networks[5];
    pid_t init;
    pid_t sleeper;
    char directory[64];
  } witness{};
  int ends[2];
  REQUIRE(::pipe2(ends, O_CLOEXEC) == 0);
  const pid_t child = ::fork();
  if (child == 0) {
    Lab lab;
    make_firewall(lab, Node::fw_1);
    Process sleeper = lab.start(Node::fw_2, {"sleep", "12345"}, "sleep.log");
    Witness mine{};
    int count = 0;
    for (const Node node : {Node::client, Node::server, Node::fw_1, Node::fw_2}) {
      mine.networks[count++] = lab.network(node).inode();
    }
    mine.networks[count] = lab.bridges().inode();
    mine.init = lab.processes().init_pid();
    mine.sleeper = sleeper.pid();
    lab.scratch().path().string().copy(mine.directory, sizeof mine.directory - 1);
    if (::write(ends[1], &mine, sizeof mine) == sizeof mine) ::pause();
    ::_exit(1);
  }
  REQUIRE(::read(ends[0], &witness, sizeof witness) == sizeof witness);
  REQUIRE(exists(witness.sleeper));
  std::set<pid_t> processes = processes_in(witness.networks);
  REQUIRE(processes.contains(witness.sleeper));
  processes.insert(witness.init);

  ::kill(child, SIGKILL);
  ::waitpid(child, nullptr, 0);

  // Namespaces live by processes, by descriptors (of processes) and by mounts.
  CHECK(wait_until(5s, [&] { return std::ranges::none_of(processes, exists); }));
  std::ifstream mounts("/proc/self/mountinfo");
  for (std::string line; std::getline(mounts, line);) {
    for (const unsigned long network : witness.networks) {
      CHECK(line.find("net:[" + std::to_string(network) + "]") == std::string::npos);
    }
  }
  {
    Lab next;
  }
  CHECK_FALSE(fs::exists(witness.directory));
  ::close(ends[0]);
  ::close(ends[1]);
}
