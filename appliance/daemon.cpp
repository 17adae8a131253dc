#include "appliance/daemon.hpp"

#include <fmt/format.h>
#include <sys/random.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <iostream>
#include <utility>

#include "appliance/appliance.hpp"
#include "appliance/base/log.hpp"
#include "appliance/configuration_file.hpp"
#include "appliance/failover/translation.hpp"
#include "appliance/machine.hpp"
#include "appliance/policy_check.hpp"
#include "appliance/sysctls.hpp"
#include "config/key_file.hpp"
#include "config/node_choice.hpp"
#include "firewall/listing.hpp"
#include "sync/linux/helper_probe.hpp"
#include "sync/linux/kernel_facts.hpp"

namespace ftfw {
namespace {

// A reader that writes nothing has no answers to keep.
constexpr int kReaderAnswers = 64 << 10;

using StartError = std::pair<ExitCode, std::string>;
template <typename T>
using Started = std::expected<T, StartError>;

std::unexpected<StartError> refuse(std::string text) {
  return std::unexpected(StartError{ExitCode::system_refuses, std::move(text)});
}
std::unexpected<StartError> refuse(const Error& error) {
  return refuse(error.text);
}

void configure_log(const Options& options) {
  const bool journal = std::getenv("JOURNAL_STREAM") != nullptr;
  log::configure(options.log_format.value_or(journal ? log::Format::journal : log::Format::text),
                 log::Level::info);
}

vrrp::RoleLimit role_limit_of(StartRole role) {
  switch (role) {
    case StartRole::automatic:
      return vrrp::RoleLimit::automatic;
    case StartRole::primary:
      return vrrp::RoleLimit::claim_at_start;
    case StartRole::backup:
      return vrrp::RoleLimit::backup_only;
  }
  return vrrp::RoleLimit::automatic;
}

Started<std::size_t> choose_node(const config::Config& config, const Options& options,
                                 const Machine& machine) {
  std::vector<std::string> missing;
  for (const config::InterfaceUse& use : missing_interfaces(config, machine)) {
    const std::string place = fmt::format("{}:{}:{}", options.config_path, use.where.line, use.where.column);
    if (use.essential) {
      missing.push_back(fmt::format("{}: error: {}", place, describe_missing(use)));
    } else {
      log::warning(fmt::format("{}: {}", place, describe_missing(use)));
    }
  }
  if (!missing.empty()) return refuse(fmt::format("{}", fmt::join(missing, "\n")));
  const auto node = config::recognise_node(config, machine.addresses, options.node);
  if (!node) return refuse(node.error());
  return *node;
}

std::string joined(const std::vector<firewall::Refusal>& refusals, const std::string& file) {
  std::vector<std::string> texts;
  for (const firewall::Refusal& refusal : refusals) {
    texts.push_back(refusal.where.line == 0
                        ? fmt::format("{}: {}", refusal.object, refusal.text)
                        : fmt::format("{}:{}:{}: error: {}: {}", file, refusal.where.line,
                                      refusal.where.column, refusal.object, refusal.text));
  }
  return fmt::format("{}", fmt::join(texts, "\n"));
}

// Blocked in every thread that is made later, and read by the main loop.
Result<UniqueFd> take_signals() {
  sigset_t set;
  sigemptyset(&set);
  for (const int signal : {SIGTERM, SIGINT, SIGHUP}) sigaddset(&set, signal);
  if (::pthread_sigmask(SIG_BLOCK, &set, nullptr) != 0) return fail_errno("signals", errno);
  UniqueFd fd(::signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK));
  if (!fd) return fail_errno("signals", errno);
  return fd;
}

Status make_directory(const std::string& path) {
  if (::mkdir(path.c_str(), 0700) != 0 && errno != EEXIST) return fail_errno(path, errno);
  return {};
}

Result<std::uint64_t> random_instance() {
  std::uint64_t instance = 0;
  if (::getrandom(&instance, sizeof instance, 0) != static_cast<ssize_t>(sizeof instance)) {
    return fail_errno("random numbers", errno);
  }
  return instance;
}

void fill_board(StatusBoard& board, const config::Config& config, const config::Node& node,
                const Sysctls& sysctls) {
  board.version = FTFW_VERSION;
  board.node = node.name;
  for (const config::Node& one : config.nodes) {
    if (one.name != node.name) board.replication.peers.push_back({.name = one.name});
  }
  board.group = config.group.name;
  board.rules = "asleep behind the guard";
  board.configured_priority = node.priority;
  for (const vrrp::VirtualAddress& one : addresses_of(config.group)) {
    const IpPrefix& address = one.address;
    board.addresses.push_back((address.is_host() ? address.address.to_string() : address.to_string()) +
                              " on " + one.interface);
  }
  for (const config::VirtualRoute& route : config.group.routes)
    board.routes.push_back(vrrp::to_string(route));
  for (const Sysctl& setting : sysctls.settings()) {
    board.sysctls.push_back({setting.name, setting.wanted, setting.found, setting.why});
  }
}

// Puts the kernel settings back, however the start or the run ends.
class RestoreSysctls {
 public:
  explicit RestoreSysctls(Sysctls& sysctls) : sysctls_(sysctls) {}
  RestoreSysctls(const RestoreSysctls&) = delete;
  RestoreSysctls& operator=(const RestoreSysctls&) = delete;
  ~RestoreSysctls() {
    if (const Status restored = sysctls_.restore(); !restored) log::warning(restored.error().text);
  }

