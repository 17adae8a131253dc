#include "appliance/tracked_files.hpp"

#include <doctest/doctest.h>
#include <sys/stat.h>

#include <string>

#include "tests/unit/config/temporary_directory.hpp"

using namespace ftfw;

namespace {

struct Bench {
  testing::TemporaryDirectory directory;
  TrackedFileReports reports{16};
  std::string path(const std::string& name) const { return directory.file(name); }
  std::string write(const std::string& name, const std::string& text) const {
    return directory.write(name, text, 0600);
  }
};

}  // namespace

TEST_CASE("a tracked file holds one integer, blanks around it allowed") {
  CHECK(parse_tracked_value("-20\n") == -20);
  CHECK(parse_tracked_value("  +7 ") == 7);
  CHECK(parse_tracked_value("") == 0);
  CHECK(parse_tracked_value(" \n") == 0);
  CHECK(parse_tracked_value("255") == 255);
  for (const std::string bad :
       {"256", "-256", "1 2", "one", "1.5", "0x10", "--1", "+-1", "99999999999999999999"}) {
    CAPTURE(bad);
    CHECK_FALSE(parse_tracked_value(bad));
  }
}

TEST_CASE("a tracked file that does not exist counts as 0, what is no file is refused without waiting") {
  const Bench bench;
  CHECK(read_tracked_file(bench.path("missing")) == 0);
  CHECK_FALSE(read_tracked_file("/proc"));
  REQUIRE(::mkfifo(bench.path("pipe").c_str(), 0600) == 0);
  CHECK_FALSE(read_tracked_file(bench.path("pipe")));
  CHECK_FALSE(read_tracked_file(bench.write("long", std::string(1000, '1'))));
}

TEST_CASE("values times weights are told when a value changes") {
  Bench bench;
  TrackedFiles files(
      {{.path = bench.write("a", "-20"), .weight = 2}, {.path = bench.path("b"), .weight = -1}},
      bench.reports);
  CHECK_FALSE(files.has_read());
  files.read();
  CHECK(files.has_read());
  CHECK_FALSE(files.reading_since());
  const auto first = std::get<FilesRead>(bench.reports.take().value());
  CHECK(first.adjustment == -40);
  REQUIRE(first.files.size() == 2);
  CHECK(first.files[0].path == bench.path("a"));
  CHECK(first.files[0].value == -20);
  files.read();
  CHECK_FALSE(bench.reports.take());
  bench.write("b", "2");
  files.read();
  CHECK(std::get<FilesRead>(bench.reports.take().value()).adjustment == -42);
}

TEST_CASE("a tracked file that became unreadable keeps its last value and is told once") {
  Bench bench;
  TrackedFiles files({{.path = bench.write("a", "5")}}, bench.reports);
  files.read();
  CHECK(bench.reports.take());
  bench.write("a", "five");
  files.read();
  files.read();
  CHECK(std::get<Trouble>(bench.reports.take().value()).text.contains("its last value 5 stays"));
  const auto unreadable = std::get<FilesRead>(bench.reports.take().value());
  CHECK(unreadable.adjustment == 5);
  CHECK_FALSE(unreadable.files[0].readable);
  CHECK_FALSE(bench.reports.take());
  bench.write("a", "0");
  files.read();
  CHECK(std::get<FilesRead>(bench.reports.take().value()).adjustment == 0);
}
