// The matrix: our program against another implementation, in every dialect that both speak and every case,
// each in both directions. Its table is printed; a row that begins with "[interop" is shown by tools/test.
#include <doctest/doctest.h>
#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <exception>
#include <filesystem>
#include <map>
#include <string>
#include <thread>

#include "tests/interop/duel.hpp"

using namespace ftfw;
using namespace ftfw::interop;
using lab::Node;

namespace {

struct NamedCase {
  const char* name;
  Result (Duel::*run)();
  bool group_only = false;
};
// In this order a case often finds the state that it needs.
constexpr std::array kCases{
    NamedCase{"election by priority", &Duel::election},
    NamedCase{"restart of the backup", &Duel::restart_of_the_backup},
    NamedCase{"silence", &Duel::silence},
    NamedCase{"preempt", &Duel::preemption},
    NamedCase{"restart of the Active", &Duel::restart_of_the_active},
    NamedCase{"one link lost", &Duel::link_lost, true},
    NamedCase{"priority 0", &Duel::release},
    NamedCase{"nopreempt", &Duel::no_preemption},
    NamedCase{"equal priority", &Duel::equal_priority},
};

enum class Direction : std::size_t { we_win, peer_wins };

using MakePeer = std::unique_ptr<Speaker> (*)(lab::Lab&, Node);

struct Report {
  std::map<std::string, Result> results;  // by case
  Audit audited;
  std::size_t own_packets = 0;
  std::size_t peers_packets = 0;
  std::string broken;  // why the lab gave up
  std::filesystem::path kept;
};

bool failed(const Report& report) {
  return !report.broken.empty() || !report.audited.problems.empty() ||
         std::ranges::any_of(report.results,
                             [](const auto& entry) { return !entry.second.problems.empty(); });
}

// Who wins has the greater address, so that equal priority has the same winner.
void run_cases(const Dialect& dialect, MakePeer make_peer, Direction direction, Report& report) {
  lab::Lab lab(dialect.ipv6 ? lab::Ipv6::on : lab::Ipv6::off);
  std::vector<std::string> interfaces;
  for (const Leg& leg : dialect.legs) interfaces.push_back(leg.interface);
  const lab::AdvertisementCapture capture(lab, interfaces);
  const bool we_win = direction == Direction::we_win;
  const auto ours = make_ours(lab, we_win ? Node::fw_2 : Node::fw_1);
  const auto peer = make_peer(lab, we_win ? Node::fw_1 : Node::fw_2);
  Duel duel(lab, capture, we_win ? *ours : *peer, we_win ? *peer : *ours, dialect);
  for (const NamedCase& named : kCases) {
    if (named.group_only && dialect.legs.size() < 2) continue;
    report.results[named.name] = (duel.*named.run)();
  }
  report.audited = audit(lab, capture, dialect);
  report.own_packets = report.audited.packets[we_win ? 1 : 0];
  report.peers_packets = report.audited.packets[we_win ? 0 : 1];
  if (failed(report)) report.kept = lab.scratch().keep();
}

// A thread of its own: doctest hears of it when it has ended.
Report run_direction(const Dialect& dialect, MakePeer make_peer, Direction direction) {
  Report report;
  try {
    run_cases(dialect, make_peer, direction, report);
  } catch (const std::exception& error) {
    report.broken = error.what();
  }
  return report;
}

std::string text_of(const Result& result) {
  if (!result.problems.empty()) return "FAILED";
  return result.figure ? fmt::format("ok {:8.1f} ms", in_milliseconds(*result.figure)) : "ok";
}

void judge(const std::string& peer_name, const Dialect& dialect, const Report& report,
           const char* direction) {
  for (const auto& [name, result] : report.results) {
    for (const std::string& problem : result.problems) {
      FAIL_CHECK(fmt::format("{}, {}, {}: {}", dialect.name, name, direction, problem));
    }
  }
  for (const std::string& problem : report.audited.problems) {
    FAIL_CHECK(fmt::format("{}, {}, on the wire: {}", dialect.name, direction, problem));
  }
  if (!report.broken.empty()) FAIL_CHECK(report.broken);
  CHECK(report.own_packets > 0);
  CHECK(report.peers_packets > 0);
  fmt::print("[interop {}] {:<18}{:<22} tshark read {} packets of ours, {} of the peer: {}\n", peer_name,
             dialect.name, direction, report.own_packets, report.peers_packets,
             report.audited.problems.empty() ? "ok" : "FAILED");
  if (!report.kept.empty()) fmt::print("logs and capture: {}\n", report.kept.string());
}

// Both directions at the same time, each in its own lab: most of their time is waiting.
void run_dialect(const std::string& peer_name, const Dialect& dialect, MakePeer make_peer) {
  Report peer_wins;
  std::thread other([&] { peer_wins = run_direction(dialect, make_peer, Direction::peer_wins); });
  const Report we_win = run_direction(dialect, make_peer, Direction::we_win);
  other.join();
  for (const NamedCase& named : kCases) {
    const auto ours = we_win.results.find(named.name);
    const auto theirs = peer_wins.results.find(named.name);
    if (ours == we_win.results.end() || theirs == peer_wins.results.end()) continue;
    fmt::print("[interop {}] {:<18}{:<22} we win: {:<16} peer wins: {}\n", peer_name, dialect.name,
               named.name, text_of(ours->second), text_of(theirs->second));
  }
  judge(peer_name, dialect, we_win, "we win");
  judge(peer_name, dialect, peer_wins, "peer wins");
  std::fflush(stdout);
}

}  // namespace

TEST_CASE("keepalived, version 2 with a password") {
  run_dialect("keepalived", version_2(), make_keepalived);
}

TEST_CASE("keepalived, version 3 over IPv4") {
  run_dialect("keepalived", version_3_ipv4(), make_keepalived);
}

TEST_CASE("keepalived, a sync group of two routers") {
  run_dialect("keepalived", sync_group(), make_keepalived);
}

TEST_CASE("FRR, version 3 over IPv4") {
  run_dialect("frr", version_3_ipv4(), make_frr);
}

TEST_CASE("keepalived, version 3 over IPv6") {
  run_dialect("keepalived", version_3_ipv6(), make_keepalived);
}

TEST_CASE("FRR, version 3 over IPv6") {
  run_dialect("frr", version_3_ipv6(), make_frr);
}
