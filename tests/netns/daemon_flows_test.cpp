// What an operator sees of replication: ftfwctl flows beside conntrack(8), the lag and the last reconcile in
// status, and the options that say which flows travel, on the real kernel.
#include <doctest/doctest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <regex>
#include <sstream>

#include "sync/linux/conntrack_table.hpp"
#include "tests/netns/daemon_bench.hpp"
#include "tests/netns/lab/error.hpp"
#include "tests/netns/lab/make_flows.hpp"
#include "tests/netns/lab/wait.hpp"

using namespace ftfw;
using namespace ftfw::lab;

namespace {

constexpr Duration kReplicated = 30s;
constexpr const char* kExpectations = "expectations = true\n";

std::string flows(DaemonBench& b, Node node, const std::vector<std::string>& options) {
  std::vector<std::string> words{control_program().string(), "--socket",
                                 b.daemon(node).control_socket().string(), "flows"};
  words.insert(words.end(), options.begin(), options.end());
  return b.lab.run_well(node, words);
}

std::size_t count(DaemonBench& b, Node node, std::vector<std::string> options = {}) {
  options.emplace_back("--count");
  return std::stoul(flows(b, node, options));
}

// Timeouts go on between two looks, and so do the users of an entry.
std::vector<std::string> comparable(const std::string& text) {
  static const std::regex moving("^((?:\\S+ +\\d+ +)?\\S+ +\\d+ )\\d+ | use=\\d+");
  std::vector<std::string> lines;
  std::istringstream stream(text);
  for (std::string line; std::getline(stream, line);) {
    lines.push_back(std::regex_replace(line, moving, "$1"));
  }
  std::ranges::sort(lines);
  return lines;
}

// A client of the control socket that asks for all flows and reads nothing.
UniqueFd sleeping_client(const std::filesystem::path& socket) {
  UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::strcpy(address.sun_path, socket.c_str());
  REQUIRE(::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0);
  REQUIRE(::send(fd.get(), "flows\n", 6, MSG_NOSIGNAL) == 6);
  return fd;
}

void configure(DaemonBench& b, const std::string& options) {
  b.configuration = edited(b.lab, b.configuration, kExpectations, kExpectations + options);
  b.fw_1.configure(b.configuration);
  b.fw_2.configure(b.configuration);
}

// By conntrack(8), as an event of a foreign program: a flow from the client to the server.
void add_flow(DaemonBench& b, int port, const std::string& state, const std::string& server = "192.168.0.3") {
  std::vector<std::string> words{
      "conntrack",          "-I",      "-p", "tcp",     "-s",  "192.168.2.3", "-d", server, "--sport",
      std::to_string(port), "--dport", "80", "--state", state, "-t",          "600"};
  words.insert(words.end(), {"-u", state == "SYN_SENT" ? "SEEN_REPLY" : "SEEN_REPLY,ASSURED"});
  if (state == "SYN_SENT") words.resize(words.size() - 2);
  b.lab.run_well(Node::fw_1, words);
}

// A FIN passes on the primary, as its kernel tells it. conntrack -U sends what the kernel refuses to update.
void close_flow(DaemonBench& b, std::uint16_t port) {
  sync::ConntrackEntry entry;
  entry.key.original = {.source = *IpAddress::parse("192.168.2.3"),
                        .destination = *IpAddress::parse("192.168.0.3"),
                        .protocol = IPPROTO_TCP,
                        .source_port = port,
                        .destination_port = 80};
  entry.reply = entry.key.original.inverse();
  entry.tcp = sync::TcpInfo{.state = sync::TcpState::fin_wait};
  run_in(b.lab.network(Node::fw_1), [&] {
    auto table = sync::ConntrackTable::open();
    if (!table) give_up(table.error().text);
    const auto refused = table->apply(std::vector{sync::Operation{.action = sync::UpdateConntrack{entry}}});
    if (!refused || !refused->empty()) give_up("the kernel refuses to update the flow");
  });
}

bool has_flow(DaemonBench& b, Node node, int port) {
  return count(b, node, {"--source-port", std::to_string(port), "--protocol", "tcp"}) == 1;
}

bool comes(DaemonBench& b, int port, bool there = true) {
  return wait_until(kReplicated, [&] { return has_flow(b, Node::fw_2, port) == there; }, 20ms);
}

}  // namespace

