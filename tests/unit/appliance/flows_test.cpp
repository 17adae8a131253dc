// What "flows" answers: filters and forms by themselves, then the kernel's table in a namespace of its own,
// compared with conntrack(8).
#include <doctest/doctest.h>
#include <netinet/in.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <regex>
#include <sstream>
#include <vector>

#include "appliance/flows/command.hpp"
#include "appliance/flows/filter.hpp"
#include "appliance/flows/kernel_source.hpp"
#include "appliance/flows/lines.hpp"
#include "tests/unit/sync/linux_entries.hpp"
#include "tests/unit/sync/linux_namespace.hpp"

using namespace ftfw;
using sync::testing::address;
using sync::testing::plain_entry;
using sync::testing::tcp_entry;
using sync::testing::tuple;

namespace {

// A source that holds values, as a table in memory would: one a piece, and it waits once.
class ValueSource : public FlowSource {
 public:
  explicit ValueSource(std::vector<sync::ConntrackEntry> entries) : entries_(std::move(entries)) {}
  Result<AnswerStream::Progress> next(FlowSink& sink) override {
    if (!std::exchange(waited_, true)) return AnswerStream::Progress::waits;
    if (next_ == entries_.size()) return AnswerStream::Progress::finished;
    sink.take(entries_[next_++]);
    return AnswerStream::Progress::more;
  }

