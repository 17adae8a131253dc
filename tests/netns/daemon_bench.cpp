#include "tests/netns/daemon_bench.hpp"

#include <doctest/doctest.h>

#include "tests/netns/lab/wait.hpp"

namespace ftfw::lab {

DaemonBench::DaemonBench(const ApplianceSettings& settings, Ipv6 ipv6)
    : lab(ipv6),
      configuration(write_configuration(lab, settings)),
      key(lab.scratch().path() / "replication.key"),
      fw_1(lab, Node::fw_1, configuration),
      fw_2(lab, Node::fw_2, configuration) {}

void DaemonBench::start_pair() {
  fw_1.start();
  REQUIRE(wait_role(Node::fw_1, "primary"));
  fw_2.start();
  REQUIRE(wait_status(
      Node::fw_2,
      [](const Json& now) { return now["role"] == "backup" && now["replication"]["in_sync"] == true; }, 30s));
  REQUIRE(wait_status(Node::fw_1, [](const Json& now) { return now["peers"][0]["alive"] == true; }));
}

Json DaemonBench::status(Node node) {
  const Outcome asked = lab.run(node, {control_program().string(), "--socket",
                                       daemon(node).control_socket().string(), "status", "--json"});
  return asked.exit_code == 0 ? Json::parse(asked.output) : Json::object();
}

bool DaemonBench::wait_status(Node node, const std::function<bool(const Json&)>& condition,
                              Duration at_most) {
  return wait_until(
      at_most,
      [&] {
        const Json now = status(node);
        return !now.empty() && condition(now);
      },
      20ms);
}

bool DaemonBench::wait_role(Node node, const std::string& role, Duration at_most) {
  return wait_status(node, [&](const Json& now) { return now["role"] == role; }, at_most);
}

bool DaemonBench::has_alarm(Node node, const std::string& words) {
  const Json now = status(node);
  if (!now.contains("alarms")) return false;
  for (const Json& alarm : now["alarms"]) {
    if (alarm["text"].get<std::string>().contains(words)) return true;
  }
  return false;
}

std::string DaemonBench::table(Node node, const std::string& name) {
  const Outcome listed = lab.run(node, {"nft", "list", "table", "inet", name});
  return listed.exit_code == 0 ? listed.output : "";
}

bool DaemonBench::is_closed(Node node) {
  const std::string guard = table(node, kGuard);
  return guard.contains("hook prerouting") && guard.contains("policy drop");
}

std::map<std::string, std::string> DaemonBench::sysctls(Node node) {
  std::map<std::string, std::string> values;
  std::vector<std::string> names{"net/ipv4/ip_forward", "net/netfilter/nf_conntrack_events",
                                 "net/netfilter/nf_conntrack_tcp_be_liberal"};
  for (const char* interface : {"eth0", "eth1"}) {
    for (const char* name : {"arp_ignore", "arp_announce", "promote_secondaries"}) {
      names.push_back(std::string("net/ipv4/conf/") + interface + "/" + name);
    }
  }
  for (const std::string& name : names) values[name] = get_sysctl(lab.network(node), name);
  return values;
}

void DaemonBench::check_harmless(Node node, const std::map<std::string, std::string>& before) {
  CHECK(daemon(node).holding() == Holding::none);
  CHECK(sysctls(node) == before);
  CHECK((is_closed(node) || before.at("net/ipv4/ip_forward") == "0"));
}

}  // namespace ftfw::lab
