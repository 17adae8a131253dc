// ConntrackTable against the real kernel, read back by our own dump and by conntrack(8), in a namespace of
// its own.
#include <doctest/doctest.h>
#include <libnetfilter_conntrack/libnetfilter_conntrack.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstdio>

#include "appliance/base/clock.hpp"
#include "sync/linux/capture.hpp"
#include "tests/unit/sync/linux_entries.hpp"
#include "tests/unit/sync/linux_namespace.hpp"

namespace ftfw::sync {
namespace {

using namespace testing;

constexpr std::uint32_t kNatBits = status::kSourceNat | status::kDestinationNat;

bool contains(const std::string& text, std::string_view part) {
  return text.find(part) != std::string::npos;
}

// The TCP flags of all entries, original and reply, as libnetfilter_conntrack reads them: ours shows only
// those that are carried.
std::vector<std::pair<int, int>> raw_tcp_flags() {
  std::vector<std::pair<int, int>> flags;
  nfct_handle* handle = ::nfct_open(CONNTRACK, 0);
  REQUIRE(handle != nullptr);
  const auto collect = [](nf_conntrack_msg_type, nf_conntrack* entry, void* out) -> int {
    static_cast<std::vector<std::pair<int, int>>*>(out)->emplace_back(
        ::nfct_get_attr_u8(entry, ATTR_TCP_FLAGS_ORIG), ::nfct_get_attr_u8(entry, ATTR_TCP_FLAGS_REPL));
    return NFCT_CB_CONTINUE;
  };
  ::nfct_callback_register(handle, NFCT_T_ALL, collect, &flags);
  const std::uint32_t family = AF_INET;
  CHECK(::nfct_query(handle, NFCT_Q_DUMP, &family) == 0);
  ::nfct_close(handle);
  return flags;
}

// Identity aside from what time and the kernel change.
void check_same(const ConntrackEntry& read, const ConntrackEntry& written) {
  CHECK(read.key == written.key);
  CHECK(read.reply == written.reply);
  CHECK(read.reply_zone == written.reply_zone);
  CHECK((*read.status & kAssured) == (*written.status & kAssured));
  CHECK(*read.timeout_s <= *written.timeout_s);
  CHECK(*read.timeout_s + 5 >= *written.timeout_s);
  CHECK(read.mark.value_or(0) == written.mark.value_or(0));
  CHECK(read.tcp == written.tcp);
  CHECK(read.sctp == written.sctp);
  CHECK(read.sequence_adjustment == written.sequence_adjustment);
  CHECK(read.synproxy == written.synproxy);
  CHECK(read.helper == written.helper);
  CHECK(read.master == written.master);
}

TEST_CASE("every TCP state with scale and flags comes back from the kernel as it was created") {
  NetworkNamespace space;
  if (!space) return;
  ConntrackTable table = open_table();
  for (std::uint8_t state = 1; state <= 9; ++state) {
    const ConntrackEntry entry =
        tcp_entry(static_cast<std::uint16_t>(40'000 + state), static_cast<TcpState>(state));
    check_same(round_trip(table, entry), entry);
  }
  const std::string listing = output_of("conntrack -L 2>/dev/null");
  CHECK(contains(listing, "ESTABLISHED src=192.168.2.3 dst=192.168.0.3 sport=40003 dport=80"));
  CHECK(contains(listing, "TIME_WAIT src=192.168.2.3 dst=192.168.0.3 sport=40007 dport=80"));
}

TEST_CASE("entries of other protocols and of IPv6 come back as they were created") {
  NetworkNamespace space;
  if (!space) return;
  ConntrackTable table = open_table();
  ConntrackEntry sctp = plain_entry(tuple(IPPROTO_SCTP, "10.0.0.1", 5000, "10.0.1.1", 2905));
  sctp.sctp = SctpInfo{.state = 4, .tag_original = 0x01020304, .tag_reply = 0xa0b0c0d0};
  ConntrackEntry tcp_v6 = plain_entry(tuple(IPPROTO_TCP, "2001:db8:2::3", 40'000, "2001:db8::3", 443));
  tcp_v6.tcp = TcpInfo{
      .state = TcpState::established, .window_scale_original = 2, .flags_original = 1, .flags_reply = 1};
  const ConntrackEntry entries[] = {
      sctp,
      tcp_v6,
      plain_entry(tuple(IPPROTO_UDP, "10.0.0.1", 5353, "10.0.1.1", 53)),
      plain_entry(tuple(IPPROTO_UDP, "2001:db8:2::3", 40'000, "2001:db8::3", 53), status::kConfirmed),
      plain_entry(tuple(IPPROTO_UDPLITE, "10.0.0.1", 1, "10.0.1.1", 2)),
      plain_entry(tuple(IPPROTO_ICMP, "10.0.0.1", 77, "10.0.1.1", 8 << 8), kReplied),
      plain_entry(tuple(IPPROTO_ICMPV6, "2001:db8:2::3", 78, "2001:db8::3", 128 << 8), kReplied),
      plain_entry(tuple(IPPROTO_GRE, "10.0.0.1", 0x1234, "10.0.1.1", 0x4321)),
      plain_entry(tuple(IPPROTO_GRE, "10.0.0.1", 0x1235, "10.0.1.1", 0x4321)),
      plain_entry(tuple(IPPROTO_ESP, "10.0.0.1", 0, "10.0.1.1", 0)),
  };
  for (const ConntrackEntry& entry : entries) check_same(round_trip(table, entry), entry);
  const std::string listing = output_of("conntrack -L 2>/dev/null; conntrack -L -f ipv6 2>/dev/null");
  CHECK(contains(listing, "sctp"));
  CHECK(contains(listing, "type=8 code=0 id=77"));
  CHECK(contains(listing, "type=128 code=0 id=78"));
  CHECK(contains(listing, "srckey=0x1234 dstkey=0x4321"));
  CHECK(contains(listing, "src=2001:db8:2::3 dst=2001:db8::3 sport=40000 dport=443"));
}

TEST_CASE("a translated entry is translated in the kernel, not only in the listing") {
  NetworkNamespace space;
  if (!space) return;
  ConntrackTable table = open_table();
  ConntrackEntry source = tcp_entry(40'000);
  source.reply.destination = address("192.168.0.100");
  ConntrackEntry source_port = tcp_entry(40'001);
  source_port.reply.destination = address("192.168.0.100");
  source_port.reply.destination_port = 61'001;
  ConntrackEntry destination = tcp_entry(40'002);
  destination.reply.source = address("172.16.0.9");
  destination.reply.source_port = 8080;
  ConntrackEntry only_port = tcp_entry(40'003);
  only_port.reply.source_port = 8081;
  ConntrackEntry both = tcp_entry(40'004);
  both.reply.source = address("172.16.0.9");
  both.reply.destination = address("192.168.0.100");
  both.reply.destination_port = 61'004;
  ConntrackEntry ping = plain_entry(tuple(IPPROTO_ICMP, "192.168.2.3", 77, "192.168.0.3", 8 << 8), kReplied);
  ping.reply.destination = address("192.168.0.100");
  ping.reply.source_port = 4711;
  ConntrackEntry v6 = plain_entry(tuple(IPPROTO_UDP, "fd00::3", 40'000, "2001:db8::3", 53));
  v6.reply.destination = address("2001:db8::100");
  v6.reply.destination_port = 50'000;
  const std::pair<ConntrackEntry, std::uint32_t> rows[] = {
      {source, status::kSourceNat},
      {source_port, status::kSourceNat},
      {destination, status::kDestinationNat},
      {only_port, status::kDestinationNat},
      {both, kNatBits},
      {ping, status::kSourceNat},
      {v6, status::kSourceNat},
  };
  for (const auto& [entry, bits] : rows) {
    const ConntrackEntry read = round_trip(table, entry);
    check_same(read, entry);
    CHECK((*read.status & kNatBits) == bits);
  }
  const std::string listing = output_of("conntrack -L 2>/dev/null");
  CHECK(contains(listing, "src=192.168.0.3 dst=192.168.0.100 sport=80 dport=61001"));
  CHECK(contains(listing, "src=172.16.0.9 dst=192.168.2.3 sport=8080 dport=40002"));
}

TEST_CASE("an entry without translation gets no NAT bits") {
  NetworkNamespace space;
  if (!space) return;
  ConntrackTable table = open_table();
  CHECK((*round_trip(table, tcp_entry()).status & kNatBits) == 0);
  const ConntrackEntry unreplied =
      plain_entry(tuple(IPPROTO_UDP, "10.0.0.1", 1, "10.0.0.2", 2), status::kConfirmed);
  const ConntrackEntry read = round_trip(table, unreplied);
  CHECK((*read.status & kNatBits) == 0);
  // Identity bindings: its next packet meets no NAT rule.
  CHECK((*read.status & status::kSourceNatDone) != 0);
  CHECK((*read.status & status::kDestinationNatDone) != 0);
}

TEST_CASE("mark, zone, helper and sequence adjustment are carried") {
  NetworkNamespace space;
  if (!space) return;
  ConntrackTable table = open_table();
  ConntrackEntry entry = plain_entry(tuple(IPPROTO_TCP, "192.168.2.3", 40'000, "192.168.0.3", 21));
  entry.tcp = TcpInfo{.state = TcpState::established};
  entry.mark = 0xdeadbeef;
  entry.key.zone = 42;
  entry.helper = "ftp";
  entry.sequence_adjustment =
      std::array{SequenceAdjustment{1000, 5, 9}, SequenceAdjustment{2000, 0, 0xfffffff0}};
  check_same(round_trip(table, entry), entry);
  const std::string listing = output_of("conntrack -L 2>/dev/null");
  CHECK(contains(listing, "mark=3735928559"));
  CHECK(contains(listing, "zone=42"));
  CHECK(contains(listing, "helper=ftp"));
}

TEST_CASE("a zone of one direction is carried, and its entry is updated and deleted by its name") {
  NetworkNamespace space;
  if (!space) return;
  ConntrackTable table = open_table();
  ConntrackEntry of_original = tcp_entry(40'000);
  of_original.key.zone = 7;
  of_original.reply_zone = 0;
  ConntrackEntry of_reply = tcp_entry(40'001);
  of_reply.reply_zone = 8;
  for (const ConntrackEntry& entry : {of_original, of_reply}) check_same(round_trip(table, entry), entry);
  const std::string listing = output_of("conntrack -L 2>/dev/null");
  CHECK(contains(listing, "zone-orig=7"));
  CHECK(contains(listing, "zone-reply=8"));
  for (const ConntrackEntry& entry : {of_original, of_reply}) {
    ConntrackEntry marked = entry;
    marked.mark = 5;
    CHECK(result_of(table, UpdateConntrack{marked}) == 0);
    CHECK(result_of(table, DeleteConntrack{entry.key}) == 0);
  }
  CHECK(dump_of(table).entries.empty());
}

TEST_CASE("a protocol that this kernel tracks by its addresses alone is carried without ports") {
  NetworkNamespace space;
  if (!space) return;
  ConntrackTable table = open_table();
  ConntrackEntry dccp = plain_entry(tuple(IPPROTO_DCCP, "10.0.0.1", 0, "10.0.1.1", 0));
  if (create(table, dccp) != 0) return;  // a kernel with DCCP wants its state
  const Dump dump = dump_of(table);
  REQUIRE(dump.entries.size() == 1);
  CHECK(dump.entries.front().key == dccp.key);
  CHECK(dump.entries.front().is_complete());
}

TEST_CASE("a related entry is tied to its master conntrack") {
  NetworkNamespace space;
  if (!space) return;
  ConntrackTable table = open_table();
  const ConntrackEntry control = tcp_entry(40'000);
  ConntrackEntry data = tcp_entry(40'001);
  data.status = kAssured | status::kExpected;
  data.master = control.key.original;
  REQUIRE(create(table, control) == 0);
  const ConntrackEntry read = round_trip(table, data);
  check_same(read, data);
  CHECK((*read.status & status::kExpected) != 0);
}

TEST_CASE("BE_LIBERAL stands raw in both directions where it is asked for, and an update can take it back") {
  NetworkNamespace space;
  if (!space) return;
  ConntrackTable table = open_table();
  const ConntrackEntry entry = tcp_entry();
  REQUIRE(apply(table, {{.id = 1, .action = CreateConntrack{entry}, .be_liberal = true}}).empty());
  CHECK(raw_tcp_flags() == std::vector<std::pair<int, int>>{{0x0b, 0x0b}});
  REQUIRE(apply(table, {{.id = 2, .action = UpdateConntrack{entry}, .be_liberal = false}}).empty());
  CHECK(raw_tcp_flags() == std::vector<std::pair<int, int>>{{0x03, 0x03}});
  REQUIRE(apply(table, {{.id = 3, .action = UpdateConntrack{entry}, .be_liberal = true}}).empty());
  CHECK(raw_tcp_flags() == std::vector<std::pair<int, int>>{{0x0b, 0x0b}});
}

TEST_CASE("an update without a TCP state makes an entry liberal and leaves its state and timeout alone") {
  NetworkNamespace space;
  if (!space) return;
  ConntrackTable table = open_table();
  ConntrackEntry entry = tcp_entry();
  entry.tcp->state = TcpState::fin_wait;
  REQUIRE(apply(table, {{.id = 1, .action = CreateConntrack{entry}, .be_liberal = false}}).empty());
  ConntrackEntry update{.key = entry.key, .reply = entry.reply};
  update.tcp = entry.tcp;
  update.tcp->state = TcpState::none;
  REQUIRE(apply(table, {{.id = 2, .action = UpdateConntrack{update}, .be_liberal = true}}).empty());
  CHECK(raw_tcp_flags() == std::vector<std::pair<int, int>>{{0x0b, 0x0b}});
  const Dump dump = dump_of(table);
  REQUIRE(dump.find(entry.key) != nullptr);
  CHECK(dump.find(entry.key)->tcp->state == TcpState::fin_wait);
}

TEST_CASE("an update changes state, timeout and mark, and keeps the translation") {
  NetworkNamespace space;
  if (!space) return;
  ConntrackTable table = open_table();
  ConntrackEntry entry = tcp_entry(40'000);
  entry.reply.destination = address("192.168.0.100");
  entry.tcp->state = TcpState::syn_recv;
  entry.status = kReplied;
  REQUIRE(create(table, entry) == 0);
  entry.tcp->state = TcpState::fin_wait;
  entry.status = kAssured;
  entry.timeout_s = 86'400;
  entry.mark = 5;
  CHECK(result_of(table, UpdateConntrack{entry}) == 0);
  const Dump dump = dump_of(table);
  REQUIRE(dump.find(entry.key) != nullptr);
  check_same(*dump.find(entry.key), entry);
  CHECK((*dump.find(entry.key)->status & kNatBits) == status::kSourceNat);
}

TEST_CASE("an update of a related entry carries EXPECTED") {
  NetworkNamespace space;
  if (!space) return;
  ConntrackTable table = open_table();
  ConntrackEntry data = tcp_entry(40'001);
  data.status = kAssured | status::kExpected;
  data.master = tcp_entry(40'000).key.original;
  REQUIRE(create(table, tcp_entry(40'000)) == 0);
  REQUIRE(create(table, data) == 0);
  CHECK(result_of(table, UpdateConntrack{data}) == 0);
  data.status = kAssured;
  CHECK(result_of(table, UpdateConntrack{data}) == EBUSY);
}

TEST_CASE("a delete removes exactly the entry of its key") {
  NetworkNamespace space;
  if (!space) return;
  ConntrackTable table = open_table();
  ConntrackEntry in_zone = tcp_entry(40'000);
  in_zone.key.zone = 3;
  REQUIRE(create(table, tcp_entry(40'000)) == 0);
  REQUIRE(create(table, in_zone) == 0);
  CHECK(result_of(table, DeleteConntrack{in_zone.key}) == 0);
  const Dump dump = dump_of(table);
  CHECK(dump.entries.size() == 1);
  CHECK(dump.find(tcp_entry(40'000).key) != nullptr);
}

TEST_CASE("each refusal of the kernel comes back with its errno") {
  NetworkNamespace space;
  if (!space) return;
  ConntrackTable table = open_table();
  const ConntrackEntry entry = tcp_entry(40'000);
  REQUIRE(create(table, entry) == 0);
  const auto changed = [](std::uint16_t port, auto change) {
    ConntrackEntry other = tcp_entry(port);
    change(other);
    return other;
  };
  CHECK(create(table, entry) == EEXIST);
  CHECK(create(table, changed(1, [](auto& e) { e.timeout_s.reset(); })) == EINVAL);
  CHECK(create(table, changed(2, [](auto& e) { e.master = tcp_entry(999).key.original; })) == ENOENT);
  CHECK(create(table, changed(3, [](auto& e) { e.helper = "nonsense"; })) == EOPNOTSUPP);
  // EXPECTED and DYING would be refused (EBUSY), so they are not written.
  CHECK(create(table, changed(4, [](auto& e) { *e.status |= status::kExpected | status::kDying; })) == 0);
  // A NAT port in use: the reply tuple clashes.
  CHECK(create(table, changed(5, [](auto& e) { e.reply.destination_port = 61'000; })) == 0);
  CHECK(create(table, changed(6, [](auto& e) { e.reply.destination_port = 61'000; })) == EEXIST);

  CHECK(result_of(table, UpdateConntrack{tcp_entry(7)}) == ENOENT);
  CHECK(result_of(table, UpdateConntrack{changed(40'000, [](auto& e) { e.status = status::kConfirmed; })}) ==
        EBUSY);
  CHECK(result_of(table, DeleteConntrack{tcp_entry(7).key}) == ENOENT);
  REQUIRE(create(table, changed(8, [](auto& e) { *e.status |= status::kFixedTimeout; })) == 0);
  CHECK(result_of(table, UpdateConntrack{changed(8, [](auto& e) { *e.status |= status::kFixedTimeout; })}) ==
        EPERM);
  // No ruleset in this namespace uses labels: ignored by a create, refused by an update.
  const auto labelled = [&](std::uint16_t port) {
    return changed(port, [](auto& e) { e.labels.assign(16, 1); });
  };
  CHECK(create(table, labelled(9)) == 0);
  CHECK(result_of(table, UpdateConntrack{labelled(9)}) == ENOSPC);
}

TEST_CASE("labels are carried once a rule uses them") {
  NetworkNamespace space;
  if (!space) return;
  output_of("nft 'add table inet t; add chain inet t c; add rule inet t c ct label set 1'");
  ConntrackTable table = open_table();
  ConntrackEntry entry = tcp_entry();
  entry.labels.assign(16, 0);
  entry.labels[0] = 0x06;
  entry.labels[15] = 0x80;
  CHECK(round_trip(table, entry).labels == entry.labels);
  entry.labels.assign(16, 0);
  entry.labels[1] = 0x01;
  CHECK(result_of(table, UpdateConntrack{entry}) == 0);
  CHECK(dump_of(table).entries.front().labels == entry.labels);
}

TEST_CASE("in a batch of 200 the refused operations are named and the others are done") {
  NetworkNamespace space;
  if (!space) return;
  ConntrackTable table = open_table();
  std::vector<Operation> operations;
  for (std::uint16_t i = 0; i < 200; ++i) {
    // Every third repeats the entry before it, the last of a batch of 64 (63, 126, 189) included.
    const auto port = static_cast<std::uint16_t>(i % 3 == 0 && i > 0 ? i - 1 : i);
    operations.push_back({.id = 1000U + i, .action = CreateConntrack{tcp_entry(port)}});
  }
  const auto refusals = apply(table, operations);
  CHECK(refusals.size() == 66);
  for (const Refusal& refusal : refusals) {
    CHECK((refusal.id - 1000) % 3 == 0);
    CHECK(refusal.error == EEXIST);
  }
  CHECK(dump_of(table).entries.size() == 134);
}

TEST_CASE(
    "when the kernel's answers are lost, the results are reported as unknown and the next batch works") {
  NetworkNamespace space;
  if (!space) return;
  auto table = ConntrackTable::open(1);  // the kernel makes it its smallest buffer
  REQUIRE(table.has_value());
  std::vector<Operation> operations;
  for (std::uint16_t i = 0; i < 64; ++i)
    operations.push_back({.id = i, .action = DeleteConntrack{tcp_entry(i).key}});
  const auto refusals = apply(*table, operations);
  CHECK(refusals.size() == 64);
  for (const Refusal& refusal : refusals) CHECK(refusal.error == kResultUnknown);
  CHECK(table->counters().unknown_results == 64);
  CHECK(create(*table, tcp_entry()) == 0);
  CHECK(create(*table, tcp_entry()) == EEXIST);
}

TEST_CASE("without CAP_NET_ADMIN the table and its events are refused in words") {
  NetworkNamespace space;
  if (!space) return;
  REQUIRE(::seteuid(65'534) == 0);
  const auto table = ConntrackTable::open();
  const auto capture = Capture::open({});
  REQUIRE(::seteuid(0) == 0);
  REQUIRE_FALSE(table.has_value());
  CHECK(table.error().blame == Blame::system);
  CHECK(table.error().code == EPERM);
  CHECK(table.error().text == "writing the conntrack table is not permitted: it needs CAP_NET_ADMIN");
  REQUIRE_FALSE(capture.has_value());
  CHECK(capture.error().text == "reading conntrack events is not permitted: it needs CAP_NET_ADMIN");
}

TEST_CASE("nothing to do is nothing done") {
  NetworkNamespace space;
  if (!space) return;
  ConntrackTable table = open_table();
  CHECK(apply(table, {}).empty());
  CHECK(dump_of(table).entries.empty());
  CHECK_FALSE(table.dumping());
}

TEST_CASE("a dump that is begun again drops the one under way") {
  NetworkNamespace space;
  if (!space) return;
  ConntrackTable table = open_table();
  std::vector<Operation> operations;
  for (std::uint16_t i = 0; i < 2000; ++i)
    operations.push_back({.id = i, .action = CreateConntrack{tcp_entry(i)}});
  REQUIRE(apply(table, operations).empty());
  REQUIRE(table.begin_dump().has_value());
  const auto first = table.next_dump_piece();
  REQUIRE(first.has_value());
  CHECK(first->entries.size() < 2000);
  CHECK(dump_of(table).entries.size() == 2000);
}

TEST_CASE("200,000 creates: the rate of the injector") {
  NetworkNamespace space;
  if (!space) return;
  ConntrackTable table = open_table();
  constexpr std::uint32_t kEntries = 200'000;
  std::vector<Operation> operations;
  for (std::uint32_t i = 0; i < kEntries; ++i) {
    ConntrackEntry entry = tcp_entry(static_cast<std::uint16_t>(i));
    entry.key.original.source =
        IpAddress::ipv4({10, 0, static_cast<std::uint8_t>(i >> 24), static_cast<std::uint8_t>(i >> 16)});
    entry.reply = entry.key.original.inverse();
    operations.push_back({.id = i, .action = CreateConntrack{std::move(entry)}});
  }
  const Instant before = monotonic_now();
  const auto refusals = apply(table, std::move(operations));
  const double seconds = in_milliseconds(monotonic_now() - before) / 1000;
  const Instant dump_before = monotonic_now();
  const std::size_t read = dump_of(table).entries.size();
  const double dump_seconds = in_milliseconds(monotonic_now() - dump_before) / 1000;
  std::printf("created %zu entries in %.2f s (%.0f per second), dumped in %.2f s\n",
              kEntries - refusals.size(), seconds, kEntries / seconds, dump_seconds);
  CHECK(read + refusals.size() == kEntries);
  // The table has a limit for the whole machine (nf_conntrack_max).
  for (const Refusal& refusal : refusals) CHECK(refusal.error == ENOMEM);
}

}  // namespace
}  // namespace ftfw::sync
