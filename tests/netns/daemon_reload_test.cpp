// A new configuration while everything runs: what it changes acts at once, what it does not change is not
// touched, and what cannot be carried out changes nothing at all.
#include <doctest/doctest.h>
#include <fmt/core.h>

#include <algorithm>
#include <csignal>
#include <filesystem>
#include <map>
#include <sstream>
#include <string>
#include <vector>

#include "tests/netns/daemon_live_pair.hpp"
#include "tests/netns/lab/advertisement_capture.hpp"
#include "tests/netns/lab/wait.hpp"

using namespace ftfw;
using namespace ftfw::lab;

namespace {

constexpr Duration kInterval = 100ms;
constexpr Duration kActs = 10s;  // on a machine that does other things too

// Both daemons read this one file.
void edit(DaemonBench& b, const std::string& from, const std::string& to) {
  const auto changed = edited(b.lab, b.configuration, from, to);
  std::filesystem::rename(changed, b.configuration);
}

Outcome reload(DaemonBench& b, Node node) {
  return b.lab.run(
      node, {control_program().string(), "--socket", b.daemon(node).control_socket().string(), "reload"});
}

void reload_well(DaemonBench& b, Node node) {
  const Outcome done = reload(b, node);
  CAPTURE(done.output);
  CAPTURE(done.errors);
  CHECK(done.exit_code == 0);
  CHECK(done.output.contains("reloaded: "));
}

// Refused by the server, which is there; or nothing comes back at all.
bool reaches_server(Lab& lab, int port) {
  const Outcome asked = lab.run(Node::client, {"timeout", "1", "bash", "-c",
                                               fmt::format("exec 3<>/dev/tcp/{}/{}", kServerAddress, port)});
  return asked.exit_code == 0 || asked.errors.contains("refused");
}

// The rules of a table by their handles, with their packets.
std::map<std::string, std::uint64_t> counted_rules(DaemonBench& b, Node node) {
  std::istringstream lines(b.lab.run_well(node, {"nft", "-a", "list", "table", "inet", "ftfw"}));
  std::map<std::string, std::uint64_t> rules;
  for (std::string line; std::getline(lines, line);) {
    const std::size_t counter = line.find("counter packets ");
    const std::size_t handle = line.find("# handle ");
    if (counter == std::string::npos || handle == std::string::npos) continue;
    rules[line.substr(handle)] = std::stoull(line.substr(counter + 16));
  }
  return rules;
}

// Every rule is still there, as itself, and has not forgotten what it counted.
void check_kept(const std::map<std::string, std::uint64_t>& before,
                const std::map<std::string, std::uint64_t>& now) {
  for (const auto& [handle, packets] : before) {
    CAPTURE(handle);
    REQUIRE(now.contains(handle));
    CHECK(now.at(handle) >= packets);
  }
}

Duration longest_gap(const std::vector<Sighting>& record, Node node) {
  std::map<std::string, Instant> last;
  Duration longest{};
  for (const Sighting& one : record) {
    if (one.node != node) continue;
    const auto known = last.find(one.interface);
    if (known != last.end()) longest = std::max(longest, one.at - known->second);
    last[one.interface] = one.at;
  }
  return longest;
}

void count_rules(DaemonBench& b) {
  edit(b, "[firewall]\n", "[firewall]\ncounters = true\n");
}

constexpr const char* kFirstRule = "[[firewall.allow]]\nprotocol = \"udp\"\nports = [53]\n";
const std::string kOneMore = "[[firewall.allow]]\nprotocol = \"tcp\"\nports = [8181]\n";

}  // namespace

TEST_CASE(
    "a rule added and removed under traffic acts at once on primary and standby; all else is not touched") {
  LivePair b({}, count_rules);
  const AdvertisementCapture capture(b.lab, {"eth0", "eth1"});
  const std::size_t mark = capture.mark();
  REQUIRE_FALSE(reaches_server(b.lab, 8181));
  const auto before = counted_rules(b, Node::fw_1);
  REQUIRE(before.size() > 3);
  REQUIRE(std::ranges::any_of(before, [](const auto& rule) { return rule.second > 0; }));

  edit(b, kFirstRule, kOneMore + kFirstRule);
  for (const Node node : {Node::fw_2, Node::fw_1}) reload_well(b, node);
  CHECK(reaches_server(b.lab, 8181));
  const auto more = counted_rules(b, Node::fw_1);
  CHECK(more.size() == before.size() + 1);
  check_kept(before, more);
  CHECK(b.table(Node::fw_2, "ftfw").contains("8181"));
  CHECK(b.table(Node::fw_2, "ftfw").contains("flags dormant"));
  CHECK(b.is_closed(Node::fw_2));

  edit(b, kOneMore, "");
  for (const Node node : {Node::fw_1, Node::fw_2}) reload_well(b, node);
  CHECK_FALSE(reaches_server(b.lab, 8181));
  CHECK(counted_rules(b, Node::fw_1).size() == before.size());
  check_kept(before, counted_rules(b, Node::fw_1));
  b.check_unimpressed();

  const Duration gap = longest_gap(capture.since(mark), Node::fw_1);
  fmt::print("[netns reload] four reloads: longest gap between advertisements {:.1f} ms\n",
             in_milliseconds(gap));
  CHECK(gap < 2 * kInterval);  // a peer waits for three
}

