// Expectations against the real kernel: whole, as it keeps them.
#include <doctest/doctest.h>

#include <cerrno>

#include "tests/unit/sync/linux_entries.hpp"
#include "tests/unit/sync/linux_namespace.hpp"

namespace ftfw::sync {
namespace {

using namespace testing;

ConntrackEntry control_entry(std::uint16_t port, std::string_view helper) {
  ConntrackEntry entry = plain_entry(tuple(IPPROTO_TCP, "192.168.2.3", 40'000, "192.168.0.3", port));
  entry.tcp = TcpInfo{.state = TcpState::established};
  entry.helper = helper;
  return entry;
}

Expectation ftp_expectation(const ConntrackEntry& control, std::uint16_t port = 20'001) {
  Expectation expectation;
  expectation.key.expected = tuple(IPPROTO_TCP, "192.168.2.3", 0, "192.168.0.3", port);
  expectation.mask = tuple(IPPROTO_TCP, "255.255.255.255", 0, "255.255.255.255", 0xffff);
  expectation.master = control.key.original;
  expectation.timeout_s = 100;
  expectation.helper = control.helper;
  return expectation;
}

TEST_CASE("an expectation keeps its timeout, which the kernel ignores in a create") {
  NetworkNamespace space;
  if (!space) return;
  ConntrackTable table = open_table();
  const ConntrackEntry control = control_entry(21, "ftp");
  REQUIRE(create(table, control) == 0);
  CHECK(result_of(table, CreateExpectation{ftp_expectation(control)}) == 0);
  const Dump dump = dump_of(table);
  REQUIRE(dump.expectations.size() == 1);
  Expectation read = dump.expectations.front();
  CHECK(read.timeout_s <= 100);
  CHECK(read.timeout_s >= 95);
  read.timeout_s = 100;
  read.function.clear();
  CHECK(read == ftp_expectation(control));
  const std::string listing = output_of("conntrack -L expect 2>/dev/null");
  CHECK(listing.find("dport=20001") != std::string::npos);
  CHECK(listing.find("helper=ftp") != std::string::npos);
}

TEST_CASE("class, NAT direction, saved address and function come back") {
  NetworkNamespace space;
  if (!space) return;
  ConntrackTable table = open_table();
  const ConntrackEntry control = control_entry(5060, "sip");
  REQUIRE(create(table, control) == 0);
  Expectation expectation = ftp_expectation(control, 30'000);
  expectation.key.expected.protocol = expectation.mask.protocol = IPPROTO_UDP;
  expectation.expect_class = 1;
  expectation.flags = 1;  // NF_CT_EXPECT_PERMANENT
  expectation.nat =
      ExpectationNat{.direction = 1, .tuple = tuple(IPPROTO_TCP, "192.168.2.3", 30'000, "0.0.0.0", 0)};
  expectation.function = "nat-follow-master";
  CHECK(result_of(table, CreateExpectation{expectation}) == 0);
  const Dump dump = dump_of(table);
  REQUIRE(dump.expectations.size() == 1);
  const Expectation& read = dump.expectations.front();
  CHECK(read.expect_class == 1);
  CHECK(read.flags == 1);
  CHECK(read.nat == expectation.nat);
  CHECK(read.function == "nat-follow-master");
  CHECK(read.helper == "sip");
  CHECK(read.key == expectation.key);
}

TEST_CASE("an IPv6 expectation is created and deleted in its zone, which the kernel does not report") {
  NetworkNamespace space;
  if (!space) return;
  ConntrackTable table = open_table();
  ConntrackEntry control = plain_entry(tuple(IPPROTO_TCP, "2001:db8:2::3", 40'000, "2001:db8::3", 21));
  control.tcp = TcpInfo{.state = TcpState::established};
  control.helper = "ftp";
  control.key.zone = 9;
  REQUIRE(create(table, control) == 0);
  Expectation expectation = ftp_expectation(control);
  constexpr std::string_view kAllOnes = "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff";
  expectation.key = {.expected = tuple(IPPROTO_TCP, "2001:db8:2::3", 0, "2001:db8::3", 20'001), .zone = 9};
  expectation.mask = tuple(IPPROTO_TCP, kAllOnes, 0, kAllOnes, 0xffff);
  CHECK(result_of(table, CreateExpectation{expectation}) == 0);
  REQUIRE(dump_of(table).expectations.size() == 1);
  CHECK(dump_of(table).expectations.front().key.expected == expectation.key.expected);
  CHECK(dump_of(table).expectations.front().key.zone == 0);
  CHECK(dump_of(table).expectations.front().mask == expectation.mask);
  CHECK(result_of(table, DeleteExpectation{{.expected = expectation.key.expected, .zone = 8}}) == ENOENT);
  CHECK(result_of(table, DeleteExpectation{expectation.key}) == 0);
  CHECK(dump_of(table).expectations.empty());
}

TEST_CASE("each refusal of an expectation comes back once, with its errno") {
  NetworkNamespace space;
  if (!space) return;
  ConntrackTable table = open_table();
  const ConntrackEntry control = control_entry(21, "ftp");
  CHECK(result_of(table, CreateExpectation{ftp_expectation(control)}) == ENOENT);
  REQUIRE(create(table, control_entry(80, "")) == 0);
  Expectation without_helper = ftp_expectation(control_entry(80, ""));
  CHECK(result_of(table, CreateExpectation{without_helper}) == EOPNOTSUPP);
  REQUIRE(create(table, control) == 0);
  REQUIRE(result_of(table, CreateExpectation{ftp_expectation(control)}) == 0);
  CHECK(result_of(table, CreateExpectation{ftp_expectation(control)}) == EEXIST);
  ConntrackEntry other = control;
  other.key.original.source_port = 40'001;
  other.reply = other.key.original.inverse();
  REQUIRE(create(table, other) == 0);
  // Overlapping, neither found by the other's tuple: one asks for source port 5, the other for any.
  Expectation narrow = ftp_expectation(other, 20'003);
  narrow.key.expected.source_port = 5;
  narrow.mask.source_port = 0xffff;
  REQUIRE(result_of(table, CreateExpectation{narrow}) == 0);
  CHECK(result_of(table, CreateExpectation{ftp_expectation(control, 20'003)}) == EBUSY);
}

TEST_CASE("an expectation ends with its master conntrack") {
  NetworkNamespace space;
  if (!space) return;
  ConntrackTable table = open_table();
  const ConntrackEntry control = control_entry(21, "ftp");
  REQUIRE(create(table, control) == 0);
  REQUIRE(result_of(table, CreateExpectation{ftp_expectation(control)}) == 0);
  REQUIRE(result_of(table, DeleteConntrack{control.key}) == 0);
  CHECK(dump_of(table).expectations.empty());
}

}  // namespace
}  // namespace ftfw::sync
