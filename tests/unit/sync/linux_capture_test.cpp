// Capture against the real kernel: what it sees, what it does not see, and that a loss is noticed.
#include <doctest/doctest.h>

#include <poll.h>

#include <cstdlib>

#include "sync/linux/kernel_facts.hpp"
#include "tests/unit/sync/linux_entries.hpp"
#include "tests/unit/sync/linux_events.hpp"
#include "tests/unit/sync/linux_namespace.hpp"

namespace ftfw::sync {
namespace {

using namespace testing;

TEST_CASE("another socket's create, update and destroy arrive in order, with what they carry") {
  NetworkNamespace space;
  if (!space) return;
  ConntrackTable injector = open_table();
  ConntrackTable other = open_table();
  Capture capture = open_capture({.filter = {.ignore_port_id = injector.port_id()}});
  ConntrackEntry entry = tcp_entry();
  entry.reply.destination = address("192.168.0.100");
  entry.mark = 9;
  REQUIRE(create(other, entry) == 0);
  entry.tcp->state = TcpState::fin_wait;
  REQUIRE(result_of(other, UpdateConntrack{entry}) == 0);
  REQUIRE(result_of(other, DeleteConntrack{entry.key}) == 0);
  const auto events = all_events(capture);
  REQUIRE(events.size() == 3);
  CHECK(conntrack(events[0]).change == Change::created);
  CHECK(conntrack(events[0]).entry.reply == entry.reply);
  CHECK(conntrack(events[0]).entry.mark == 9);
  CHECK(conntrack(events[0]).entry.tcp->state == TcpState::established);
  CHECK(conntrack(events[1]).change == Change::updated);
  CHECK(conntrack(events[1]).entry.tcp->state == TcpState::fin_wait);
  CHECK(conntrack(events[2]).change == Change::destroyed);
  CHECK(conntrack(events[2]).entry.key == entry.key);
  CHECK(capture.counters().events == 3);
}

TEST_CASE("own injections never arrive, conntracks and expectations alike") {
  NetworkNamespace space;
  if (!space) return;
  ConntrackTable injector = open_table();
  Capture capture = open_capture({.filter = {.ignore_port_id = injector.port_id()}});
  ConntrackEntry entry = plain_entry(tuple(IPPROTO_TCP, "192.168.2.3", 40'000, "192.168.0.3", 21));
  entry.tcp = TcpInfo{.state = TcpState::established};
  entry.helper = "ftp";
  Expectation expectation;
  expectation.key.expected = tuple(IPPROTO_TCP, "192.168.2.3", 0, "192.168.0.3", 20'001);
  expectation.mask = tuple(IPPROTO_TCP, "255.255.255.255", 0, "255.255.255.255", 0xffff);
  expectation.master = entry.key.original;
  expectation.timeout_s = 100;
  expectation.helper = "ftp";
  REQUIRE(create(injector, entry) == 0);
  REQUIRE(result_of(injector, UpdateConntrack{entry}) == 0);
  REQUIRE(result_of(injector, CreateExpectation{expectation}) == 0);
  REQUIRE(result_of(injector, DeleteExpectation{expectation.key}) == 0);
  CHECK(all_events(capture).empty());

  // An expectation of somebody else is seen; its end with the master conntrack is the kernel's own deed, port
  // id 0, and is seen although the injector deleted the master.
  ConntrackTable other = open_table();
  REQUIRE(result_of(other, CreateExpectation{expectation}) == 0);
  REQUIRE(result_of(injector, DeleteConntrack{entry.key}) == 0);
  const auto events = all_events(capture);
  REQUIRE(events.size() == 2);
  CHECK(std::get<ExpectationEvent>(events[0]).change == Change::created);
  CHECK(std::get<ExpectationEvent>(events[0]).expectation.key == expectation.key);
  CHECK(std::get<ExpectationEvent>(events[1]).change == Change::destroyed);
}

TEST_CASE("while nobody wants events none are made, and after that they arrive again") {
  NetworkNamespace space;
  if (!space) return;
  ConntrackTable other = open_table();
  Capture capture = open_capture({});
  auto events = capture.make_switch();
  REQUIRE(events.has_value());
  REQUIRE(events->listen(false).has_value());
  REQUIRE(create(other, tcp_entry(1)) == 0);
  CHECK(all_events(capture).empty());
  REQUIRE(events->listen(true).has_value());
  REQUIRE(create(other, tcp_entry(2)) == 0);
  const auto seen = all_events(capture);
  REQUIRE(seen.size() == 1);
  CHECK(conntrack(seen[0]).entry.key == tcp_entry(2).key);
  CHECK(capture.counters().overruns == 0);
}

TEST_CASE("conntrack(8)'s changes arrive") {
  NetworkNamespace space;
  if (!space) return;
  Capture capture = open_capture({});
  output_of("conntrack -I -p udp -s 10.0.0.1 -d 10.0.0.2 --sport 1 --dport 2 -t 60 -m 3 2>/dev/null");
  output_of("conntrack -D -p udp -s 10.0.0.1 2>/dev/null");
  const auto events = all_events(capture);
  REQUIRE(events.size() == 2);
  CHECK(conntrack(events[0]).entry.key.original == tuple(IPPROTO_UDP, "10.0.0.1", 1, "10.0.0.2", 2));
  CHECK(conntrack(events[0]).entry.mark == 3);
  CHECK(conntrack(events[1]).change == Change::destroyed);
}

TEST_CASE("events lost for want of room are reported as an overrun, and reading goes on") {
  NetworkNamespace space;
  if (!space) return;
  ConntrackTable other = open_table();
  Capture capture = open_capture({.receive_buffer_bytes = 8 << 10});
  std::vector<Operation> operations;
  for (std::uint16_t i = 0; i < 1000; ++i)
    operations.push_back({.id = i, .action = CreateConntrack{tcp_entry(i)}});
  REQUIRE(apply(other, operations).empty());
  auto captured = capture.read();
  REQUIRE(captured.has_value());
  CHECK(captured->overrun);
  CHECK(capture.counters().overruns == 1);
  std::size_t seen = 0;
  while (!captured->events.empty()) {
    seen += captured->events.size();
    captured = capture.read();
    REQUIRE(captured.has_value());
  }
  CHECK(seen < 1000);
  REQUIRE(create(other, tcp_entry(2000)) == 0);
  CHECK(all_events(capture).size() == 1);
}

TEST_CASE("a burst of 20,000 events is not lost in the default buffer") {
  NetworkNamespace space;
  if (!space) return;
  ConntrackTable other = open_table();
  Capture capture = open_capture({});
  std::vector<Operation> operations;
  for (std::uint32_t i = 0; i < 20'000; ++i) {
    operations.push_back({.id = i, .action = CreateConntrack{tcp_entry(static_cast<std::uint16_t>(i))}});
  }
  REQUIRE(apply(other, operations).empty());
  CHECK(all_events(capture).size() == 20'000);
}

std::size_t destroys_after_overrun(bool reliable) {
  constexpr std::size_t kEntries = 2000;
  // As the daemon does: an entry that nobody listened to when it was made has no events otherwise.
  output_of("echo 1 > /proc/sys/net/netfilter/nf_conntrack_events");
  ConntrackTable other = open_table();
  std::vector<Operation> creates;
  std::vector<Operation> deletes;
  for (std::uint16_t i = 0; i < kEntries; ++i) {
    const ConntrackEntry entry = tcp_entry(i);
    creates.push_back({.id = i, .action = CreateConntrack{entry}});
    deletes.push_back({.id = i, .action = DeleteConntrack{entry.key}});
  }
  REQUIRE(apply(other, creates).empty());
  Capture capture = open_capture({.receive_buffer_bytes = 64 << 10, .reliable_destroy = reliable});
  REQUIRE(apply(other, deletes).empty());
  CHECK(capture.buffer().lost_events > 0);
  std::size_t destroyed = 0;
  // The kernel begins to try again after a second (nf_conntrack_ecache.c).
  pollfd wait{capture.fd(), POLLIN, 0};
  constexpr int kQuietMs = 2500;
  while (destroyed < kEntries && ::poll(&wait, 1, kQuietMs) > 0) {
    const auto captured = capture.read();
    REQUIRE(captured.has_value());
    for (const Event& event : captured->events) {
      if (conntrack(event).change == Change::destroyed) ++destroyed;
    }
  }
  CHECK(capture.counters().overruns > 0);
  return destroyed;
}

TEST_CASE("destroy events that did not fit come later if they are asked to be reliable, and never if not") {
  NetworkNamespace space;
  if (!space) return;
  CHECK(destroys_after_overrun(true) == 2000);
  CHECK(destroys_after_overrun(false) < 2000);
}

TEST_CASE("the buffer's figures: its size, what waits in it, what was lost") {
  NetworkNamespace space;
  if (!space) return;
  ConntrackTable other = open_table();
  Capture capture = open_capture({.receive_buffer_bytes = 1 << 20});
  CHECK(capture.buffer().size_bytes == 2U << 20);
  CHECK(capture.buffer().used_bytes == 0);
  CHECK(capture.buffer().lost_events == 0);
  for (std::uint16_t i = 0; i < 100; ++i) REQUIRE(create(other, tcp_entry(i)) == 0);
  const CaptureBuffer waiting = capture.buffer();
  CHECK(waiting.used_bytes > 0);
  MESSAGE("one event costs ", waiting.used_bytes / 100, " bytes of the buffer");
  CHECK(all_events(capture).size() == 100);
  CHECK(capture.buffer().used_bytes == 0);
}

TEST_CASE("the kernel's timeouts are read, and normal for an entry by its state") {
  NetworkNamespace space;
  if (!space) return;
  output_of("echo 4711 > /proc/sys/net/netfilter/nf_conntrack_tcp_timeout_established");
  const auto facts = read_kernel_facts();
  REQUIRE(facts.has_value());
  CHECK(facts->conntrack_max > 0);
  CHECK(facts->tracks_sctp);
  CHECK(facts->timeouts.for_entry(tcp_entry()) == 4711);
  CHECK(facts->timeouts.for_entry(tcp_entry(1, TcpState::close)) == 10);
  ConntrackEntry offloaded = tcp_entry();
  offloaded.tcp.reset();
  CHECK(facts->timeouts.for_entry(offloaded) == 4711);
  const Tuple udp = tuple(IPPROTO_UDP, "10.0.0.1", 1, "10.0.0.2", 2);
  CHECK(facts->timeouts.for_entry(plain_entry(udp, kReplied)) == 30);
  CHECK(facts->timeouts.for_entry(plain_entry(udp)) == 120);
  CHECK(read_conntrack_count() == 0);
  CHECK(read_kernel_facts("/nonexistent").error().blame == Blame::system);
}

}  // namespace
}  // namespace ftfw::sync
