#include "appliance/status.hpp"

#include "appliance/replication_figures.hpp"

#include <doctest/doctest.h>

#include <nlohmann/json.hpp>

using namespace ftfw;

namespace {

StatusBoard primary_board(Instant now) {
  StatusBoard board;
  board.node = "fw-1";
  board.replication.peers = {{.name = "fw-2"}};
  board.group = "G1";
  board.role = "primary";
  board.cause = "nobody was heard";
  board.addresses = {"192.168.2.100 on eth1"};
  board.addresses_held = true;
  board.lease = 3s;
  board.vrrp.routers = {{.name = "VI_1",
                         .interface = "eth1",
                         .id = 61,
                         .link_usable = true,
                         .active = "192.168.2.2",
                         .heard = now - 1500ms,
                         .counters = {{"sent", 7}}}};
  return board;
}

}  // namespace

TEST_CASE("status text names role, peer, addresses and what was heard on each leg") {
  const Instant now{Duration(1h)};
  const std::string text = render_text(primary_board(now), now);
  CHECK(text.find("fw-1  PRIMARY since") == 0);
  CHECK(text.find("fw-2 NOT HEARD on the dedicated link") != std::string::npos);
  CHECK(text.find("192.168.2.100 on eth1: held, lease 3 s") != std::string::npos);
  CHECK(text.find("VI_1 (eth1, id 61): link up, heard 192.168.2.2 1.5 s ago") != std::string::npos);
  CHECK(text.find("alarms       none") != std::string::npos);
}

TEST_CASE("status JSON is schema 1 and holds the same") {
  const Instant now{Duration(1h)};
  const auto json = nlohmann::json::parse(render_json(primary_board(now), now));
  CHECK(json["schema"] == 1);
  CHECK(json["role"] == "primary");
  CHECK(json["peers"][0]["alive"] == false);
  CHECK(json["lease_seconds"] == 3.0);
  CHECK(json["sync_group"]["virtual_routers"][0]["counters"]["sent"] == 7);
  CHECK(json["sync_group"]["virtual_routers"][0]["heard_seconds_ago"] == doctest::Approx(1.5));
}

TEST_CASE("status shows every dedicated link, the kernel's events and what the kernel does wrong") {
  const Instant now{Duration(1h)};
  StatusBoard board = primary_board(now);
  board.replication.peers[0].links = {
      {.interface = "eth2",
       .condition = "sound",
       .carries = true,
       .cipher = "ECDHE-PSK-CHACHA20-POLY1305",
       .key = "key_file_next",
       .delivered_percent = 96,
       .counters = {{"sent", 10}, {"received", 9}, {"malformed", 0}, {"other key", 2}}},
      {.interface = "eth3",
       .condition = "no address",
       .trouble = "192.0.2.1 is not an address of this machine"}};
  board.replication.capture = {{"read", 1000}, {"lost", 0}, {"overruns", 1}};
  board.kernel_defects = {"this kernel loses helpers"};
  const std::string text = render_text(board, now);
  CHECK(
      text.contains("link eth2: sound, carries the flows, 96 % delivered, ECDHE-PSK-CHACHA20-POLY1305, "
                    "key_file_next\n        sent 10, received 9, other key 2\n"));
  CHECK(text.contains("link eth3: no address (192.0.2.1 is not an address of this machine)\n"));
  CHECK(text.contains("events read 1000, lost 0, overruns 1\n"));
  CHECK(text.contains("kernel       this kernel loses helpers\n"));
  const auto json = nlohmann::json::parse(render_json(board, now));
  REQUIRE(json["peers"][0]["links"].size() == 2);
  CHECK(json["peers"][0]["links"][0]["carries"] == true);
  CHECK(json["peers"][0]["links"][0]["key"] == "key_file_next");
  CHECK(json["peers"][0]["links"][0]["counters"]["other key"] == 2);
  CHECK(json["peers"][0]["links"][1]["condition"] == "no address");
  CHECK(json["replication"]["events"]["overruns"] == 1);
  CHECK(json["kernel_defects"][0] == "this kernel loses helpers");
}

TEST_CASE("status shows every other node with its role, its figures and its links") {
  const Instant now{Duration(1h)};
  StatusBoard board = primary_board(now);
  board.replication.source = true;
  board.replication.figures = {{"entries", 0}, {"waiting", 0}, {"overruns", 3}};
  board.replication.peers = {{.name = "fw-2",
                              .alive = true,
                              .role = "backup",
                              .in_sync = true,
                              .epoch = 4,
                              .figures = {{"unacknowledged", 1}, {"waiting", 2}, {"full sends", 5}}},
                             {.name = "fw-3",
                              .alive = true,
                              .role = "backup",
                              .links = {{.interface = "eth2", .condition = "sound"}}},
                             {.name = "fw-4", .role = "primary", .epoch = 3}};
  CHECK(board.replication.any_peer_alive());
  const std::string text = render_text(board, now);
  CHECK(text.contains("peer         fw-2 BACKUP, in sync, alive on the dedicated link\n"));
  CHECK(text.contains("peer         fw-3 BACKUP, NOT IN SYNC, alive on the dedicated link\n"));
  CHECK(text.contains("peer         fw-4 NOT HEARD on the dedicated link\n"));
  CHECK(text.contains("replication  source: entries 0, waiting 0, overruns 3\n"));
  CHECK(text.contains("with fw-2: unacknowledged 1, waiting 2, full sends 5\n"));
  CHECK(text.contains("with fw-3\n      lag none\n      link eth2: sound\n"));
  CHECK(text.contains("with fw-4\n      lag NOT KNOWN, the other node is not heard\n"));
  const auto json = nlohmann::json::parse(render_json(board, now));
  REQUIRE(json["peers"].size() == 3);
  CHECK(json["peers"][0]["name"] == "fw-2");
  CHECK(json["peers"][0]["figures"]["full sends"] == 5);
  CHECK(json["peers"][1]["in_sync"] == false);
  CHECK(json["peers"][1]["links"][0]["interface"] == "eth2");
  CHECK(json["peers"][2]["alive"] == false);
  CHECK(json["peers"][2]["epoch"] == 3);
}

