// ftfw-demo: one takeover as a story on one screen. Two firewalls, live connections through the primary; the
// primary is killed and all its cables are pulled; what happened when, and what survived. Started by
// tools/demo. Exit code 0 only if every line of the verdict is true.
#include <fmt/core.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <string>
#include <vector>

#include "appliance/base/clock.hpp"
#include "tests/netns/lab/error.hpp"
#include "tests/netns/lab/flow_table.hpp"
#include "tests/netns/lab/scenario.hpp"

namespace {

using namespace ftfw;
using namespace ftfw::lab;

constexpr std::size_t kFlows = 20'000;
constexpr Duration kGapBeyondDetection = 20ms;
constexpr double kWorkAfterDetectionMs = 10;
constexpr Duration kTakeoverLimit = 10s;

constexpr const char* kPicture = R"(
      client 192.168.2.3                            server 192.168.0.3
            |                                              |
   =========+====== br1 =======          ======== br0 =====+=========
        |              |                      |              |
       eth1           eth1                   eth0           eth0
     [ fw-1 ]       [ fw-2 ]               [ fw-1 ]       [ fw-2 ]
         eth2 ======= br2: replication ======= eth2

   The client's gateway 192.168.2.100 and the address it is translated to, 192.168.0.100,
   belong to whichever firewall is primary.
)";

class Screen {
 public:
  void title(const std::string& text) const { fmt::print("\n{}{}{}\n", bold_, text, plain_); }
  void step(const std::string& text) {
    const Instant now = monotonic_now();
    fmt::print("   {:<76}{:>8.1f} s\n", text, in_milliseconds(now - last_) / 1e3);
    std::fflush(stdout);
    last_ = now;
  }
  void verdict(bool good, const std::string& what, const std::string& figure) {
    fmt::print("   {}{}{}  {:<44}{}\n", good ? green_ : red_, good ? "ok    " : "FAILED", plain_, what,
               figure);
    all_good_ = all_good_ && good;
  }
  bool all_good() const { return all_good_; }

 private:
  const bool colour_ = ::isatty(STDOUT_FILENO) == 1;
  const char* bold_ = colour_ ? "\033[1m" : "";
  const char* green_ = colour_ ? "\033[32m" : "";
  const char* red_ = colour_ ? "\033[31m" : "";
  const char* plain_ = colour_ ? "\033[0m" : "";
  Instant last_ = monotonic_now();
  bool all_good_ = true;
};

// What happened at which time, sorted when it is shown. Time zero is the kill.
class Story {
 public:
  explicit Story(Instant zero) : zero_(zero) {}

  void add(Instant when, std::string what) { events_.push_back({when, std::move(what)}); }
  void show() {
    std::ranges::sort(events_, {}, &Event::when);
    for (const Event& event : events_)
      fmt::print("   {:>9.1f} ms   {}\n", in_milliseconds(event.when - zero_), event.what);
  }

 private:
  struct Event {
    Instant when;
    std::string what;
  };
  Instant zero_;
  std::vector<Event> events_;
};

std::string of(const Traffic::Tally& tally) {
  return fmt::format("{} of {}", tally.alive, tally.total);
}

void show_account(const Screen& screen, const Timeline& timeline) {
  screen.title("The same in the words of fw-2's log");
  for (const auto& [name, text] : timeline.steps) fmt::print("   {:<12}{}\n", name, text);
  fmt::print("   {:<12}{:.2f} ms from detection to the last step\n", "together", timeline.total_ms);
}

void judge(Screen& screen, Scenario& scenario, const Probe::Report& probe, std::size_t replicated) {
  screen.title("Verdict");
  const Traffic::Report& traffic = scenario.last_report();
  const auto& problems = scenario.problems();
  const auto ftp_problems = std::ranges::count_if(
      problems, [](const std::string& problem) { return problem.find("FTP") != std::string::npos; });
  screen.verdict(traffic.echoes.all(), "translated TCP connections that survived", of(traffic.echoes));
  screen.verdict(traffic.downloads.all() && traffic.uploads.all(), "downloads and uploads that never pause",
                 of(traffic.downloads) + " and " + of(traffic.uploads));
  screen.verdict(traffic.idle.all(), "idle connections that spoke again", of(traffic.idle));
  screen.verdict(ftp_problems == 0, "FTP transfer completed, session goes on",
                 fmt::format("{} bytes, then ls and another file", kLargeFileBytes));
  screen.verdict(replicated >= kFlows, "flows in the standby's kernel beforehand",
                 fmt::format("{}", replicated));
  const Duration detection = detection_interval(Scenario::kAdvertisementInterval);
  screen.verdict(probe.longest_gap <= detection + kGapBeyondDetection,
                 "longest gap of a probe each millisecond",
                 fmt::format("{:.1f} ms (detection takes up to {:.1f} ms)",
                             in_milliseconds(probe.longest_gap), in_milliseconds(detection)));
  const auto timeline = scenario.appliance(Node::fw_2).last_takeover();
  screen.verdict(timeline && timeline->total_ms < kWorkAfterDetectionMs, "work after the detection",
                 timeline ? fmt::format("{:.2f} ms", timeline->total_ms) : "not told by fw-2");
  for (const std::string& problem : problems) fmt::print("          {}\n", problem);
}

bool tell() {
  Screen screen;
  screen.title("ftfw-appliance: two firewalls, one crash, nothing lost");
  fmt::print("{}", kPicture);

  screen.title("Setting the stage");
  Scenario scenario({.name = "demo", .flows = kFlows, .print = false});
  screen.step("both firewalls run (advertisements every 100 ms), fw-1 is primary");
  const std::size_t replicated = replicated_flows(scenario.lab(), Node::fw_2).flows.size();
  screen.step(
      fmt::format("{} live connections and {} more flows, all on fw-2 as well", Scenario::kEchoes, kFlows));
  scenario.begin();
  screen.step("an FTP transfer is under way, a probe goes out every millisecond");

  screen.title("The crash: fw-1 is killed (kill -9) and all its cables are pulled");
  const Instant zero = monotonic_now();
  Story story(zero);
  story.add(zero, "fw-1's daemon is killed");
  scenario.crash(Node::fw_1);
  story.add(monotonic_now(), "the last of fw-1's three cables is out");
  scenario.expect_primary(Node::fw_2, kTakeoverLimit);
  story.add(monotonic_now(), "fw-2's kernel holds both virtual addresses");
  scenario.traffic().mark();
  scenario.traffic().speak();
  if (scenario.traffic().wait_all_alive(20s).obituaries.empty()) {
    story.add(monotonic_now(), "every connection has carried data again");
  }
  const Probe::Report probe = scenario.probe().report();
  story.add(probe.gap_begin, "the last probe answered through fw-1");
  story.add(probe.gap_end, "the first probe answered through fw-2");
  scenario.expect_everything_lives(Node::fw_2, "after the crash");
  story.show();
  if (const auto timeline = scenario.appliance(Node::fw_2).last_takeover()) show_account(screen, *timeline);

  judge(screen, scenario, probe, replicated);
  const bool good = screen.all_good() && scenario.problems().empty();
  fmt::print("\n   {}\n\n", good
                                ? "fw-1 is dead, and nobody noticed for longer than it took to be sure of it."
                                : "Not everything survived.");
  return good;
}

}  // namespace

int main() {
  try {
    return tell() ? 0 : 1;
  } catch (const std::exception& error) {
    std::fflush(stdout);
    fmt::print(stderr, "ftfw-demo: {}\n", error.what());
    return 1;
  }
}
