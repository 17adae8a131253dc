// What the daemon tests share: the reference network with two firewalls, how they are asked (ftfwctl, nft,
// the kernel's settings), and waits for what they answer.
#pragma once

#include <filesystem>
#include <functional>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "tests/netns/lab/appliance.hpp"
#include "tests/netns/lab/lab.hpp"

namespace ftfw::lab {

using Json = nlohmann::json;

constexpr Duration kElection = 15s;
constexpr Duration kStop = 6s;
constexpr const char* kGuard = "ftfw_guard";

struct DaemonBench {
  explicit DaemonBench(const ApplianceSettings& settings = {}, Ipv6 ipv6 = Ipv6::off);

  Appliance& daemon(Node node) { return node == Node::fw_1 ? fw_1 : fw_2; }
  // fw-1 alone becomes primary, then fw-2 its complete replica.
  void start_pair();

  // ftfwctl status --json; an empty object when nobody answers.
  Json status(Node node);
  bool wait_role(Node node, const std::string& role, Duration at_most = kElection);
  bool wait_status(Node node, const std::function<bool(const Json&)>& condition,
                   Duration at_most = kElection);
  bool has_alarm(Node node, const std::string& words);

  // "nft list table inet NAME"; empty when there is none.
  std::string table(Node node, const std::string& name);
  bool has_table(Node node, const std::string& name) { return !table(node, name).empty(); }
  // The guard of a firewall that forwards nothing.
  bool is_closed(Node node);

  // All that the daemon may set.
  std::map<std::string, std::string> sysctls(Node node);
  // Nothing open, no virtual address, settings as given: what every failed start leaves.
  void check_harmless(Node node, const std::map<std::string, std::string>& before);

  Lab lab;
  std::filesystem::path configuration;
  std::filesystem::path key;
  Appliance fw_1;
  Appliance fw_2;
};

}  // namespace ftfw::lab
