#include "tests/netns/lab/appliance.hpp"

#include <sys/stat.h>

#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <fstream>
#include <sstream>
#include <string_view>

#include "tests/netns/lab/error.hpp"

namespace ftfw::lab {
namespace {

namespace fs = std::filesystem;

constexpr const char* kNodesAndRouters = R"(
[[sync_group]]
name = "G1"

[[sync_group.virtual_router]]
name = "VI_1"
interface = "eth1"
id = 61
addresses = ["192.168.2.100"]

[[sync_group.virtual_router]]
name = "VI_2"
interface = "eth0"
id = 62
addresses = ["192.168.0.100"]

[node.fw-1]
priority = 100
replication_address = "192.168.100.100"

[node.fw-2]
priority = 80
replication_address = "192.168.100.200"
)";

constexpr const char* kFirewall = R"(
[firewall]
forward_policy = "drop"
inside = "eth1"
outside = "eth0"

[[firewall.helper]]
name = "ftp-std"
type = "ftp"
protocol = "tcp"
port = 21
server = "192.168.0.3"

[[firewall.counter]]
name = "counter_exp"

[[firewall.flowtable]]
name = "flow_exp"
devices = ["eth0"]
flows = "expected"
counter = "counter_exp"
mode = "auto"

[[firewall.allow]]
protocol = "tcp"
ports = [21, 22, 80, 443]

[[firewall.allow]]
protocol = "udp"
ports = [53]

[[firewall.allow]]
helper = "ftp"

[[firewall.allow]]
from = "any"
protocol = "icmp"
types = ["echo-request"]
limit = "1/second"

[firewall.log]
invalid = "FORWARD-INVALID: "

[[firewall.snat]]
out = "eth0"
source = "192.168.2.3"
to = "192.168.0.100"
)";

std::string vrrp_section(const ApplianceSettings& settings) {
  std::string text = "[vrrp]\nversion = " + std::to_string(settings.vrrp_version) +
                     "\nadvertisement_interval = \"" + settings.advertisement_interval + "\"\n";
  if (settings.vrrp_version == 2) {
    text += "authentication = { type = \"pass\", password = \"papas_con_tomate\" }\n";
  }
  return text;
}

std::string replication_section(const ApplianceSettings& settings, const fs::path& key) {
  return "[replication]\ninterface = \"eth2\"\nport = 3780\nkey_file = \"" + key.string() +
         "\"\nstandby = \"" + settings.standby +
         "\"\nprotocols = [\"tcp\", \"sctp\", \"dccp\"]\nexpectations = true\n";
}

// This program stands in tests/netns of the build directory.
fs::path built_program(const char* folder, const char* name) {
  const fs::path here = fs::read_symlink("/proc/self/exe").parent_path();
  return here.parent_path().parent_path() / folder / name;
}

void write_file(const fs::path& path, const std::string& text) {
  std::ofstream file(path);
  file << text << std::flush;
  if (!file) give_up("cannot write " + path.string());
  // The key is a secret and the configuration may hold one: files that others can read are refused.
  checked(::chmod(path.c_str(), 0600), "chmod");
}

}  // namespace

Duration detection_interval(Duration advertisement_interval) {
  return 3 * advertisement_interval + advertisement_interval * (256 - 80) / 256;
}

fs::path write_configuration(Lab& lab, const ApplianceSettings& settings) {
  const fs::path key = lab.scratch().path() / "replication.key";
  const fs::path file = lab.scratch().path() / "appliance.toml";
  std::string digits;
  for (int i = 0; i < 64; ++i) digits += "0123456789abcdef"[(i * 7 + 3) % 16];
  write_file(key, digits + "\n");
  write_file(file, "schema = 1\n\n" + vrrp_section(settings) + kNodesAndRouters +
                       replication_section(settings, key) + kFirewall);
  return file;
}

fs::path edited(Lab& lab, const fs::path& configuration, const std::string& from, const std::string& to) {
  static int edits = 0;
  std::ostringstream text;
  text << std::ifstream(configuration).rdbuf();
  std::string changed = text.str();
  std::size_t at = changed.find(from);
  if (at == std::string::npos) give_up("the configuration has no " + from);
  for (; at != std::string::npos; at = changed.find(from, at + to.size())) {
    changed.replace(at, from.size(), to);
  }
  const fs::path file = lab.scratch().path() / ("edited-" + std::to_string(++edits) + ".toml");
  write_file(file, changed);
  return file;
}

