// Dedicated links that fail, come late or are made again, and a key that is changed, while a pair replicates.
#include <doctest/doctest.h>
#include <fmt/core.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>

#include "tests/netns/daemon_live_pair.hpp"
#include "tests/netns/lab/error.hpp"
#include "tests/netns/lab/wait.hpp"

using namespace ftfw;
using namespace ftfw::lab;

namespace {

constexpr const char* kExpectations = "expectations = true\n";

// A cable between the firewalls themselves.
void add_cable(Lab& lab) {
  const std::string command = fmt::format("ip link add eth3 type veth peer name eth3 netns /proc/{}/fd/{}",
                                          ::getpid(), lab.network(Node::fw_2).fd());
  run_in(lab.network(Node::fw_1), [&] {
    if (std::system(command.c_str()) != 0) give_up(command);
  });
  lab.links(Node::fw_1).add_address("eth3", "192.168.101.100/24");
  lab.links(Node::fw_2).add_address("eth3", "192.168.101.200/24");
  for (const Node node : {Node::fw_1, Node::fw_2}) lab.links(node).set_up("eth3");
}

void configure(DaemonBench& bench, const std::string& from, const std::string& to) {
  bench.configuration = edited(bench.lab, bench.configuration, from, to);
  bench.fw_1.configure(bench.configuration);
  bench.fw_2.configure(bench.configuration);
}

void with_second_link(DaemonBench& bench) {
  add_cable(bench.lab);
  configure(bench, kExpectations,
            std::string(kExpectations) +
                "\n[[replication.link]]\ninterface = \"eth3\"\n"
                "addresses = { fw-1 = \"192.168.101.100\", fw-2 = \"192.168.101.200\" }\n");
}

void with_another_link(DaemonBench& bench) {
  add_cable(bench.lab);
  configure(bench, "interface = \"eth2\"", "interface = \"eth3\"");
  configure(bench, kFirst, "192.168.101.100");
  configure(bench, kSecond, "192.168.101.200");
}

bool both_carry(LivePair& pair, std::size_t link) {
  const auto carries = [link](const Json& now) {
    const Json& links = now["peers"][0]["links"];
    return link < links.size() && links[link]["carries"] == true && links[link]["condition"] == "sound";
  };
  return pair.wait_status(Node::fw_1, carries, 20s) && pair.wait_status(Node::fw_2, carries, 20s);
}

void write_key(const std::filesystem::path& path, char digit) {
  std::ofstream(path) << std::string(64, digit) << '\n' << std::flush;
  REQUIRE(::chmod(path.c_str(), 0600) == 0);
}

// The pair is whole: fw-1 primary, fw-2 its replica, over a key of this name.
void check_whole(LivePair& pair, const char* key) {
  REQUIRE(pair.wait_role(Node::fw_1, "primary", 30s));
  REQUIRE(pair.wait_status(
      Node::fw_2,
      [](const Json& now) { return now["role"] == "backup" && now["replication"]["in_sync"] == true; }, 30s));
  for (const Node node : {Node::fw_1, Node::fw_2}) {
    CHECK(pair.wait_status(node, [&](const Json& now) {
      const Json& links = now["peers"][0]["links"];
      return now["peers"][0]["alive"] == true && !links.empty() && links[0]["key"] == key;
    }));
  }
  pair.check_replicates();
}

}  // namespace

TEST_CASE("the first of two dedicated links fails -> the second carries on, and nobody misses anything") {
  LivePair pair({}, with_second_link);
  REQUIRE(both_carry(pair, 0));
  const char* condition = "silent";
  SUBCASE("the cable is pulled") {
    condition = "no carrier";
    pair.lab.cut(Node::fw_1, "eth2");
  }
  SUBCASE("it swallows all but one packet of a thousand") {
    pair.lab.lose(Node::fw_1, "eth2", Way::from_node, 999);
    pair.lab.lose(Node::fw_1, "eth2", Way::to_node, 999);
  }

  CHECK(both_carry(pair, 1));
  CHECK(pair.wait_status(Node::fw_1, [&](const Json& now) { return link_is(now, 0, condition); }));
  pair.check_unimpressed();
  CHECK(wait_until(10s, [&] { return pair.has_alarm(Node::fw_1, "dedicated link eth2"); }, 50ms));
  CHECK_FALSE(pair.has_alarm(Node::fw_1, "no longer heard"));
  CHECK_FALSE(pair.has_alarm(Node::fw_2, "no longer heard"));

  pair.lab.restore(Node::fw_1, "eth2");
  pair.lab.lose_nothing();
  CHECK(both_carry(pair, 0));
  pair.check_replicates();
  CHECK(pair.status(Node::fw_1)["since"] == pair.since);
  CHECK_FALSE(pair.has_alarm(Node::fw_1, "no longer heard"));
}

