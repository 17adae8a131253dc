#include "appliance/sysctls.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <filesystem>
#include <fstream>
#include <set>
#include <string_view>
#include <utility>

#include "appliance/base/log.hpp"
#include "appliance/base/unique_fd.hpp"
#include "appliance/holdings.hpp"

namespace ftfw {
namespace {

const std::string kProcSys = "/proc/sys/";
constexpr const char* kIpv4Settings = "net/ipv4/conf/";
constexpr const char* kIpv6Settings = "net/ipv6/conf/";
constexpr const char* kNoFilter = "0";  // rp_filter
constexpr const char* kStrict = "1";
constexpr std::size_t kMaxAlong = 4096;  // interfaces whose own forwarding is remembered
constexpr std::size_t kMaxSaved = 8 * kMaxAlong;

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
std::vector<Sysctl> read_saved(const std::string& path) {
  std::ifstream file(path);
  std::string name;
  std::string value;
  std::vector<Sysctl> saved;
  if (!(file >> name) || name != boot_id()) return saved;
  while (saved.size() < kMaxSaved && file >> name >> value) saved.push_back({name, "", value, ""});
  return saved;
}

std::vector<std::string> names_in(const std::string& directory) {
  std::vector<std::string> names;
  std::error_code unreadable;
  for (const auto& entry : std::filesystem::directory_iterator(kProcSys + directory, unreadable))
    names.push_back(entry.path().filename());
  return names;
}

bool is_of_interface(const std::string& name) {
  return name.starts_with(kIpv4Settings) || name.starts_with(kIpv6Settings);
}

// A value that stands is not written: for some settings the kernel does more than that.
Status put(const Sysctl& setting, const std::string& value) {
  const auto present = read_value(path_of(setting));
  if (present && *present == value) return {};
  return write_value(path_of(setting), value);
}

bool may_be_gone(const Sysctl& setting, const Error& why) {
  return setting.presence == Presence::of_interface_that_may_go && why.code == ENOENT;
}

Status joined(const std::vector<std::string>& problems) {
  if (problems.empty()) return {};
  return fail(Blame::system, fmt::format("kernel settings: {}", fmt::join(problems, "; ")));
}

}  // namespace

Sysctls::Sysctls(const config::Config& config, std::string saved_path)
    : saved_path_(std::move(saved_path)), saved_(read_saved(saved_path_)) {
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
  note_forwarding("net/ipv4/ip_forward", kIpv4Settings);
  if (ipv6) note_forwarding("net/ipv6/conf/all/forwarding", kIpv6Settings);
}

std::optional<std::string> Sysctls::found_before(const std::string& name) const {
  const auto saved = std::ranges::find(saved_, name, &Sysctl::name);
  if (saved != saved_.end()) return saved->found;
  const auto value = read_value(kProcSys + name);
  return value ? std::optional(*value) : std::nullopt;
}

// A strict reverse path filter for all interfaces makes a macvlan deaf: the way back to whoever asks leads by
// the interface below. The kernel takes the greater of "all" and the interface's own (IN_DEV_MAXCONF; 1 is
// strict, 2 is loose): the strictness of "all" moves to the interfaces that have none of their own.
void Sysctls::loosen_reverse_path_filter(const config::SyncGroup& group) {
  const std::vector<VirtualMacUse> macs = virtual_macs_of(group);
  const std::string all = std::string(kIpv4Settings) + "all/rp_filter";
  if (macs.empty() || found_before(all) != kStrict) return;
  for (const std::string& interface : names_in(kIpv4Settings)) {
    const bool ours = std::ranges::find(macs, interface, &VirtualMacUse::name) != macs.end();
    const std::string name = std::string(kIpv4Settings) + interface + "/rp_filter";
    if (interface == "all" || ours || found_before(name) != kNoFilter) continue;
    settings_.push_back({name, kStrict, "",
                         "the strict reverse path filter of \"all\", which a virtual MAC cannot have",
                         Presence::of_interface_that_may_go});
  }
  settings_.push_back({all, "0", "", "a strict filter for all makes a virtual MAC's macvlan deaf"});
}

// The switch for all sets that of every interface and of those to come, and so does its way back.
void Sysctls::note_forwarding(const std::string& for_all, const std::string& directory) {
  if (found_before(for_all) == "1") return;
  const bool after_crash = std::ranges::find(saved_, for_all, &Sysctl::name) != saved_.end();
  for (const std::string& interface : names_in(directory)) {
    const std::string name = directory + interface + "/forwarding";
    // By now the others have what we set.
    if (after_crash && std::ranges::find(saved_, name, &Sysctl::name) == saved_.end()) continue;
    const auto found = found_before(name);
    if (interface == "all" || !found) continue;
    if (along_.size() >= kMaxAlong) {
      log::warning("forwarding of interfaces: there are too many to restore each by itself");
      return;
    }
    along_.push_back({name, "", *found, ""});
  }
}

Status Sysctls::apply() {
  std::vector<std::string> problems;
  for (Sysctl& setting : settings_) {
    const auto saved = std::ranges::find(saved_, setting.name, &Sysctl::name);
    if (saved != saved_.end()) setting.found = saved->found;
    if (!setting.found.empty()) continue;
    const auto value = read_value(path_of(setting));
    if (value)
      setting.found = *value;
    else if (!may_be_gone(setting, value.error()))
      problems.push_back(value.error().text);
  }
  // What a former run set and this one does not: remembered until it is restored.
  leftovers_ = saved_;
  std::erase_if(leftovers_, [this](const Sysctl& each) {
    return std::ranges::find(settings_, each.name, &Sysctl::name) != settings_.end() ||
           std::ranges::find(along_, each.name, &Sysctl::name) != along_.end();
  });
  if (const Status saved = save(); !saved) problems.push_back(saved.error().text);
  if (!leftovers_.empty()) {
    std::erase_if(leftovers_, [](const Sysctl& each) { return put(each, each.found).has_value(); });
    if (const Status saved = save(); !saved) problems.push_back(saved.error().text);
  }
  for (const Sysctl& setting : settings_) {
    if (setting.found.empty()) continue;
    const Status written = put(setting, setting.wanted);
    if (!written && !may_be_gone(setting, written.error())) problems.push_back(written.error().text);
  }
  std::erase_if(settings_, [](const Sysctl& setting) {
    return setting.presence == Presence::of_interface_that_may_go && setting.found.empty();
  });
  return joined(problems);
}

Status Sysctls::restore() {
  std::vector<std::string> problems;
  for (const auto* list : {&settings_, &along_, &leftovers_}) {
    for (const Sysctl& setting : *list) {
      if (setting.found.empty()) continue;
      const Status written = put(setting, setting.found);
      const bool gone = !written && written.error().code == ENOENT && is_of_interface(setting.name);
      if (!written && !gone) problems.push_back(written.error().text);
    }
  }
  if (problems.empty()) ::unlink(saved_path_.c_str());
  return joined(problems);
}

Status Sysctls::save() const {
  const std::string fresh = saved_path_ + ".new";
  {
    std::ofstream file(fresh, std::ios::trunc);
    file << boot_id() << '\n';
    // Those for all interfaces before those of each, as they are restored.
    for (const auto* list : {&settings_, &along_, &leftovers_}) {
      for (const Sysctl& setting : *list) {
        if (!setting.found.empty()) file << setting.name << ' ' << setting.found << '\n';
      }
    }
    if (!file.flush()) return fail(Blame::system, fresh + ": cannot be written");
  }
  if (::rename(fresh.c_str(), saved_path_.c_str()) != 0) return fail_errno(saved_path_, errno);
  return {};
}

}  // namespace ftfw