fs::path appliance_program() {
  if (const char* given = std::getenv("FTFW_APPLIANCE")) return given;
  fs::path built = built_program("appliance", "ftfw-appliance");
  if (!fs::exists(built)) give_up("no " + built.string() + "; FTFW_APPLIANCE can name another");
  return built;
}

fs::path control_program() {
  return built_program("tools", "ftfwctl");
}

std::optional<Timeline> parse_timeline(const std::string& log) {
  static constexpr std::string_view kBegin = "took over in ";
  static constexpr std::string_view kUnit = " ms: ";
  const std::size_t begin = log.rfind(kBegin);
  if (begin == std::string::npos) return std::nullopt;
  Timeline timeline;
  timeline.line = log.substr(begin, log.find('\n', begin) - begin);
  const std::size_t unit = timeline.line.find(kUnit);
  if (unit == std::string::npos) return std::nullopt;
  timeline.total_ms = std::strtod(timeline.line.c_str() + kBegin.size(), nullptr);
  std::string rest = timeline.line.substr(unit + kUnit.size());
  while (!rest.empty()) {
    const std::string step = rest.substr(0, rest.find(", "));
    rest.erase(0, step.size() + 2);
    const std::size_t space = std::min(step.find(' '), step.size());
    timeline.steps.emplace_back(step.substr(0, space), step.substr(std::min(space + 1, step.size())));
  }
  return timeline;
}

Appliance::Appliance(Lab& lab, Node node, fs::path configuration)
    : lab_(lab), node_(node), configuration_(std::move(configuration)) {}

fs::path Appliance::directory() const {
  return lab_.scratch().path() / name_of(node_);
}

std::vector<std::string> Appliance::command(const std::vector<std::string>& options,
                                            const std::vector<std::string>& wrapper) const {
  const fs::path state = directory() / "state";
  fs::create_directories(state);
  std::vector<std::string> words = wrapper;
  words.insert(words.end(), {appliance_program().string(), "--config", configuration_.string(),
                             "--control-socket", control_socket().string(), "--state-dir", state.string()});
  words.insert(words.end(), options.begin(), options.end());
  return words;
}

void Appliance::start(const std::vector<std::string>& options, const std::vector<std::string>& wrapper) {
  ++starts_;
  process_ = lab_.start(node_, command(options, wrapper),
                        std::string(name_of(node_)) + "." + std::to_string(starts_) + ".log");
}

Outcome Appliance::try_start(const std::vector<std::string>& options,
                             const std::vector<std::string>& wrapper) {
  return lab_.run(node_, command(options, wrapper));
}

void Appliance::kill() {
  process_.kill_now();
}

std::optional<int> Appliance::terminate(Duration at_most) {
  process_.signal(SIGTERM);
  return process_.wait(at_most);
}

void Appliance::freeze() {
  process_.signal(SIGSTOP);
}

void Appliance::thaw() {
  process_.signal(SIGCONT);
}

Holding Appliance::holding() {
  const bool inside = lab_.links(node_).addresses("eth1").contains(kInsideVirtualAddress);
  const bool outside = lab_.links(node_).addresses("eth0").contains(kOutsideVirtualAddress);
  if (inside != outside) return Holding::some;
  return inside ? Holding::all : Holding::none;
}

std::uint32_t Appliance::seconds_left() {
  const auto inside = lab_.links(node_).addresses("eth1");
  const auto outside = lab_.links(node_).addresses("eth0");
  const auto left = [](const auto& addresses, const char* address) {
    const auto found = addresses.find(address);
    return found == addresses.end() ? 0U : found->second;
  };
  return std::min(left(inside, kInsideVirtualAddress), left(outside, kOutsideVirtualAddress));
}

std::optional<Standing> Appliance::standing() {
  const Outcome asked = lab_.run(
      node_, {control_program().string(), "--socket", control_socket().string(), "status", "--json"});
  static constexpr std::string_view kEntries = "\"entries\":";
  const std::size_t entries = asked.output.find(kEntries);
  if (entries == std::string::npos) return std::nullopt;
  return Standing{.in_sync = asked.output.find("holds what the source holds") != std::string::npos,
                  .entries = std::strtoull(asked.output.c_str() + entries + kEntries.size(), nullptr, 10)};
}

std::string Appliance::log() const {
  return lab_.read_log(std::string(name_of(node_)) + "." + std::to_string(starts_) + ".log");
}

}  // namespace ftfw::lab
