// The probe for lost helpers on the real kernel: what it answers, and that nothing of it remains.
#include <doctest/doctest.h>

#include <cerrno>

#include "sync/linux/helper_probe.hpp"
#include "tests/unit/sync/linux_entries.hpp"
#include "tests/unit/sync/linux_events.hpp"
#include "tests/unit/sync/linux_namespace.hpp"

namespace ftfw::sync {
namespace {

using namespace testing;

TEST_CASE("this kernel keeps the helper of a translated flow, and the probe leaves nothing behind") {
  NetworkNamespace space;
  if (!space) return;
  Capture capture = open_capture({});
  for (const auto& [helper, protocol] : {std::pair{"ftp", IPPROTO_TCP}, std::pair{"tftp", IPPROTO_UDP}}) {
    const auto fate = probe_helper(helper, static_cast<std::uint8_t>(protocol));
    REQUIRE_MESSAGE(fate.has_value(), fate.error().text);
    CHECK(*fate == HelperFate::kept);
  }
  ConntrackTable table = open_table();
  CHECK(dump_of(table).entries.empty());
  const auto events = all_events(capture);
  REQUIRE(events.size() == 4);
  const ConntrackEntry& probe = conntrack(events[0]).entry;
  CHECK(probe.key.original.source == address("192.0.2.1"));
  CHECK(probe.key.original.destination == address("192.0.2.2"));
  CHECK((probe.status.value_or(0) & status::kSourceNat) != 0);
  // Gone by itself if the process had died here.
  CHECK(probe.timeout_s.value_or(1000) <= 5);
  CHECK(conntrack(events[1]).change == Change::destroyed);
}

TEST_CASE("the flow of a probe that died in between is removed by the next one, whatever it says by then") {
  NetworkNamespace space;
  if (!space) return;
  ConntrackTable table = open_table();
  ConntrackEntry left = helper_probe_entry("ftp", IPPROTO_TCP);
  left.helper.clear();
  left.timeout_s = 600;
  REQUIRE(create(table, left) == 0);
  CHECK(probe_helper("ftp", IPPROTO_TCP) == HelperFate::kept);
  CHECK(dump_of(table).entries.empty());
}

TEST_CASE("a helper that the kernel does not have is an error of the kernel, and nothing remains either") {
  NetworkNamespace space;
  if (!space) return;
  const auto fate = probe_helper("no-such", IPPROTO_TCP);
  REQUIRE_FALSE(fate.has_value());
  CHECK(fate.error().blame == Blame::kernel);
  CHECK(fate.error().code == EOPNOTSUPP);
  CHECK(fate.error().text.contains("no-such"));
  // FTP over UDP is not a thing.
  CHECK(probe_helper("ftp", IPPROTO_UDP).error().code == EOPNOTSUPP);
  ConntrackTable table = open_table();
  CHECK(dump_of(table).entries.empty());
}

TEST_CASE("read back without the helper, or with another one, it is lost; the text names the fixed kernels") {
  ConntrackEntry entry = helper_probe_entry("ftp", IPPROTO_TCP);
  CHECK(helper_fate(entry, "ftp") == HelperFate::kept);
  entry.helper = "sip";
  CHECK(helper_fate(entry, "ftp") == HelperFate::lost);
  entry.helper.clear();
  CHECK(helper_fate(entry, "ftp") == HelperFate::lost);
  const std::string text = helper_loss_text("ftp", "5.10.90");
  for (const char* words : {"5.10.90", "ftp", "5.10.101", "5.15.24", "5.16.10", "5.17"}) {
    CHECK_MESSAGE(text.contains(words), words);
  }
}

}  // namespace
}  // namespace ftfw::sync
