// The matrix: our program against another implementation, in every dialect that both speak and every case,
// each in both directions. Its table is printed; a row that begins with "[interop" is shown by tools/test.
#include <doctest/doctest.h>
#include <fmt/core.h>

#include <array>
#include <map>
#include <utility>

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
using Cells = std::map<std::string, std::array<Result, 2>>;  // by case; by direction

// Who wins has the greater address, so that equal priority has the same winner.
void run_direction(const std::string& peer_name, const Dialect& dialect, MakePeer make_peer,
                   Direction direction, Cells& cells) {
  lab::Lab lab(dialect.ipv6 ? lab::Ipv6::on : lab::Ipv6::off);
  std::vector<std::string> interfaces;
  for (const Leg& leg : dialect.legs) interfaces.push_back(leg.interface);
  const lab::AdvertisementCapture capture(lab, interfaces);
  const bool we_win = direction == Direction::we_win;
  const auto ours = make_ours(lab, we_win ? Node::fw_2 : Node::fw_1);
  const auto peer = make_peer(lab, we_win ? Node::fw_1 : Node::fw_2);
  Duel duel(lab, capture, we_win ? *ours : *peer, we_win ? *peer : *ours, dialect);
  bool failed = false;
  for (const NamedCase& named : kCases) {
    if (named.group_only && dialect.legs.size() < 2) continue;
    Result& result = cells[named.name][std::to_underlying(direction)];
    result = (duel.*named.run)();
    for (const std::string& problem : result.problems) {
      failed = true;
      FAIL_CHECK(dialect.name << ", " << named.name << ", " << (we_win ? "we win" : "the peer wins") << ": "
                              << problem);
    }
  }
  const Audit audited = audit(lab, capture, dialect);
  for (const std::string& problem : audited.problems)
    FAIL_CHECK(dialect.name << ", on the wire: " << problem);
  failed = failed || !audited.problems.empty();
  const std::size_t own = audited.packets[we_win ? 1 : 0];
  const std::size_t theirs = audited.packets[we_win ? 0 : 1];
  CHECK(own > 0);
  CHECK(theirs > 0);
  fmt::print("[interop {}] {:<18}tshark read {} packets of ours and {} of theirs: {}\n", peer_name,
             dialect.name, own, theirs, audited.problems.empty() ? "all as they must be" : "FAILED");
  if (!failed) return;
  const auto kept = lab.scratch().keep();
  fmt::print("logs and capture: {}\n", kept.string());
}

std::string text_of(const Result& result) {
  if (!result.problems.empty()) return "FAILED";
  return result.figure ? fmt::format("ok {:8.1f} ms", in_milliseconds(*result.figure)) : "ok";
}

void run_dialect(const std::string& peer_name, const Dialect& dialect, MakePeer make_peer) {
  Cells cells;
  run_direction(peer_name, dialect, make_peer, Direction::we_win, cells);
  run_direction(peer_name, dialect, make_peer, Direction::peer_wins, cells);
  for (const NamedCase& named : kCases) {
    const auto found = cells.find(named.name);
    if (found == cells.end()) continue;
    fmt::print("[interop {}] {:<18}{:<22} we win: {:<16} peer wins: {}\n", peer_name, dialect.name,
               named.name, text_of(found->second[0]), text_of(found->second[1]));
  }
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
