// The daemon as an administrator meets it: starts that must fail and say why, its rules, its kernel settings,
// its answers and its end. The real program in the lab's namespaces.
#include <doctest/doctest.h>
#include <sys/stat.h>

#include <algorithm>
#include <fstream>
#include <initializer_list>
#include <regex>
#include <sstream>
#include <string>

#include "tests/netns/daemon_bench.hpp"
#include "tests/netns/lab/sockets.hpp"
#include "tests/netns/lab/wait.hpp"

using namespace ftfw;
using namespace ftfw::lab;

namespace {

void check_refused(const Outcome& outcome, int exit_code, std::initializer_list<const char*> words) {
  CAPTURE(outcome.errors);
  CHECK(outcome.exit_code == exit_code);
  for (const char* word : words) {
    CAPTURE(word);
    CHECK(outcome.errors.contains(word));
  }
}

// Without what this kernel has not (flowtables), without counter values, one blank between words.
std::string comparable(const std::string& rules) {
  static const std::regex kCounted("packets [0-9]+ bytes [0-9]+");
  std::istringstream lines(rules);
  std::string result;
  bool in_flowtable = false;
  for (std::string line; std::getline(lines, line);) {
    std::istringstream words(std::regex_replace(line, kCounted, "packets 0 bytes 0"));
    std::string clean;
    for (std::string word; words >> word;) clean += (clean.empty() ? "" : " ") + word;
    if (clean.starts_with("flowtable ")) in_flowtable = true;
    if (!in_flowtable && !clean.empty() && !clean.contains("flow add @")) result += clean + "\n";
    if (clean == "}") in_flowtable = false;
  }
  return result;
}

void write_key(const std::filesystem::path& path, const std::string& text, mode_t mode) {
  std::ofstream(path) << text << std::flush;
  REQUIRE(::chmod(path.c_str(), mode) == 0);
}

}  // namespace

TEST_CASE("a configuration that is broken or has an unknown key -> exit code 2, the place and the remedy") {
  DaemonBench b;
  const auto before = b.sysctls(Node::fw_1);

  b.fw_1.configure(edited(b.lab, b.configuration, "name = \"G1\"", "name = \"G1"));
  check_refused(b.fw_1.try_start(), 2, {"edited-", ".toml:", "error"});
  b.fw_1.configure(edited(b.lab, b.configuration, "forward_policy", "forward_polisy"));
  check_refused(b.fw_1.try_start(), 2, {".toml:", "forward_polisy", "forward_policy"});

  CHECK(b.lab.run_well(Node::fw_1, {"nft", "list", "ruleset"}).empty());
  b.check_harmless(Node::fw_1, before);
}

TEST_CASE("an interface of the configuration is not there -> exit code 4, its name and its use") {
  DaemonBench b;
  const auto before = b.sysctls(Node::fw_1);
  b.fw_1.configure(edited(b.lab, b.configuration, "eth2", "eth7"));

  check_refused(b.fw_1.try_start(), 4, {".toml:", "eth7", "replication"});

  b.check_harmless(Node::fw_1, before);
}

TEST_CASE(
    "the machine is none of the nodes, or --node names none -> exit code 4, and the nodes of the file") {
  DaemonBench b;
  const auto before = b.sysctls(Node::fw_1);

  check_refused(b.fw_1.try_start({"--node", "fw-3"}), 4, {"--node", "fw-3", "fw-1", "fw-2"});
  b.fw_1.configure(edited(b.lab, b.configuration, "\"192.168.100.100\"", "\"192.168.100.101\""));
  check_refused(b.fw_1.try_start(), 4, {"192.168.100.101", "192.168.100.200", "--node"});

  b.check_harmless(Node::fw_1, before);
}

TEST_CASE("the key file is missing (exit code 4), open to others or of the wrong length (2) -> what to do") {
  DaemonBench b;
  const auto before = b.sysctls(Node::fw_1);

  write_key(b.key, std::string(64, 'a'), 0644);
  check_refused(b.fw_1.try_start(), 2, {"replication.key", "0644", "chmod 600"});
  write_key(b.key, std::string(62, 'a'), 0600);
  check_refused(b.fw_1.try_start(), 2, {"replication.key", "64 hex digits", "62"});
  std::filesystem::remove(b.key);
  check_refused(b.fw_1.try_start(), 4, {"replication.key", "No such file"});

  b.check_harmless(Node::fw_1, before);
}