TEST_CASE("the board keeps the newest alarms and no more than its limit") {
  StatusBoard board;
  for (std::size_t i = 0; i < StatusBoard::kMaxAlarms + 5; ++i) board.alarm("alarm " + std::to_string(i));
  CHECK(board.alarms.size() == StatusBoard::kMaxAlarms);
  CHECK(board.alarms.front().text == "alarm 5");
}

namespace {

// 100 entries read of 400 within a second, 12 not acknowledged.
sync::Progress busy_source(Instant now) {
  sync::Progress progress;
  progress.role = sync::Role::source;
  sync::PeerProgress& peer = progress.peers.emplace_back();
  peer.lag_entries = 12;
  peer.lag_since = now - 35ms;
  peer.acknowledged_entries = 988;
  peer.reconciling = sync::Reconciling::comparing;
  peer.reading = {.since = now - 1s, .done = 100, .expected = 400};
  peer.last_reconcile = {.cause = sync::ReconcileCause::overrun,
                         .entries = 400,
                         .ranges = 32,
                         .differing = 3,
                         .sent = 21,
                         .took = 250ms,
                         .finished = now - 90s};
  return progress;
}

}  // namespace

TEST_CASE("status says how far each peer is behind, what was rejected, and what the last reconcile did") {
  const Instant now{Duration(1h)};
  StatusBoard board = primary_board(now);
  board.replication.source = true;
  sync::Counters counters;
  counters.entries_sent = 900;
  counters.destroys_sent = 100;
  counters.reply_clash = 2;
  board.replication.peers[0].conversation =
      conversation_of(busy_source(now), 0, counters, counters, now, std::chrono::system_clock::now());

  const std::string text = render_text(board, now);
  CHECK(text.contains("lag 12 entries, the oldest for 35 ms, what a reconcile will find NOT COUNTED\n"));
  CHECK(text.contains("entries sent 1000, entries acknowledged 988\n"));
  CHECK(text.contains("rejected: reply_tuple_taken 2\n"));
  CHECK(text.contains("comparing: 25 % of about 400 entries, 100/s\n"));
  CHECK(text.contains(
      "last reconcile 90 s ago (events lost), took 0.25 s: 400 entries, 3 of 32 ranges different, "
      "21 entries sent\n"));
  CHECK(render_text(board, now, ProgressForm::bar)
            .contains("[#######.......................] comparing: 25 %"));

  const auto peer = nlohmann::json::parse(render_json(board, now))["peers"][0];
  CHECK(peer["lag"]["entries"] == 12);
  CHECK(peer["lag"]["oldest_ms"] == doctest::Approx(35));
  CHECK(peer["lag"]["reconcile_due"] == true);
  CHECK(peer["traffic"]["entries acknowledged"] == 988);
  CHECK(peer["rejected"]["reply_tuple_taken"] == 2);
  CHECK(peer["rejected"]["table_full"] == 0);
  CHECK(peer["last_reconcile"]["why"] == "events lost");
  CHECK(peer["last_reconcile"]["ranges_different"] == 3);
  CHECK(peer["last_reconcile"]["seconds"] == doctest::Approx(0.25));
  CHECK(peer["progress"]["what"] == "comparing");
  CHECK(peer["progress"]["done"] == 100);
  CHECK(peer["progress"]["per_second"] == 100);
}

TEST_CASE("a replica shows what has arrived and is not in its kernel; a pair at rest shows no lag") {
  const Instant now{Duration(1h)};
  StatusBoard board = primary_board(now);
  board.replication.peers[0].alive = true;
  CHECK(render_text(board, now).contains("lag none\n"));
  board.replication.peers[0].conversation.lag.arriving = 7;
  CHECK(render_text(board, now).contains("lag 7 received and not in the kernel yet\n"));
  CHECK(nlohmann::json::parse(render_json(board, now))["peers"][0]["last_reconcile"].is_null());
}

TEST_CASE("progress without a known size counts, and never says more than all") {
  CHECK(to_text({.what = "sending all", .elapsed = 2s, .done = 1000}, true) ==
        "sending all: 1000 entries, 500/s");
  CHECK(*ProgressStatus{.done = 500, .expected = 400}.percent() == 100);
}
