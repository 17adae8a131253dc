#include "tests/netns/lab/scenario.hpp"

#include <fmt/core.h>

#include <algorithm>
#include <exception>
#include <ranges>

#include "tests/netns/lab/error.hpp"
#include "tests/netns/lab/flow_table.hpp"
#include "tests/netns/lab/make_flows.hpp"
#include "tests/netns/lab/wait.hpp"

namespace ftfw::lab {
namespace {

constexpr Duration kFirstElection = 15s;
constexpr Duration kEqualTables = 30s;
constexpr Duration kRecovery = 20s;       // TCP's own retransmission timers double up to here at worst
constexpr Duration kLeaseOfTheDead = 5s;  // the addresses' lifetime of 3 s, and what the kernel adds
constexpr Duration kCloseSeen = 5s;
constexpr int kShownObituaries = 4;
constexpr int kClosedEachTime = 2;
constexpr std::size_t kShownLogBytes = 6000;

std::string of(const Traffic::Tally& tally) {
  return fmt::format("{} of {}", tally.alive, tally.total);
}

}  // namespace

Scenario::Scenario(const ScenarioSettings& settings) : settings_(settings) {
  const auto configuration = write_configuration(lab_, {});
  const auto of_node = [&](bool cache) {
    return cache ? edited(lab_, configuration, "standby = \"kernel\"", "standby = \"cache\"") : configuration;
  };
  fw_1_ = std::make_unique<Appliance>(lab_, Node::fw_1, of_node(settings_.cache_1));
  fw_2_ = std::make_unique<Appliance>(lab_, Node::fw_2, of_node(settings_.cache_2));
  services_ = std::make_unique<Services>(lab_);
  try {
    set_up();
  } catch (const LabError&) {
    show_logs();
    throw;
  }
}

void Scenario::set_up() {
  fw_1_->start();
  if (!wait_until(kFirstElection, [&] { return fw_1_->holding() == Holding::all; })) {
    give_up("fw-1 does not become primary");
  }
  if (settings_.standby) fw_2_->start();
  traffic_ = std::make_unique<Traffic>(lab_, Traffic::Amounts{.echoes = kEchoes});
  probe_ = std::make_unique<Probe>(lab_);
  ftp_server_ = std::make_unique<FtpServer>(lab_);
  ftp_ = std::make_unique<FtpClient>(lab_);
  ftp_long_ = std::make_unique<FtpClient>(lab_);
  make_flows(lab_, Node::fw_1, settings_.flows);
  if (settings_.standby) expect_equal_tables();
}

Scenario::~Scenario() {
  if (!problems_.empty() || std::uncaught_exceptions() > 0) show_logs();
}

void Scenario::show_logs() {
  for (Appliance* appliance : {fw_1_.get(), fw_2_.get()}) {
    const std::string log = appliance->log();
    fmt::print(stderr, "--- the log of {} ends with:\n{}\n", appliance == fw_1_.get() ? "fw-1" : "fw-2",
               log.substr(log.size() - std::min(log.size(), kShownLogBytes)));
  }
  fmt::print(stderr, "--- kept: {}\n", lab_.scratch().keep().string());
}

void Scenario::begin() {
  transfer_ = std::make_unique<FtpTransfer>(*ftp_long_, kLargeFile);
  probe_->begin();
  traffic_->begin();
  // The event shall hit a steady network: some answers first.
  expect(wait_until(5s, [&] { return probe_->report().answered >= 100; }),
         "the probe is answered before the event");
}

void Scenario::crash(Node firewall) {
  appliance(firewall).kill();
  lab_.cut_all(firewall);
}

void Scenario::boot(Node firewall) {
  expect_addresses_gone(firewall, kLeaseOfTheDead);
  lab_.forget_kernel_state(firewall);
  lab_.restore_all(firewall);
  appliance(firewall).start();
}

Duration Scenario::expect_primary(Node firewall, Duration at_most) {
  const Instant from = monotonic_now();
  const bool came = wait_until(at_most, [&] { return appliance(firewall).holding() == Holding::all; }, 1ms);
  expect(came,
         fmt::format("{} becomes primary within {} s", name_of(firewall), in_milliseconds(at_most) / 1e3));
  return monotonic_now() - from;
}

Duration Scenario::expect_only_primary(Node firewall, Duration at_most) {
  const Instant from = monotonic_now();
  const bool came = wait_until(at_most, [&] {
    return appliance(firewall).holding() == Holding::all &&
           appliance(other_firewall(firewall)).holding() == Holding::none;
  });
  expect(came, fmt::format("{} becomes the only primary within {} s", name_of(firewall),
                           in_milliseconds(at_most) / 1e3));
  return monotonic_now() - from;
}

Duration Scenario::expect_addresses_gone(Node firewall, Duration at_most) {
  const Instant from = monotonic_now();
  const bool gone = wait_until(at_most, [&] { return appliance(firewall).holding() == Holding::none; });
  expect(gone, fmt::format("{} loses its virtual addresses within {} s", name_of(firewall),
                           in_milliseconds(at_most) / 1e3));
  return monotonic_now() - from;
}

void Scenario::expect_everything_lives(Node primary, const std::string& what) {
  traffic_->mark();
  traffic_->speak();
  last_report_ = traffic_->wait_all_alive(kRecovery);
  const auto& dead = last_report_.obituaries;
  for (const std::string& obituary : dead | std::views::take(kShownObituaries)) {
    expect(false, fmt::format("{}: all live; one of {} dead: {}", what, dead.size(), obituary));
  }
  expect(services_->counts().wrong_bytes == 0, what + ": the server got only what was sent");
  expect_closed(primary, traffic_->reset(kClosedEachTime), what + ": RST");
  expect_closed(primary, traffic_->finish(kClosedEachTime), what + ": FIN");
  expect_ftp(what);
  if (settings_.print) print_figures(primary, what);
}

void Scenario::expect_closed(Node primary, const std::vector<std::uint16_t>& ports, const std::string& how) {
  for (const std::uint16_t port : ports) {
    const bool left = wait_until(
        kCloseSeen,
        [&] { return state_of_client_port(lab_, primary, port).value_or("gone") != "ESTABLISHED"; }, 20ms);
    // What it takes to tell a packet that never came from one that the kernel did not believe.
    const std::string evidence =
        left ? ""
             : "\n" +
                   lab_.run(primary, {"conntrack", "-L", "-p", "tcp", "--sport", std::to_string(port)})
                       .output +
                   lab_.run(primary, {"conntrack", "-S"}).output +
                   lab_.run(Node::server, {"ss", "-tn", "dst", std::string(kOutsideVirtualAddress)}).output;
    expect(left,
           fmt::format("{} of port {} ends ESTABLISHED on {}{}", how, port, name_of(primary), evidence));
  }
}

void Scenario::expect_ftp(const std::string& what) {
  if (transfer_) {
    const std::string problem = transfer_->result(kLargeFileBytes);
    expect(problem.empty(), what + ": the FTP transfer under way comes to its end: " + problem);
    transfer_.reset();
  }
  try {
    expect(ftp_->list().find(kSmallFile) != std::string::npos, what + ": the FTP session can list");
    expect(ftp_->download(kSmallFile) == kSmallFileBytes, what + ": the FTP session can download");
  } catch (const LabError& error) {
    expect(false, what + ": the FTP session goes on: " + error.what());
  }
}

void Scenario::expect_mirrored(Node standby) {
  std::string last;
  const bool mirrored = wait_until(
      kEqualTables,
      [&] {
        const FlowTable here = replicated_flows(lab_, other_firewall(standby));
        const FlowTable there = replicated_flows(lab_, standby);
        const auto standing = appliance(standby).standing();
        const std::size_t wanted = here.flows.size() + here.expectations.size();
        last = fmt::format("{} flows on the primary; {} says {}, in sync {}, and has {} in its kernel",
                           wanted, name_of(standby), standing ? standing->entries : 0,
                           standing && standing->in_sync, there.flows.size());
        return standing && standing->in_sync && standing->entries == wanted &&
               here.flows.size() >= settings_.flows + kEchoes && there.flows.empty() &&
               there.expectations.empty();
      },
      100ms);
  expect(mirrored, "the standby holds the primary's flows in its cache: " + last);
}

void Scenario::expect_equal_tables() {
  const Node standby = fw_1_->holding() == Holding::all ? Node::fw_2 : Node::fw_1;
  if (caches(standby)) return expect_mirrored(standby);
  const std::size_t at_least = settings_.flows + kEchoes;
  const std::string differences = wait_equal(lab_, at_least, kEqualTables);
  expect(differences.empty(), "both firewalls hold the same flows (first is fw-1):\n" + differences);
}

void Scenario::expect(bool condition, const std::string& what) {
  if (!condition) problems_.push_back("expected: " + what);
}

void Scenario::print_figures(Node primary, const std::string& what) const {
  const Probe::Report probe = probe_->report();
  fmt::print(
      "[{}] {}: echo streams {}, downloads {}, uploads {}, idle {} live; gap {:.1f} ms, {} probes lost; "
      "median stall {:.0f} ms\n",
      settings_.name, what, of(last_report_.echoes), of(last_report_.downloads), of(last_report_.uploads),
      of(last_report_.idle), in_milliseconds(probe.longest_gap), probe.lost,
      in_milliseconds(last_report_.median_stall));
  const auto timeline = (primary == Node::fw_1 ? *fw_1_ : *fw_2_).last_takeover();
  if (timeline) fmt::print("[{}]   {} {}\n", settings_.name, name_of(primary), timeline->line);
  std::fflush(stdout);
}

}  // namespace ftfw::lab