TEST_CASE("the replication port belongs to another program -> exit code 4 and the port") {
  DaemonBench b;
  const auto before = b.sysctls(Node::fw_1);
  const UniqueFd other =
      run_in(b.lab.network(Node::fw_1), [] { return udp_socket({"192.168.100.100", 3780}); });

  check_refused(b.fw_1.try_start(), 4, {"3780", "in use"});

  b.check_harmless(Node::fw_1, before);
}

TEST_CASE("without CAP_NET_ADMIN -> exit code 4, and nothing was changed") {
  DaemonBench b;
  const auto before = b.sysctls(Node::fw_1);

  const Outcome outcome =
      b.fw_1.try_start({}, {"setpriv", "--bounding-set", "-net_admin", "--inh-caps", "-net_admin"});
  check_refused(outcome, 4, {"not permitted", "CAP_NET_ADMIN"});

  CHECK(b.lab.run_well(Node::fw_1, {"nft", "list", "ruleset"}).empty());
  b.check_harmless(Node::fw_1, before);
}

TEST_CASE("the control socket belongs to a living daemon -> exit code 4, and that daemon is not disturbed") {
  DaemonBench b;
  b.fw_1.start();
  REQUIRE(b.wait_role(Node::fw_1, "primary"));
  // In fw-2's network, or the replication port would already refuse it.
  const auto before = b.sysctls(Node::fw_2);
  const Outcome second =
      b.lab.run(Node::fw_2, {appliance_program().string(), "--config", b.configuration.string(),
                             "--control-socket", b.fw_1.control_socket().string(), "--state-dir",
                             (b.lab.scratch().path() / "fw-2").string()});

  check_refused(second, 4, {"control.sock", "another ftfw-appliance", "--control-socket"});
  b.check_harmless(Node::fw_2, before);
  CHECK(b.status(Node::fw_1)["role"] == "primary");
}

TEST_CASE("a table inet ftfw of somebody else -> exit code 4, the remedy, and the table untouched") {
  DaemonBench b;
  const auto before = b.sysctls(Node::fw_1);
  b.lab.run_well(
      Node::fw_1, {"nft", "-f", "-"},
      "table inet ftfw { chain theirs { type filter hook forward priority 0; tcp dport 22 accept; }; }\n");
  const std::string theirs = b.table(Node::fw_1, "ftfw");

  check_refused(b.fw_1.try_start(), 4, {"table inet ftfw", "nft delete table inet ftfw"});

  CHECK(b.table(Node::fw_1, "ftfw") == theirs);
  CHECK(b.is_closed(Node::fw_1));
  b.check_harmless(Node::fw_1, before);
}

TEST_CASE("primary and backup -> the primary's rules are those of --print-ruleset, the backup is closed") {
  DaemonBench b;
  b.start_pair();
  const std::string wanted = comparable(b.lab.run_well(
      Node::fw_1, {appliance_program().string(), "--config", b.configuration.string(), "--print-ruleset"}));

  CHECK(comparable(b.table(Node::fw_1, "ftfw") + b.table(Node::fw_1, "nat")) == wanted);
  CHECK(wait_until(kElection, [&] { return !b.has_table(Node::fw_1, kGuard); }));
  CHECK(b.is_closed(Node::fw_2));
  CHECK(b.table(Node::fw_2, "ftfw").contains("flags dormant"));
  CHECK_FALSE(b.has_table(Node::fw_2, "nat"));
}