TEST_CASE("what a standby has reloaded is what it wakes") {
  LivePair b;
  edit(b, kFirstRule, kOneMore + kFirstRule);
  reload_well(b, Node::fw_2);
  b.fw_1.kill();
  b.lab.cut_all(Node::fw_1);
  REQUIRE(b.wait_role(Node::fw_2, "primary"));
  CHECK(wait_until(kActs, [&] { return reaches_server(b.lab, 8181); }));
  CHECK(b.traffic->wait_all_alive(kActs).echoes.all());
}

TEST_CASE("SIGHUP reloads; nothing else happens") {
  LivePair b;
  edit(b, kFirstRule, kOneMore + kFirstRule);
  ::kill(b.fw_1.pid(), SIGHUP);
  CHECK(wait_until(kActs, [&] { return b.fw_1.log().contains("reloaded: "); }));
  CHECK(reaches_server(b.lab, 8181));
  b.check_unimpressed();
}

TEST_CASE("a broken file: every error is told at once, exit code 2, everything stays") {
  LivePair b;
  const std::string rules = b.lab.run_well(Node::fw_1, {"nft", "-a", "list", "ruleset"});
  edit(b, "forward_policy = \"drop\"", "forward_polisy = \"drop\"");
  edit(b, "protocol = \"udp\"", "protocol = \"udq\"");
  const Outcome refused = reload(b, Node::fw_1);
  CAPTURE(refused.output);
  CAPTURE(refused.errors);
  CHECK(refused.exit_code == 2);
  for (const char* words : {"forward_polisy", "did you mean 'forward_policy'", "udq", ": error: "})
    CHECK(refused.output.contains(words));
  CHECK(refused.errors.contains("2 errors; the running configuration stays"));
  CHECK(b.fw_1.log().contains("forward_polisy"));
  CHECK(b.lab.run_well(Node::fw_1, {"nft", "-a", "list", "ruleset"}) == rules);
  b.check_unimpressed();
}

TEST_CASE(
    "what would cut the pair, and what cannot change while it runs: refused with the line, as a whole") {
  LivePair b;
  const std::string rules = b.lab.run_well(Node::fw_1, {"nft", "-a", "list", "ruleset"});
  edit(b, "port = 3780", "port = 3999");
  edit(b, kFirstRule, kOneMore + kFirstRule);
  const Outcome frozen = reload(b, Node::fw_1);
  CAPTURE(frozen.output);
  CHECK(frozen.exit_code == 2);
  CHECK(frozen.output.contains("'port' of [replication] cannot change while the appliance runs"));
  CHECK(frozen.output.contains("restart to change it"));
  CHECK(b.lab.run_well(Node::fw_1, {"nft", "-a", "list", "ruleset"}) == rules);

  edit(b, "port = 3999", "port = 3780");
  edit(b, "source = \"192.168.2.3\"", "source = \"192.168.0.0/24\"");
  const Outcome cut = reload(b, Node::fw_1);
  CAPTURE(cut.output);
  CHECK(cut.exit_code == 2);
  CHECK(cut.output.contains(": error: "));
  CHECK(b.lab.run_well(Node::fw_1, {"nft", "-a", "list", "ruleset"}) == rules);
  b.check_unimpressed();
}

TEST_CASE("a policy that the kernel refuses: each line is named, everything stays, on primary and standby") {
  LivePair b;
  // A kernel without fast paths refuses those that are required; on any other, tables that somebody else made
  // stand in the way.
  const bool fast_paths =
      b.lab
          .run(Node::fw_1, {"nft", "-c", "-f", "-"},
               "table inet scratch { flowtable x { hook ingress priority filter; devices = { lo }; }; }")
          .exit_code == 0;
  std::string sections = "[firewall.input]\n";
  std::vector<std::string> named{"table inet ftfw_input"};
  if (fast_paths) {
    for (const Node node : {Node::fw_1, Node::fw_2})
      b.lab.run_well(node, {"nft", "add", "table", "inet", "ftfw_input"});
  } else {
    sections.clear();
    named.clear();
    for (const char* name : {"fast_1", "fast_2"}) {
      sections += fmt::format(
          "[[firewall.flowtable]]\nname = \"{}\"\ndevices = [\"eth0\"]\nmode = \"require\"\n", name);
      named.push_back(fmt::format("flowtable {}", name));
    }
  }
  edit(b, kFirstRule, sections + kOneMore + kFirstRule);
  for (const Node node : {Node::fw_1, Node::fw_2}) {
    const std::string rules = b.lab.run_well(node, {"nft", "-a", "list", "ruleset"});
    const Outcome refused = reload(b, node);
    CAPTURE(refused.output);
    CHECK(refused.exit_code == 2);
    for (const std::string& one : named) CHECK(refused.output.contains(one));
    CHECK(refused.output.contains(".toml:"));
    CHECK(b.lab.run_well(node, {"nft", "-a", "list", "ruleset"}) == rules);
  }
  CHECK_FALSE(reaches_server(b.lab, 8181));
  b.check_unimpressed();
  // And a good one is taken afterwards.
  edit(b, sections, "");
  for (const Node node : {Node::fw_1, Node::fw_2}) reload_well(b, node);
  CHECK(reaches_server(b.lab, 8181));
}
