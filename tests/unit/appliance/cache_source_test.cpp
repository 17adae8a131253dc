#include "appliance/flows/cache_source.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <functional>

#include "appliance/flows/command.hpp"
#include "tests/unit/sync/samples.hpp"

using namespace ftfw;
using namespace ftfw::sync::test;

namespace {

// Takes everything and holds nothing.
class EmptyKernel : public sync::KernelTable {
 public:
  Result<std::vector<sync::Refusal>> apply(std::span<const sync::Operation>) override {
    return std::vector<sync::Refusal>();
  }
  Status begin_dump() override { return {}; }
  Result<sync::DumpPiece> next_dump_piece() override {
    return sync::DumpPiece{.progress = sync::DumpPiece::Progress::finished};
  }
};

sync::Settings with_cache() {
  sync::Settings settings;
  settings.cache = true;
  return settings;
}

// The two threads in one.
struct Standby {
  void hold(auto action) {
    const sync::Operation operation{.action = std::move(action)};
    REQUIRE(tables.apply(std::span(&operation, 1))->empty());
  }
  // between: what happens before each answer of the replication thread.
  std::string ask(const std::string& words, const std::function<void()>& between = [] {}) {
    const Answer answer =
        flows_command([this](FlowKind kind) { return desk.open(kind); }).handle(Words(words));
    REQUIRE(answer.has_value());
    std::string text;
    for (;;) {
      const auto progress = (*answer)->next(text);
      if (!progress) return text + "error: " + progress.error().text;
      if (*progress == AnswerStream::Progress::finished) return text;
      if (*progress == AnswerStream::Progress::more) continue;
      between();
      answer_reads(tables, reads, pieces);
      desk.read_pieces();
    }
  }

  EmptyKernel kernel;
  sync::FlowTables tables{kernel, with_cache()};
  CacheReads reads{64};
  CachePieces pieces{64};
  CacheDesk desk{reads, pieces};
};

}  // namespace

TEST_CASE("a standby's cache is listed piece by piece, each flow once") {
  Standby standby;
  for (std::uint16_t port = 1; port <= 1000; ++port) standby.hold(sync::CreateConntrack{tcp_flow(port)});
  CHECK(standby.ask("--count") == "1000\n");
  const std::string text = standby.ask("");
  CHECK(std::ranges::count(text, '\n') == 1000);
  CHECK(text.find("sport=77 ") != std::string::npos);
}

TEST_CASE("its expectations are listed apart") {
  Standby standby;
  sync::ConntrackEntry master = tcp_flow(1);
  master.helper = "ftp";
  standby.hold(sync::CreateConntrack{master});
  standby.hold(sync::CreateExpectation{expectation_of(master)});
  CHECK(standby.ask("--expectations --count") == "1\n");
  CHECK(standby.ask("--count") == "1\n");
}

TEST_CASE("a takeover in the middle of a listing ends it with an error, not with half a list") {
  Standby standby;
  for (std::uint16_t port = 1; port <= 1000; ++port) standby.hold(sync::CreateConntrack{tcp_flow(port)});
  int pieces = 0;
  const std::string text = standby.ask("--count", [&] {
    if (++pieces == 2) standby.tables.become_source(Instant(1h));
  });
  CHECK(text.find("error: the flows have moved meanwhile") != std::string::npos);
}