TEST_CASE("kernel settings -> set and shown while running, restored at the end, also after kill -9") {
  DaemonBench b;
  const NetNamespace& network = b.lab.network(Node::fw_1);
  set_sysctl(network, "net/ipv4/conf/eth0/arp_ignore", "3");
  set_sysctl(network, "net/ipv4/conf/eth1/arp_announce", "1");
  set_sysctl(network, "net/netfilter/nf_conntrack_tcp_be_liberal", "0");
  const auto before = b.sysctls(Node::fw_1);
  bool killed = false;
  SUBCASE("SIGTERM") {}
  SUBCASE("kill -9, restart, SIGTERM") {
    killed = true;
  }

  b.fw_1.start();
  REQUIRE(b.wait_role(Node::fw_1, "primary"));
  if (killed) {
    b.fw_1.kill();
    CHECK(b.sysctls(Node::fw_1) != before);
    b.fw_1.start();
    REQUIRE(b.wait_role(Node::fw_1, "primary"));
  }
  const Json shown = b.status(Node::fw_1)["sysctls"];
  CHECK(shown.size() == before.size());
  for (const Json& setting : shown) {
    const std::string name = setting["name"];
    CAPTURE(name);
    CHECK(get_sysctl(network, name) == setting["value"]);
    CHECK(before.at(name) == setting["found"]);
  }

  CHECK(b.fw_1.terminate(kStop) == 0);
  CHECK(b.sysctls(Node::fw_1) == before);
}

TEST_CASE(
    "ftfwctl status -> both nodes answer in text and JSON with their roles, a wrong socket is exit code 4") {
  DaemonBench b;
  b.start_pair();
  const auto text = [&](Node node) {
    return b.lab.run_well(
        node, {control_program().string(), "--socket", b.daemon(node).control_socket().string(), "status"});
  };

  CHECK(text(Node::fw_1).starts_with("fw-1  PRIMARY"));
  CHECK(text(Node::fw_2).starts_with("fw-2  BACKUP"));
  const Json primary = b.status(Node::fw_1);
  CHECK(primary["schema"] == 1);
  CHECK(primary["node"] == "fw-1");
  CHECK(primary["addresses_held"] == true);
  CHECK(primary["peers"][0]["role"] == "backup");
  CHECK(b.wait_status(Node::fw_1, [](const Json& now) { return now["replication"]["role"] == "source"; }));
  const Json backup = b.status(Node::fw_2);
  CHECK(backup["node"] == "fw-2");
  CHECK(backup["addresses_held"] == false);
  CHECK(backup["peers"][0]["role"] == "primary");
  CHECK(backup["replication"]["role"] == "replica");
  CHECK(backup["epoch"].get<std::uint64_t>() <= primary["epoch"].get<std::uint64_t>());

  const Outcome nobody =
      b.lab.run(Node::fw_1, {control_program().string(), "--socket", "/nowhere/s", "status"});
  check_refused(nobody, 4, {"/nowhere/s", "is ftfw-appliance running?"});
  CHECK(std::ranges::count(nobody.errors, '\n') == 1);
}

TEST_CASE("--role backup -> never primary, also when alone") {
  DaemonBench b;
  b.fw_2.start({"--role", "backup"});
  REQUIRE(b.wait_role(Node::fw_2, "backup"));

  // The wait is the test: ten down intervals of silence.
  CHECK_FALSE(wait_until(10 * detection_interval(100ms), [&] { return b.fw_2.holding() != Holding::none; }));
  CHECK(b.status(Node::fw_2)["role"] == "backup");
  CHECK(b.is_closed(Node::fw_2));
}

TEST_CASE("--role primary -> claims at once, without a down interval") {
  DaemonBench b({.advertisement_interval = "3s"});
  b.fw_1.start({"--role", "primary"});

  // A down interval of priority 100 is 10.8 s here.
  CHECK(wait_until(5s, [&] { return b.fw_1.holding() == Holding::all; }));
}

TEST_CASE("SIGTERM -> the guard stays by default; on_exit = \"open\" removes all our tables") {
  DaemonBench b;
  b.fw_1.start();
  REQUIRE(b.wait_role(Node::fw_1, "primary"));
  CHECK(b.fw_1.terminate(kStop) == 0);
  CHECK(b.is_closed(Node::fw_1));
  CHECK(b.fw_1.holding() == Holding::none);

  b.fw_1.configure(edited(b.lab, b.configuration, "schema = 1\n", "schema = 1\non_exit = \"open\"\n"));
  b.fw_1.start();
  REQUIRE(b.wait_role(Node::fw_1, "primary"));
  CHECK(b.fw_1.terminate(kStop) == 0);
  CHECK(b.lab.run_well(Node::fw_1, {"nft", "list", "ruleset"}).empty());
  CHECK(b.fw_1.holding() == Holding::none);
}