TEST_CASE("both dedicated links fail -> the peer is lost; one comes back -> it is replicated again") {
  LivePair pair({}, with_second_link);
  pair.lab.cut(Node::fw_1, "eth2");
  pair.lab.links(Node::fw_2).set_down("eth3");
  REQUIRE(pair.wait_status(Node::fw_1, [](const Json& now) { return now["peers"][0]["alive"] == false; }));
  const Traffic meanwhile(pair.lab, kFewEchoes);
  pair.lab.links(Node::fw_2).set_up("eth3");
  CHECK(pair.wait_status(Node::fw_1, [](const Json& now) { return now["peers"][0]["alive"] == true; }));
  CHECK(both_carry(pair, 1));
  CHECK(wait_equal(pair.lab, 10, 30s) == "");
}

TEST_CASE(
    "the only dedicated interface is deleted and made again -> it is replicated again, without a restart") {
  LivePair pair({}, with_another_link);
  pair.lab.run_well(Node::fw_1, {"ip", "link", "delete", "eth3"});
  for (const Node node : {Node::fw_1, Node::fw_2}) {
    CHECK(pair.wait_status(node, [](const Json& now) { return link_is(now, 0, "no interface"); }));
    CHECK(wait_until(10s, [&] { return pair.has_alarm(node, "there is no interface 'eth3'"); }, 50ms));
  }
  REQUIRE(pair.wait_status(Node::fw_1, [](const Json& now) { return now["peers"][0]["alive"] == false; }));
  const Traffic meanwhile(pair.lab, kFewEchoes);
  add_cable(pair.lab);
  CHECK(both_carry(pair, 0));
  CHECK(wait_equal(pair.lab, 10, 30s) == "");
  CHECK(pair.status(Node::fw_1)["role"] == "primary");
}

TEST_CASE("the dedicated address comes after the start -> waited for, and then it is in sync") {
  DaemonBench b;
  b.fw_1.start();
  REQUIRE(b.wait_role(Node::fw_1, "primary"));
  b.lab.run_well(Node::fw_2, {"ip", "address", "delete", "192.168.100.200/24", "dev", "eth2"});
  // Who it is, it cannot tell by its address.
  b.fw_2.start({"--node", "fw-2"});
  REQUIRE(b.wait_role(Node::fw_2, "backup"));
  CHECK(b.wait_status(Node::fw_2, [](const Json& now) { return link_is(now, 0, "no address"); }));
  CHECK(b.fw_2.log().contains("192.168.100.200 is not an address of this machine, waiting for it"));
  CHECK(b.status(Node::fw_2)["replication"]["in_sync"] == false);
  b.lab.links(Node::fw_2).add_address("eth2", "192.168.100.200/24");
  CHECK(
      b.wait_status(Node::fw_2, [](const Json& now) { return now["replication"]["in_sync"] == true; }, 30s));
}

TEST_CASE("the key is changed in three steps, one node after the other -> in sync after each of them") {
  LivePair pair;
  const auto next = pair.lab.scratch().path() / "next.key";
  write_key(next, 'c');
  const std::string old_line = fmt::format("key_file = \"{}\"\n", pair.key.string());
  const auto both = edited(pair.lab, pair.configuration, old_line,
                           old_line + fmt::format("key_file_next = \"{}\"\n", next.string()));
  const auto after =
      edited(pair.lab, pair.configuration, old_line, fmt::format("key_file = \"{}\"\n", next.string()));
  // The backup first. Each time the other node has what it had.
  const auto restart = [&](Node node, const std::filesystem::path& configuration) {
    Appliance& daemon = pair.daemon(node);
    CHECK(daemon.terminate(kStop) == 0);
    daemon.configure(configuration);
    daemon.start();
  };
  restart(Node::fw_2, both);
  check_whole(pair, "key_file");
  restart(Node::fw_1, both);
  check_whole(pair, "key_file");
  restart(Node::fw_2, after);
  REQUIRE(pair.wait_status(Node::fw_1, [](const Json& now) {
    return now["peers"][0]["alive"] == true && now["peers"][0]["links"][0]["key"] == "key_file_next";
  }));
  pair.check_replicates();
  restart(Node::fw_1, after);
  std::filesystem::remove(pair.key);
  check_whole(pair, "key_file");
  pair.traffic->mark();
  CHECK(pair.traffic->wait_all_alive(10s).echoes.all());
}
