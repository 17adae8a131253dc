// Everything that a kernel lets be carried, made on the primary, replicated by the real daemons, and read on
// the standby: by the events of its making, by the events of its changes, and by a full send to an empty
// standby. Compared byte by byte as the kernel gives it and in the words of conntrack(8). What this kernel
// does not offer is found by asking it, and named.
#include <doctest/doctest.h>
#include <fmt/core.h>

#include <algorithm>
#include <filesystem>
#include <regex>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include "tests/netns/daemon_bench.hpp"
#include "tests/netns/lab/flow_samples.hpp"
#include "tests/netns/lab/kernel_table.hpp"

using namespace ftfw;
using namespace ftfw::lab;

namespace {

constexpr Duration kEqual = 60s;
// Nothing but these may be missing. Whether conntrack knows a protocol is a matter of the kernel's version
// (DCCP went with 6.17, UDP-Lite goes).
const std::set<std::string> kMayBeMissing{"DCCP with state, role and handshake sequence", "UDP-Lite",
                                          "expectation in a zone", "flows in a flowtable"};

// Without what differs by rule: timeouts, use counts, the order. Of replicated flows only.
std::string listing(Lab& lab, Node node) {
  static const std::regex kTimeout("^(ipv[46] +[0-9]+ +[a-z0-9]+ +[0-9]+ )[0-9]+ ");
  static const std::regex kUse(" use=[0-9]+");
  static const std::regex kOfThePair("192\\.168\\.100\\.|src=192\\.168\\.[02]\\.[12] |src=fe80:|dst=ff02:");
  std::set<std::string> lines;
  for (const char* family : {"ipv4", "ipv6"}) {
    std::istringstream all(lab.run_well(node, {"conntrack", "-L", "-f", family, "-o", "extended,labels"}));
    for (std::string line; std::getline(all, line);) {
      if (std::regex_search(line, kOfThePair)) continue;
      lines.insert(std::regex_replace(std::regex_replace(line, kTimeout, "$1"), kUse, ""));
    }
  }
  std::string text;
  for (const std::string& line : lines) text += line + "\n";
  return text;
}

// So that no entry ends by itself while the test looks at it.
void let_nothing_expire(Lab& lab, Node node) {
  const std::string folder = "net/netfilter/";
  const std::vector<std::string> names = run_in(lab.network(node), [&] {
    std::vector<std::string> found;
    for (const auto& file : std::filesystem::directory_iterator("/proc/sys/" + folder)) {
      const std::string name = file.path().filename();
      // "timeout_max_retrans" and "_unacknowledged" are timeouts, too.
      if (name.contains("_timeout")) found.push_back(name);
    }
    return found;
  });
  for (const std::string& name : names) set_sysctl(lab.network(node), folder + name, "1000");
}

void tell(const std::vector<MadeSample>& made) {
  for (const MadeSample& sample : made) {
    if (!sample.not_offered) continue;
    fmt::print("[round trip] {}: not offered by this kernel ({})\n", sample.name, *sample.not_offered);
    CHECK_MESSAGE(kMayBeMissing.contains(sample.name), sample.name, ": ", *sample.not_offered);
  }
}

// Their dump lacks timeout and state, which is tested with the engine: no kernel of the tests has flowtables.
MadeSample flowtable(Lab& lab) {
  const Outcome loaded =
      lab.run(Node::client, {"nft", "-f", "-"},
              "table inet probe {\n flowtable f {\n  hook ingress priority 0; devices = { eth0 };\n }\n}\n");
  if (loaded.exit_code != 0)
    return {"flows in a flowtable", loaded.errors.substr(0, loaded.errors.find('\n'))};
  return {"flows in a flowtable", "it has flowtables, and this test makes no flow in one"};
}

void check_same(DaemonBench& bench, const std::string& when) {
  CAPTURE(when);
  const std::string differences = wait_equal_kernels(bench.lab, 0, kEqual);
  CHECK(differences == "");
  if (!differences.empty()) MESSAGE(bench.status(Node::fw_2)["replication"].dump());
  CHECK(listing(bench.lab, Node::fw_1) == listing(bench.lab, Node::fw_2));
}

}  // namespace

TEST_CASE(
    "every attribute and protocol made on the primary -> equal on the standby, by events and by full send") {
  DaemonBench bench;
  bench.configuration = edited(bench.lab, bench.configuration, "protocols = [\"tcp\", \"sctp\", \"dccp\"]\n",
                               "compare_interval = \"10h\"\n");
  for (const Node node : {Node::fw_1, Node::fw_2}) {
    bench.daemon(node).configure(bench.configuration);
    let_nothing_expire(bench.lab, node);
    // Labels are kept as soon as a rule uses them.
    bench.lab.run_well(node, {"nft", "-f", "-"},
                       "table inet labels {\n chain unused {\n  ct label set 1\n }\n}\n");
  }
  bench.start_pair();

  const std::vector<MadeSample> flows = make_samples(bench.lab, Node::fw_1);
  tell(flows);
  const std::vector<MadeSample> expectations = make_expectations(bench.lab, Node::fw_1);
  tell(expectations);
  tell({flowtable(bench.lab)});
  const KernelTable made = kernel_table(bench.lab, Node::fw_1);
  CHECK(made.flows.size() >= flows.size());
  CHECK(made.expectations.size() +
            static_cast<std::size_t>(std::ranges::count_if(
                expectations, [](const auto& one) { return one.not_offered.has_value(); })) ==
        expectations.size());
  check_same(bench, "made");

  change_samples(bench.lab, Node::fw_1);
  CHECK(difference(made, kernel_table(bench.lab, Node::fw_1)) != "");
  check_same(bench, "changed");

  bench.fw_2.kill();
  bench.lab.run_well(Node::fw_2, {"conntrack", "-F"});
  bench.fw_2.start();
  check_same(bench, "sent in full");
  CHECK(kernel_table(bench.lab, Node::fw_2).flows.size() >= flows.size());

  destroy_samples(bench.lab, Node::fw_1);
  check_same(bench, "destroyed");
  CHECK(kernel_table(bench.lab, Node::fw_2).expectations.empty());
  fmt::print("[round trip] {} kinds of flows and {} of expectations\n", flows.size(), expectations.size());
}