 private:
  std::vector<sync::ConntrackEntry> entries_;
  std::size_t next_ = 0;
  bool waited_ = false;
};

OpenFlowSource holding(std::vector<sync::ConntrackEntry> entries) {
  return [entries](FlowKind) -> Result<std::unique_ptr<FlowSource>> {
    return std::make_unique<ValueSource>(entries);
  };
}

// The whole answer, or "error: ..." at its end.
std::string ask(const OpenFlowSource& source, const std::string& words) {
  const Answer answer = flows_command(source).handle(Words(words));
  if (!answer) return "error: " + answer.error().text;
  std::string text;
  for (;;) {
    const auto progress = (*answer)->next(text);
    if (!progress) return text + "error: " + progress.error().text;
    if (*progress == AnswerStream::Progress::finished) return text;
  }
}

std::size_t count(const OpenFlowSource& source, const std::string& words) {
  const std::string answer = ask(source, words + " --count");
  REQUIRE_FALSE(answer.starts_with("error"));
  return std::stoul(answer);
}

// The table that the filters are tried on.
std::vector<sync::ConntrackEntry> some_entries() {
  sync::ConntrackEntry web = tcp_entry(40'000);  // 192.168.2.3:40000 > 192.168.0.3:80
  web.mark = 0x15;
  sync::ConntrackEntry closing = tcp_entry(40'001, sync::TcpState::fin_wait);
  closing.key.zone = 7;
  sync::ConntrackEntry dns = plain_entry(tuple(IPPROTO_UDP, "192.168.2.4", 40'000, "192.168.0.3", 53));
  dns.reply.destination = address("192.168.0.100");  // source-translated
  const sync::ConntrackEntry ping =
      plain_entry(tuple(IPPROTO_ICMP, "192.168.2.3", 80, "192.168.0.3", 8 << 8));
  const sync::ConntrackEntry six = plain_entry(tuple(IPPROTO_UDP, "2001:db8::3", 5000, "2001:db8:1::3", 53));
  return {web, closing, dns, ping, six};
}

// Timeouts go on between two looks, and so does the number of users.
std::vector<std::string> comparable(const std::string& text) {
  static const std::regex timeout("^((?:\\S+ +\\d+ +)?\\S+ +\\d+ )\\d+ ");
  static const std::regex users(" use=\\d+");
  static const std::regex expected("^\\d+ ");
  std::vector<std::string> lines;
  std::istringstream stream(text);
  for (std::string line; std::getline(stream, line);) {
    line = std::regex_replace(line, timeout, "$1T ");
    line = std::regex_replace(line, expected, "T ");
    lines.push_back(std::regex_replace(line, users, ""));
  }
  std::ranges::sort(lines);
  return lines;
}

// A label can be attached only where a rule uses labels; NAT, a zone, IPv6, ICMP, GRE, a helper's master.
void fill_kernel(sync::ConntrackTable& table) {
  std::vector<sync::ConntrackEntry> entries = some_entries();
  sync::ConntrackEntry mail = tcp_entry(40'002, sync::TcpState::syn_recv);
  mail.status = sync::status::kConfirmed;  // [UNREPLIED]
  entries.push_back(mail);
  entries.push_back(plain_entry(tuple(IPPROTO_GRE, "192.168.2.3", 17, "192.168.0.3", 18)));
  sync::ConntrackEntry sctp = plain_entry(tuple(IPPROTO_SCTP, "192.168.2.3", 5000, "192.168.0.3", 5001));
  sctp.sctp = sync::SctpInfo{.state = 4, .tag_original = 1, .tag_reply = 2};
  entries.push_back(sctp);
  std::vector<sync::Operation> operations;
  for (sync::ConntrackEntry& entry : entries) {
    operations.push_back({.id = operations.size(), .action = sync::CreateConntrack{std::move(entry)}});
  }
  REQUIRE(sync::testing::apply(table, operations).empty());
}

}  // namespace

TEST_CASE("each option selects what conntrack(8) selects with it, and all must hold") {
  const OpenFlowSource source = holding(some_entries());

  CHECK(count(source, "") == 5);
  CHECK(count(source, "--family ipv4") == 4);
  CHECK(count(source, "--family ipv6") == 1);
  CHECK(count(source, "--protocol tcp") == 2);
  CHECK(count(source, "--protocol 17") == 2);
  CHECK(count(source, "--source 192.168.2.3") == 3);
  CHECK(count(source, "--source 192.168.2.0/29") == 4);
  CHECK(count(source, "--destination 2001:db8:1::/48") == 1);
  CHECK(count(source, "--reply-source 192.168.0.3") == 4);
  CHECK(count(source, "--reply-destination 192.168.0.100") == 1);
  CHECK(count(source, "--port 40000") == 2);
  CHECK(count(source, "--port 53") == 2);
  CHECK(count(source, "--port 80") == 2);  // the ping's identifier is no port
  CHECK(count(source, "--source-port 40001") == 1);
  CHECK(count(source, "--destination-port 53") == 2);
  CHECK(count(source, "--state ESTABLISHED") == 1);
  CHECK(count(source, "--state fin_wait") == 1);
  CHECK(count(source, "--mark 21") == 1);
  CHECK(count(source, "--mark 0x5/0xf") == 1);
  CHECK(count(source, "--mark 0") == 4);
  CHECK(count(source, "--zone 7") == 1);
  CHECK(count(source, "--zone 0") == 4);
  CHECK(count(source, "--protocol tcp --zone 0 --port 80 --state ESTABLISHED") == 1);
  CHECK(count(source, "--protocol udp --state ESTABLISHED") == 0);
}

TEST_CASE("a wrong value says what to write instead") {
  const OpenFlowSource source = holding({});
  const auto refused = [&](const std::string& words) { return ask(source, words); };

  CHECK(refused("--family ip") == "error: --family ip: expected ipv4 or ipv6");
  CHECK(refused("--protocol tpc") ==
        "error: --protocol tpc: expected tcp, udp, ... or a number from 0 to 255");
  CHECK(refused("--protocol 256").starts_with("error: --protocol 256"));
  CHECK(refused("--source 192.168.2") ==
        "error: --source 192.168.2: expected an address or a network such as 192.168.2.0/24");
  CHECK(refused("--port 65536") == "error: --port 65536: expected a port, 0 to 65535");
  CHECK(refused("--port -1") == "error: --port -1: expected a port, 0 to 65535");
  CHECK(refused("--state OPENED") ==
        "error: --state OPENED: expected a state of TCP, SCTP or DCCP such as ESTABLISHED");
  CHECK(refused("--mark 1/") == "error: --mark 1/: expected MARK or MARK/MASK, decimal or 0x...");
  CHECK(refused("--zone 70000") == "error: --zone 70000: expected a zone, 0 to 65535");
  CHECK(refused("--output xml") == "error: --output xml: expected extended");
  CHECK(refused("--zone") == "error: '--zone' is not understood here, or lacks its value");
}

TEST_CASE("flows as JSON are one document, whatever its length") {
  sync::ConntrackEntry entry = some_entries()[2];
  entry.timeout_s = 30;
  entry.labels = {0, 0b10};
  entry.helper = "tftp";
  entry.master = tuple(IPPROTO_TCP, "192.168.2.4", 1, "192.168.0.3", 2);
  const auto one = nlohmann::json::parse(ask(holding({entry}), "--json"));
  const auto all = nlohmann::json::parse(ask(holding(some_entries()), "--json"));
  const auto none = nlohmann::json::parse(ask(holding({}), "--json"));
  const auto counted = nlohmann::json::parse(ask(holding(some_entries()), "--json --count"));

  CHECK(one["flows"][0] ==
        nlohmann::json::parse(R"({"family": "ipv4", "protocol": "udp", "timeout_seconds": 30,
    "original": {"source": "192.168.2.4", "destination": "192.168.0.3", "source_port": 40000, "destination_port": 53},
    "reply": {"source": "192.168.0.3", "destination": "192.168.0.100", "source_port": 53, "destination_port": 40000},
    "status": ["SEEN_REPLY", "ASSURED", "CONFIRMED"], "mark": 0, "zone": 0, "labels": [9], "helper": "tftp",
    "master": {"source": "192.168.2.4", "destination": "192.168.0.3", "source_port": 1, "destination_port": 2}})"));
  CHECK(one["schema"] == 1);
  CHECK(all["count"] == 5);
  CHECK(all["flows"].size() == 5);
  CHECK(all["flows"][1]["state"] == "FIN_WAIT");
  CHECK(all["flows"][3]["original"] ==
        nlohmann::json::parse(
            R"({"source": "192.168.2.3", "destination": "192.168.0.3", "type": 8, "code": 0, "id": 80})"));
  CHECK(none == nlohmann::json::parse(R"({"schema": 1, "flows": [], "count": 0})"));
  CHECK(counted == nlohmann::json::parse(R"({"schema": 1, "count": 5})"));
}

TEST_CASE("the kernel's flows are listed in the very lines of conntrack(8), with each of its filters") {
  const sync::testing::NetworkNamespace own;
  if (!own) return;
  sync::ConntrackTable table = sync::testing::open_table();
  fill_kernel(table);
  const std::vector<std::pair<std::string, std::string>> same{
      {"", ""},
      {"--output extended", "-o extended"},
      {"--family ipv4", "-f ipv4"},
      {"--family ipv6", "-f ipv6"},
      {"--protocol tcp", "-p tcp"},
      {"--source 192.168.2.4", "-s 192.168.2.4"},
      {"--source 192.168.2.0/29", "-s 192.168.2.0/29"},
      {"--destination 192.168.0.3", "-d 192.168.0.3"},
      {"--reply-destination 192.168.0.100", "-q 192.168.0.100"},
      {"--protocol tcp --state FIN_WAIT", "-p tcp --state FIN_WAIT"},
      {"--protocol tcp --source-port 40001", "-p tcp --sport 40001"},
      {"--protocol udp --destination-port 53", "-p udp --dport 53"},
      {"--mark 0x5/0xf", "-m 0x5/0xf"},
      {"--zone 7", "-w 7"},
  };

  for (const auto& [ours, theirs] : same) {
    CAPTURE(ours);
    const auto expected = comparable(sync::testing::output_of("conntrack -L " + theirs + " 2>/dev/null"));
    CHECK(comparable(ask(open_kernel_flows, ours)) == expected);
    CHECK(count(open_kernel_flows, ours) == expected.size());
    CHECK_FALSE(expected.empty());
  }
  CHECK(nlohmann::json::parse(ask(open_kernel_flows, "--json"))["count"] == count(open_kernel_flows, ""));
}

TEST_CASE("a flow that is held in memory has the line that the kernel's has") {
  const sync::testing::NetworkNamespace own;
  if (!own) return;
  sync::ConntrackTable table = sync::testing::open_table();
  fill_kernel(table);
  std::vector<sync::ConntrackEntry> entries;
  REQUIRE(table.begin_dump());
  while (table.dumping()) {
    auto piece = table.next_dump_piece();
    REQUIRE(piece);
    std::ranges::move(piece->entries, std::back_inserter(entries));
  }

  CHECK(comparable(ask(holding(entries), "--output extended")) ==
        comparable(ask(open_kernel_flows, "--output extended")));
}

TEST_CASE("expectations are listed in the very lines of conntrack(8), from the kernel and from memory") {
  const sync::testing::NetworkNamespace own;
  if (!own) return;
  sync::ConntrackTable table = sync::testing::open_table();
  sync::ConntrackEntry control = plain_entry(tuple(IPPROTO_TCP, "192.168.2.3", 40'000, "192.168.0.3", 5060));
  control.tcp = sync::TcpInfo{.state = sync::TcpState::established};
  control.helper = "sip";
  REQUIRE(sync::testing::create(table, control) == 0);
  sync::Expectation expectation;
  expectation.key.expected = tuple(IPPROTO_UDP, "192.168.2.3", 0, "192.168.0.3", 20'001);
  expectation.mask = tuple(IPPROTO_UDP, "255.255.255.255", 0, "255.255.255.255", 0xffff);
  expectation.master = control.key.original;
  expectation.timeout_s = 100;
  expectation.expect_class = 1;
  expectation.flags = 1;  // NF_CT_EXPECT_PERMANENT
  expectation.helper = control.helper;
  REQUIRE(sync::testing::result_of(table, sync::CreateExpectation{expectation}) == 0);
  const OpenFlowSource memory = [&](FlowKind) -> Result<std::unique_ptr<FlowSource>> {
    class One : public FlowSource {
     public:
      explicit One(sync::Expectation one) : one_(std::move(one)) {}
      Result<AnswerStream::Progress> next(FlowSink& sink) override {
        sink.take(one_);
        return AnswerStream::Progress::finished;
      }

     private:
      sync::Expectation one_;
    };
    return std::make_unique<One>(expectation);
  };

  const auto expected = comparable(sync::testing::output_of("conntrack -L expect 2>/dev/null"));
  CHECK(expected.size() == 1);
  CHECK(comparable(ask(open_kernel_flows, "--expectations")) == expected);
  CHECK(comparable(ask(memory, "--expectations")) == expected);
  CHECK(count(open_kernel_flows, "--expectations --port 20001 --protocol udp") == 1);
  CHECK(count(open_kernel_flows, "--expectations --port 20002") == 0);
  const auto object = nlohmann::json::parse(ask(open_kernel_flows, "--expectations --json"))["flows"][0];
  CHECK(object["helper"] == "sip");
  CHECK(object["flags"] == nlohmann::json::parse(R"(["PERMANENT"])"));
  CHECK(object["expected"]["destination_port"] == 20'001);
  CHECK(object["master"]["destination_port"] == 5060);
}