 private:
  Sysctls& sysctls_;
};

// Each helper of the policy whose flows are replicated, once.
std::vector<std::string> find_kernel_defects(const config::Config& config) {
  const std::vector<std::uint8_t>& protocols = config.replication.protocols;
  std::set<std::pair<std::string, std::uint8_t>> helpers;
  for (const config::Helper& helper : config.firewall.helpers) {
    const bool replicated =
        protocols.empty() || std::ranges::find(protocols, helper.protocol) != protocols.end();
    if (replicated) helpers.emplace(helper.type, helper.protocol);
  }
  utsname system{};
  ::uname(&system);
  std::vector<std::string> defects;
  for (const auto& [helper, protocol] : helpers) {
    const auto fate = sync::probe_helper(helper, protocol);
    if (!fate) {
      log::warning("whether flows keep their helper is not known: " + fate.error().text);
    } else if (*fate == sync::HelperFate::lost) {
      defects.push_back(sync::helper_loss_text(helper, system.release));
      log::warning(defects.back());
    }
  }
  return defects;
}

struct Firewall {
  firewall::Loader loader;
  firewall::Ruleset ruleset;
  firewall::Capabilities capabilities;
};

// Closed first; then asked what the kernel can do; then everything that the kernel refuses is named at once.
Started<Firewall> prepare_firewall(const config::Config& config, const std::string& file,
                                   firewall::Loader loader) {
  const auto capabilities = loader.probe();
  if (!capabilities) return refuse(capabilities.error());
  firewall::Ruleset ruleset = firewall::build_ruleset(config, *capabilities);
  if (!capabilities->flowtables && !config.firewall.flowtables.empty()) {
    log::notice(
        "this kernel has no flowtables: the fast path is left out (mode \"auto\"), everything else is as "
        "written");
  }
  if (const auto checked = loader.check(ruleset); !checked) return refuse(joined(checked.error(), file));
  if (const auto loaded = loader.stand_by(ruleset); !loaded) return refuse(joined(loaded.error(), file));
  return Firewall{std::move(loader), std::move(ruleset), *capabilities};
}

Started<ByteVector> read_key(const std::string& path) {
  const auto key = config::read_key_file(path);
  if (key) return ByteVector(key->bytes().begin(), key->bytes().end());
  const bool unusable = key.error().blame == Blame::configuration;
  return std::unexpected(
      StartError{unusable ? ExitCode::invalid_configuration : ExitCode::system_refuses, key.error().text});
}

Started<void> read_keys(const config::Replication& replication, sync::ChannelSettings& settings) {
  if (replication.insecure) {
    log::warning(
        "insecure = true: flows travel unencrypted and anybody on the dedicated link can forge them");
    return {};
  }
  auto key = read_key(replication.key_file);
  if (!key) return std::unexpected(key.error());
  settings.key = std::move(*key);
  if (replication.key_file_next.empty()) return {};
  auto next = read_key(replication.key_file_next);
  if (!next) return std::unexpected(next.error());
  settings.next_key = std::move(*next);
  if (settings.next_key == settings.key) {
    log::warning(replication.key_file_next + " holds the same key as " + replication.key_file +
                 ": nothing is changed by it");
  }
  return {};
}

std::vector<sync::LinkSettings> link_settings(const config::Config& config, std::size_t own,
                                              std::size_t peer) {
  std::vector<sync::LinkSettings> links{{.interface = config.replication.interface,
                                         .own_address = config.nodes[own].replication_address,
                                         .peer_address = config.nodes[peer].replication_address}};
  for (const config::ReplicationLink& link : config.replication.further_links) {
    links.push_back({.interface = link.interface,
                     .own_address = link.addresses[own],
                     .peer_address = link.addresses[peer]});
  }
  return links;
}

Started<ReplicationPeerParts> open_peer(const config::Config& config, const sync::ChannelSettings& common,
                                        std::size_t own, std::size_t peer) {
  sync::ChannelSettings settings = common;
  settings.peer = config.nodes[peer].name;
  auto links = sync::LinkSet::open(std::move(settings), link_settings(config, own, peer));
  if (!links) return refuse(links.error());
  auto reader = sync::ConntrackTable::open(kReaderAnswers);
  if (!reader) return refuse(reader.error());
  return ReplicationPeerParts{
      .name = config.nodes[peer].name, .links = std::move(*links), .reader = std::move(*reader)};
}

// One for every other node.
Started<std::vector<ReplicationPeerParts>> open_peers(const config::Config& config, std::size_t own) {
  sync::ChannelSettings settings{.node = config.nodes[own].name,
                                 .port = config.replication.port,
                                 .insecure = config.replication.insecure,
                                 .shared_port = config.nodes.size() > 2};
  if (const auto read = read_keys(config.replication, settings); !read) return std::unexpected(read.error());
  if (settings.shared_port) {
    const Status alone = sync::check_ports(link_settings(config, own, own == 0 ? 1 : 0), settings.port);
    if (!alone) return refuse(alone.error());
  }
  std::vector<ReplicationPeerParts> peers;
  for (std::size_t peer = 0; peer < config.nodes.size(); ++peer) {
    if (peer == own) continue;
    auto opened = open_peer(config, settings, own, peer);
    if (!opened) return std::unexpected(opened.error());
    peers.push_back(std::move(*opened));
  }
  for (ByteVector* key : {&settings.key, &settings.next_key}) ::explicit_bzero(key->data(), key->size());
  for (const sync::LinkStatus& link : peers.front().links->links()) {
    if (link.condition != sync::LinkCondition::no_address) continue;
    log::warning(fmt::format("dedicated link {}: {}, waiting for it", link.interface, link.trouble));
  }
  return peers;
}

// What --check says of the policy: an error ends the start before anything is opened.
Started<void> judge_policy(const Options& options, const config::Config& config, const Machine& machine) {
  config::DiagnosticList list;
  check_policy(config, machine, list);
  std::vector<std::string> errors;
  for (const config::Diagnostic& one : list.in_file_order()) {
    std::string text = fmt::format("{}:{}:{}: {}: {}", options.config_path, one.where.line, one.where.column,
                                   config::severity_name(one.severity), one.text);
    if (one.severity == config::Severity::error) {
      errors.push_back(std::move(text));
    } else {
      log::warning(text);
    }
  }
  if (errors.empty()) return {};
  return std::unexpected(
      StartError{ExitCode::invalid_configuration, fmt::format("{}", fmt::join(errors, "\n"))});
}

Started<void> start_and_run(const Options& options, const ConfigurationFile& file, EventLog& happened) {
  const config::Config& config = file.config;
  const auto machine = read_machine();
  if (!machine) return refuse(machine.error());
  if (const auto judged = judge_policy(options, config, *machine); !judged)
    return std::unexpected(judged.error());
  const auto chosen = choose_node(config, options, *machine);
  if (!chosen) return std::unexpected(chosen.error());
  const config::Node& node = config.nodes[*chosen];

  auto peers = open_peers(config, *chosen);
  if (!peers) return std::unexpected(peers.error());
  auto signals = take_signals();
  if (!signals) return refuse(signals.error());
  for (const std::string& directory :
       {options.state_directory, std::filesystem::path(options.control_socket).parent_path().string()}) {
    if (const Status made = make_directory(directory); !made) return refuse(made.error());
  }
  auto control = ControlSocket::open(options.control_socket);
  if (!control) return refuse(control.error());

  // From here on nothing is forwarded until the election says so, also if this start fails further down.
  auto loader = firewall::Loader::open(firewall::build_guard(config));
  if (!loader) return refuse(loader.error());
  // Before our first table, so that nothing that others do to it is missed.
  auto rules_watch = firewall::RulesetWatch::open(loader->port_id());
  if (!rules_watch) return refuse(rules_watch.error());
  if (const auto closed = loader->close(); !closed)
    return refuse(joined(closed.error(), options.config_path));
  auto firewall = prepare_firewall(config, options.config_path, std::move(*loader));
  if (!firewall) return std::unexpected(firewall.error());
  // After the rules: their ct expressions make the kernel load connection tracking, whose settings are among
  // these.
  Sysctls sysctls(config, options.state_directory + "/sysctls");
  const RestoreSysctls restore(sysctls);
  if (const Status applied = sysctls.apply(); !applied) return refuse(applied.error());

  auto holdings = Holdings::open(config.group);
  if (!holdings) return refuse(holdings.error());
  // Before the leftovers go, so that nothing that goes later is missed.
  auto own_watch = vrrp::OwnWatch::open(!config.group.routes.empty());
  if (!own_watch) return refuse(own_watch.error());
  if (const Status prepared = holdings->prepare(); !prepared) return refuse(prepared.error());
  auto lease_addresses = vrrp::VirtualAddresses::open();
  if (!lease_addresses) return refuse(lease_addresses.error());
  auto announcer = vrrp::Announcer::open();
  if (!announcer) return refuse(announcer.error());
  const auto facts = sync::read_kernel_facts();
  if (!facts) return refuse(facts.error());
  // Before events are captured: the probe's flow is nobody's.
  std::vector<std::string> defects = find_kernel_defects(config);
  auto table = sync::ConntrackTable::open();
  if (!table) return refuse(table.error());
  sync::Settings replication = failover::replication_settings(config, *chosen, machine->addresses);
  replication.normal_timeouts = facts->timeouts;
  // What the table could not take would be held for nothing.
  if (facts->conntrack_max != 0) replication.cache_entries = facts->conntrack_max;
  auto capture =
      sync::Capture::open({.filter = {.ignore_port_id = table->port_id(),
                                      .protocols = replication.protocols,
                                      .local_addresses = replication.local_addresses,
                                      .excluded_networks = replication.excluded_networks,
                                      .unanswered_tcp = sync::Filter(replication).sends_unanswered()},
                           .expectations = replication.expectations,
                           .receive_buffer_bytes = static_cast<int>(config.replication.event_buffer_bytes),
                           .reliable_destroy = config.replication.reliable_destroy});
  if (!capture) return refuse(capture.error());
  auto events = capture->make_switch();
  if (!events) return refuse(events.error());
  const auto instance = random_instance();
  if (!instance) return refuse(instance.error());

  SharedStatus status;
  status.with([&](StatusBoard& board) {
    fill_board(board, config, node, sysctls);
    board.kernel_defects = std::move(defects);
  });
  auto policy = std::make_shared<const PolicyInForce>(PolicyInForce{.config = config,
                                                                    .ruleset = std::move(firewall->ruleset),
                                                                    .guard = firewall::build_guard(config),
                                                                    .file = options.config_path,
                                                                    .source = file.text});
  Appliance appliance({.config = config,
                       .election = vrrp::make_settings(config, node, role_limit_of(options.role)),
                       .policy = std::move(policy),
                       .capabilities = firewall->capabilities,
                       .loader = firewall->loader,
                       .rules_watch = std::move(*rules_watch),
                       .holdings = std::move(*holdings),
                       .own_watch = std::move(*own_watch),
                       .lease_addresses = std::move(*lease_addresses),
                       .announcer = std::move(*announcer),
                       .replication = std::move(replication),
                       .instance = *instance,
                       .peers = std::move(*peers),
                       .table = std::move(*table),
                       .capture = std::move(*capture),
                       .events = std::move(*events),
                       .control = std::move(*control),
                       .signals = std::move(*signals)},
                      status, happened);
  if (const Status opened = appliance.open(); !opened) return refuse(opened.error());
  log::notice(fmt::format("ftfw-appliance {} is {}, listening", FTFW_VERSION, node.name));
  appliance.run();
  const bool opens = appliance.on_exit() == config::OnExit::open;
  if (opens) {
    if (const auto removed = firewall->loader.remove_everything(); !removed) {
      log::warning(joined(removed.error(), options.config_path));
    }
  }
  log::notice(opens ? "stopped; our tables are removed" : "stopped; the guard stays, nothing is forwarded");
  return {};
}

}  // namespace

int run_daemon(const Options& options) {
  configure_log(options);
  const auto file = load_configuration(options, std::cerr);
  if (!file) return exit_status(ExitCode::invalid_configuration);
  EventLog happened;
  log::set_listener([&happened](auto level, auto text, auto fields) { happened.add(level, text, fields); });
  const auto finished = start_and_run(options, *file, happened);
  log::set_listener({});
  if (!finished) {
    log::error(finished.error().second);
    return exit_status(finished.error().first);
  }
  return exit_status(ExitCode::ok);
}

int run_print_ruleset(const Options& options, std::ostream& out, std::ostream& err) {
  const auto file = load_configuration(options, err);
  if (!file) return exit_status(ExitCode::invalid_configuration);
  out << firewall::to_nft(firewall::build_ruleset(file->config, {}));
  return exit_status(ExitCode::ok);
}

}  // namespace ftfw
