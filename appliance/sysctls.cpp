#include "appliance/sysctls.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <filesystem>
#include <fstream>
#include <optional>
#include <set>
#include <string_view>
#include <utility>

#include "appliance/base/unique_fd.hpp"
#include "appliance/holdings.hpp"

namespace ftfw {
namespace {

const std::string kProcSys = "/proc/sys/";
constexpr const char* kIpv4Settings = "net/ipv4/conf/";
constexpr const char* kStrict = "1";  // rp_filter

std::string path_of(const Sysctl& setting) {
  return kProcSys + setting.name;
}

Result<std::string> read_value(const std::string& path) {
  const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd) return fail_errno(path, errno);
  std::array<char, 256> buffer{};
  const ssize_t got = ::read(fd.get(), buffer.data(), buffer.size());
  if (got < 0) return fail_errno(path, errno);
  std::string_view text(buffer.data(), static_cast<std::size_t>(got));
  while (!text.empty() && text.back() == '\n') text.remove_suffix(1);
  return std::string(text);
}

Status write_value(const std::string& path, const std::string& value) {
  const UniqueFd fd(::open(path.c_str(), O_WRONLY | O_CLOEXEC));
  if (!fd) return fail_errno(path, errno);
  if (::write(fd.get(), value.data(), value.size()) < 0) return fail_errno(path, errno);
  return {};
}

std::string boot_id() {
  return read_value("/proc/sys/kernel/random/boot_id").value_or("unknown");
}

// The file: the boot id, then lines of "name value", written by save(). Values of an earlier boot are worth
// nothing: the kernel started with its own again.
std::optional<std::string> saved_value(const std::string& path, const std::string& wanted) {
  std::ifstream file(path);
  std::string name;
  std::string value;
  if (!(file >> name) || name != boot_id()) return std::nullopt;
  while (file >> name >> value) {
    if (name == wanted) return value;
  }
  return std::nullopt;
}

Status joined(const std::vector<std::string>& problems) {
  if (problems.empty()) return {};
  return fail(Blame::system, fmt::format("kernel settings: {}", fmt::join(problems, "; ")));
}

}  // namespace

Sysctls::Sysctls(const config::Config& config, std::string saved_path) : saved_path_(std::move(saved_path)) {
  settings_ = {
      // First: the kernel resets other per-interface settings when it changes.
      {"net/ipv4/ip_forward", "1", "", "the primary forwards between the networks"},
      {"net/netfilter/nf_conntrack_events", "1", "",
       "every flow reports its changes, also those older than the daemon"},
      {"net/netfilter/nf_conntrack_tcp_be_liberal", "1", "",
       "window state does not travel to the other node"},
  };
  const bool ipv6 = std::ranges::any_of(addresses_of(config.group), [](const vrrp::VirtualAddress& one) {
    return !one.address.address.is_ipv4();
  });
  if (ipv6) {
    settings_.push_back(
        {"net/ipv6/conf/all/forwarding", "1", "", "the primary forwards IPv6 between the networks"});
  }
  std::set<std::string> interfaces;
  for (const config::VirtualRouter& router : config.group.routers) interfaces.insert(router.interface);
  for (const std::string& interface : interfaces) {
    const std::string base = "net/ipv4/conf/" + interface + "/";
    settings_.push_back(
        {base + "arp_ignore", "1", "", "a virtual address is answered for on its own interface only"});
    settings_.push_back(
        {base + "arp_announce", "2", "", "ARP requests name an address of the interface they leave by"});
    settings_.push_back(
        {base + "promote_secondaries", "1", "", "removing one address does not take others with it"});
  }
  loosen_reverse_path_filter(config.group);
}

// A strict reverse path filter for all interfaces makes a macvlan deaf: the way back to whoever asks leads by
// the interface below. The kernel takes the stricter of "all" and the interface's own, so the strictness
// moves from "all" to every other interface.
void Sysctls::loosen_reverse_path_filter(const config::SyncGroup& group) {
  const std::vector<VirtualMacUse> macs = virtual_macs_of(group);
  const std::string all = std::string(kIpv4Settings) + "all/rp_filter";
  const std::string wanted = saved_value(saved_path_, all).value_or(read_value(kProcSys + all).value_or("0"));
  if (macs.empty() || wanted != kStrict) return;
  std::error_code unreadable;
  for (const auto& entry :
       std::filesystem::directory_iterator(kProcSys + std::string(kIpv4Settings), unreadable)) {
    const std::string interface = entry.path().filename();
    const bool ours = std::ranges::find(macs, interface, &VirtualMacUse::name) != macs.end();
    if (interface == "all" || ours) continue;
    settings_.push_back({std::string(kIpv4Settings) + interface + "/rp_filter", kStrict, "",
                         "the strict reverse path filter of \"all\", which a virtual MAC cannot have"});
  }
  settings_.push_back({all, "0", "", "a strict filter for all makes a virtual MAC's macvlan deaf"});
}

Status Sysctls::apply() {
  adopt_saved();
  std::vector<std::string> problems;
  for (Sysctl& setting : settings_) {
    if (!setting.found.empty()) continue;
    const auto value = read_value(path_of(setting));
    if (value)
      setting.found = *value;
    else
      problems.push_back(value.error().text);
  }
  if (const Status saved = save(); !saved) problems.push_back(saved.error().text);
  for (const Sysctl& setting : settings_) {
    if (setting.found.empty()) continue;
    const auto present = read_value(path_of(setting));
    if (present && *present == setting.wanted) continue;
    if (const Status written = write_value(path_of(setting), setting.wanted); !written) {
      problems.push_back(written.error().text);
    }
  }
  return joined(problems);
}

Status Sysctls::restore() {
  std::vector<std::string> problems;
  for (const Sysctl& setting : settings_) {
    if (setting.found.empty()) continue;
    if (const Status written = write_value(path_of(setting), setting.found); !written) {
      problems.push_back(written.error().text);
    }
  }
  if (problems.empty()) ::unlink(saved_path_.c_str());
  return joined(problems);
}

void Sysctls::adopt_saved() {
  for (Sysctl& setting : settings_) {
    if (const auto value = saved_value(saved_path_, setting.name)) setting.found = *value;
  }
}

Status Sysctls::save() const {
  const std::string fresh = saved_path_ + ".new";
  {
    std::ofstream file(fresh, std::ios::trunc);
    file << boot_id() << '\n';
    for (const Sysctl& setting : settings_) {
      if (!setting.found.empty()) file << setting.name << ' ' << setting.found << '\n';
    }
    if (!file.flush()) return fail(Blame::system, fresh + ": cannot be written");
  }
  if (::rename(fresh.c_str(), saved_path_.c_str()) != 0) return fail_errno(saved_path_, errno);
  return {};
}

}  // namespace ftfw
