#include "sync/table_digest.hpp"

#include <doctest/doctest.h>

#include <functional>

#include "tests/unit/sync/samples.hpp"

using namespace ftfw;
using namespace ftfw::sync;
using namespace ftfw::sync::test;

namespace {

constexpr std::uint64_t kSalt = 0x1122334455667788;

std::vector<std::uint32_t> digests_of(const std::vector<ConntrackEntry>& entries,
                                      const std::vector<Expectation>& expectations = {}, unsigned bits = 4,
                                      LeftOut left_out = {}) {
  TableDigest table;
  table.begin(kSalt, left_out);
  for (const ConntrackEntry& entry : entries) CHECK(table.add(entry));
  for (const Expectation& expectation : expectations) CHECK(table.add(expectation));
  return table.digests(bits);
}

struct Edit {
  const char* what;
  bool counts;
  std::function<void(ConntrackEntry&)> apply;
};

}  // namespace

TEST_CASE("what must be equal counts, what may differ between two healthy kernels does not") {
  const std::vector<Edit> edits{
      {"port", true, [](ConntrackEntry& entry) { ++entry.key.original.source_port; }},
      {"zone", true, [](ConntrackEntry& entry) { entry.key.zone = 3; }},
      {"zone of the reply", true, [](ConntrackEntry& entry) { entry.reply_zone = 3; }},
      {"translation", true, [](ConntrackEntry& entry) { ++entry.reply.destination_port; }},
      {"assured", true, [](ConntrackEntry& entry) { *entry.status &= ~status::kAssured; }},
      {"state", true, [](ConntrackEntry& entry) { entry.tcp->state = TcpState::fin_wait; }},
      {"mark", true, [](ConntrackEntry& entry) { entry.mark = 7; }},
      {"labels", true, [](ConntrackEntry& entry) { entry.labels = {0, 0, 1}; }},
      {"helper", true, [](ConntrackEntry& entry) { entry.helper = "ftp"; }},
      {"sequence adjustment", true,
       [](ConntrackEntry& entry) {
         entry.sequence_adjustment = {SequenceAdjustment{1, 2, 3}, SequenceAdjustment{}};
       }},
      {"synproxy", true, [](ConntrackEntry& entry) { entry.synproxy = Synproxy{1, 2, 3}; }},
      {"timeout", false, [](ConntrackEntry& entry) { entry.timeout_s = 86'400; }},
      {"mark of 0", false, [](ConntrackEntry& entry) { entry.mark = 0; }},
      {"labels of zeros", false, [](ConntrackEntry& entry) { entry.labels = ByteVector(16); }},
      {"empty extensions", false,
       [](ConntrackEntry& entry) {
         entry.sequence_adjustment.emplace();
         entry.synproxy.emplace();
       }},
      {"own bits of the kernel", false,
       [](ConntrackEntry& entry) { *entry.status |= status::kOffload | status::kHelper; }},
      {"liberal, scale", false,
       [](ConntrackEntry& entry) { entry.tcp = TcpInfo{.state = TcpState::established}; }},
      {"master that is not here", false,
       [](ConntrackEntry& entry) {
         entry.master = udp_flow(77).key.original;
         *entry.status |= status::kExpected;
       }},
  };
  for (const Edit& edit : edits) {
    CAPTURE(edit.what);
    ConntrackEntry edited = tcp_flow();
    edit.apply(edited);
    CHECK((digests_of({edited}) != digests_of({tcp_flow()})) == edit.counts);
  }
}

TEST_CASE("the order of a dump says nothing") {
  CHECK(digests_of({tcp_flow(1), tcp_flow(2), udp_flow(3)}) ==
        digests_of({udp_flow(3), tcp_flow(2), tcp_flow(1)}));
}

TEST_CASE("a master counts where it is in the same table, and a whole chain of them") {
  const ConntrackEntry master = tcp_flow(21);
  const ConntrackEntry related = related_flow(master);
  ConntrackEntry alone = related;
  alone.master.reset();
  *alone.status &= ~status::kExpected;
  CHECK(digests_of({related}) == digests_of({alone}));
  CHECK(digests_of({master, related}) != digests_of({master, alone}));
  const ConntrackEntry third = related_flow(related, 20'002);
  ConntrackEntry third_alone = third;
  third_alone.master.reset();
  CHECK(digests_of({third, related, master}) != digests_of({third_alone, related, master}));
}

TEST_CASE("what a message named is left out, and what is related to it") {
  const ConntrackEntry master = tcp_flow(21);
  TableDigest table;
  table.begin(kSalt, {});
  table.touch(place_of(master.key));
  table.touch(place_of(expectation_of(master).key));
  table.add(master);
  table.add(related_flow(master));
  table.add(expectation_of(master));
  table.add(udp_flow());
  CHECK(table.digests(4) == digests_of({udp_flow()}));
}

TEST_CASE("an expectation and a conntrack of the same tuple are two things") {
  Expectation expectation = expectation_of(tcp_flow());
  ConntrackEntry entry = tcp_flow();
  entry.key.original = expectation.key.expected;
  CHECK(place_of(expectation.key) != place_of(entry.key));
  CHECK(digests_of({}, {expectation}) != digests_of({}));
}

TEST_CASE("what a kernel refuses to hold can be left out") {
  ConntrackEntry labelled = tcp_flow();
  labelled.labels = {1};
  ConntrackEntry helped = tcp_flow();
  helped.helper = "sip";
  CHECK(digests_of({labelled}, {}, 4, {.labels = true}) == digests_of({tcp_flow()}, {}, 4, {.labels = true}));
  CHECK(digests_of({helped}, {}, 4, {.helpers = true}) == digests_of({tcp_flow()}, {}, 4, {.helpers = true}));
}

TEST_CASE(
    "ranges are filled evenly, the number of them follows the table, and 12 bytes an entry are needed") {
  TableDigest table;
  table.begin(kSalt, {});
  CHECK(table.suitable_bits() == 0);
  for (std::uint16_t port = 1; port <= 10'000; ++port) table.add(udp_flow(port));
  CHECK(table.suitable_bits() == 10);
  CHECK(table.bytes() == 120'000);
  std::vector<int> counts(1024);
  for (std::uint16_t port = 1; port <= 10'000; ++port)
    ++counts[RangeSet::range_of(place_of(udp_flow(port).key), kSalt, 10)];
  for (const int count : counts) CHECK(count < 40);
}

TEST_CASE("too many touched keys void a compare") {
  TableDigest table;
  table.begin(kSalt, {});
  for (std::size_t i = 0; i < TableDigest::kMaxTouched; ++i) table.touch(i + 1);
  CHECK_FALSE(table.touch(TableDigest::kMaxTouched + 1));
}

TEST_CASE("a range set holds what falls into its ranges") {
  const std::uint64_t place = place_of(udp_flow().key);
  RangeSet set(kSalt, 8);
  CHECK_FALSE(set.contains(place));
  set.insert(RangeSet::range_of(place, kSalt, 8));
  CHECK(set.contains(place));
}