TEST_CASE("ftfwctl flows -> the lines of conntrack(8) on both nodes, while a client sleeps over its answer") {
  DaemonBench b;
  b.start_pair();
  make_flows(b.lab, Node::fw_1, 20'000);
  const std::vector<std::string> tcp{"--protocol", "tcp", "-o", "extended"};
  REQUIRE(
      wait_until(kReplicated, [&] { return count(b, Node::fw_2, {"--protocol", "tcp"}) == 20'000; }, 50ms));

  const UniqueFd sleeper = sleeping_client(b.fw_2.control_socket());
  for (const Node node : {Node::fw_1, Node::fw_2}) {
    const auto theirs = comparable(b.lab.run_well(node, {"conntrack", "-L", "-p", "tcp", "-o", "extended"}));
    const auto ours = comparable(flows(b, node, tcp));
    CHECK(ours.size() == 20'000);
    CHECK((ours == theirs));
  }
  CHECK(count(b, Node::fw_2, {"--source-port", "1024", "--destination-port", "443"}) == 0);
  const Json one =
      Json::parse(flows(b, Node::fw_2, {"--source-port", "1024", "--destination-port", "80", "--json"}));
  REQUIRE(one["count"] == 1);
  CHECK(one["flows"][0]["state"] == "ESTABLISHED");
  CHECK(one["flows"][0]["reply"]["destination"] == "192.168.0.100");
  const Outcome wrong =
      b.lab.run(Node::fw_1, {control_program().string(), "--socket", b.fw_1.control_socket().string(),
                             "flows", "--state", "OPENED"});
  CHECK(wrong.exit_code == 1);
  CHECK(wrong.errors.contains("expected a state of TCP, SCTP or DCCP"));
}

TEST_CASE("status -> a cut link shows as lag, a reconcile says why it was; --watch repeats it") {
  DaemonBench b;
  b.start_pair();
  make_flows(b.lab, Node::fw_1, 2'000);
  REQUIRE(b.wait_status(Node::fw_1, [](const Json& now) {
    const Json& peer = now["peers"][0];
    return peer["lag"]["entries"] == 0 && peer["traffic"]["entries acknowledged"] >= 2'000;
  }));
  REQUIRE(b.wait_status(Node::fw_1,
                        [](const Json& now) { return !now["peers"][0]["last_reconcile"].is_null(); }));
  const Json standby = b.status(Node::fw_2);
  for (const auto& [name, number] : standby["peers"][0]["rejected"].items()) {
    CAPTURE(name);
    if (name != "duplicate_frame" && name != "foreign_frame") CHECK(number == 0);
  }

  b.lab.links(Node::fw_1).set_down("eth2");
  add_flow(b, 40'001, "ESTABLISHED");
  CHECK(b.wait_status(Node::fw_1, [](const Json& now) {
    const Json& lag = now["peers"][0]["lag"];
    return lag["entries"] >= 1 && lag["oldest_ms"] >= 1000;
  }));
  b.lab.links(Node::fw_1).set_up("eth2");
  CHECK(comes(b, 40'001));
  CHECK(b.wait_status(Node::fw_1, [](const Json& now) { return now["peers"][0]["lag"]["entries"] == 0; }));

  const std::string log = "watch.log";
  const Process watch = b.lab.start(
      Node::fw_1,
      {control_program().string(), "--socket", b.fw_1.control_socket().string(), "status", "--watch"}, log);
  const auto frames = [&] {
    const std::string seen = b.lab.read_log(log);
    std::size_t found = 0;
    for (std::size_t at = 0; (at = seen.find("PRIMARY since", at)) != std::string::npos; ++at) ++found;
    return found;
  };
  CHECK(wait_until(kReplicated, [&] { return frames() >= 2; }, 20ms));
  CHECK_FALSE(b.lab.read_log(log).contains("\033"));
}

TEST_CASE("a compare that is paced -> status and the log say how far it is, and it keeps the pace") {
  constexpr std::size_t kFlows = 4'000;
  DaemonBench b;
  configure(b,
            "compare_entries_per_second = 1000\nrepair_entries_per_second = 1000\n"
            "compare_interval = \"1s\"\n");
  b.start_pair();
  make_flows(b.lab, Node::fw_1, kFlows);
  CHECK(b.wait_status(
      Node::fw_1,
      [](const Json& now) {
        const Json& progress = now["peers"][0]["progress"];
        return !progress.is_null() && progress["what"] == "comparing" && progress["expected"] >= kFlows &&
               progress["done"] > 0 && progress["done"] < kFlows;
      },
      kReplicated));
  CHECK(b.wait_status(
      Node::fw_1,
      [](const Json& now) {
        const Json& last = now["peers"][0]["last_reconcile"];
        return !last.is_null() && last["why"] == "periodic" && last["entries"] >= kFlows &&
               last["seconds"] >= 3.0;
      },
      kReplicated));
  CHECK(std::regex_search(b.fw_1.log(), std::regex("comparing: \\d+ % of about \\d+ entries, \\d+/s")));
}

TEST_CASE(
    "TCP states, excluded networks and a minimum age -> the standby's kernel holds what travels alone") {
  DaemonBench b;
  configure(b,
            "tcp_states = [\"syn_recv\", \"established\"]\n"
            "excluded_networks = [\"10.9.0.0/16\"]\n"
            "minimum_age = \"10s\"\ncompare_interval = \"1s\"\n");
  b.start_pair();

  add_flow(b, 40'001, "ESTABLISHED");
  add_flow(b, 40'002, "ESTABLISHED", "10.9.1.1");
  add_flow(b, 40'003, "FIN_WAIT");
  add_flow(b, 40'004, "SYN_SENT");
  add_flow(b, 40'005, "ESTABLISHED");
  b.lab.run_well(Node::fw_1, {"conntrack", "-D", "-p", "tcp", "--sport", "40005"});
  CHECK(b.wait_status(Node::fw_1, [](const Json& now) {
    return now["peers"][0]["traffic"]["ended young"] == 1 && now["peers"][0]["lag"]["young"] >= 1;
  }));
  CHECK(comes(b, 40'001));
  // Compares have looked at the tables meanwhile, and they agree.
  const auto compares = [&] {
    return b.status(Node::fw_1)["peers"][0]["figures"]["compares"].get<std::uint64_t>();
  };
  const std::uint64_t before = compares();
  CHECK(wait_until(kReplicated, [&] { return compares() >= before + 2; }, 50ms));
  CHECK(b.status(Node::fw_1)["peers"][0]["figures"]["ranges differing"] == 0);
  for (const int port : {40'002, 40'003, 40'004, 40'005}) {
    CAPTURE(port);
    CHECK_FALSE(has_flow(b, Node::fw_2, port));
  }

  close_flow(b, 40'001);
  CHECK(comes(b, 40'001, false));
}
