#include "vrrp/linux/virtual_mac_interfaces.hpp"

#include <fcntl.h>
#include <linux/if_link.h>
#include <net/if.h>
#include <netlink/route/link.h>
#include <netlink/route/link/macvlan.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <optional>
#include <string_view>

#include "appliance/base/unique_fd.hpp"
#include "vrrp/linux/route_requests.hpp"

namespace ftfw::vrrp {
namespace {

using Link = std::unique_ptr<rtnl_link, Freeing<rtnl_link_put>>;

struct Standing {
  Link link;
  bool ours = false;
};

Result<std::optional<Standing>> find(nl_sock* socket, const std::string& name) {
  rtnl_link* found = nullptr;
  const int got = rtnl_link_get_kernel(socket, 0, name.c_str(), &found);
  if (got == -NLE_OBJ_NOTFOUND || got == -NLE_NODEV) return std::nullopt;
  if (got < 0) return fail_netlink("read interface " + name, got);
  Link link(found);
  const bool ours = rtnl_link_is_macvlan(found) != 0 && rtnl_link_get_group(found) == kVirtualMacGroup;
  return Standing{std::move(link), ours};
}

bool is_as_wanted(rtnl_link* link, int parent, const MacAddress& mac) {
  const nl_addr* address = rtnl_link_get_addr(link);
  if (address == nullptr || nl_addr_get_len(address) != mac.bytes.size()) return false;
  const auto* bytes = static_cast<const std::uint8_t*>(nl_addr_get_binary_addr(address));
  return std::equal(mac.bytes.begin(), mac.bytes.end(), bytes) && rtnl_link_get_link(link) == parent &&
         rtnl_link_macvlan_get_mode(link) == MACVLAN_MODE_PRIVATE;
}

Status make(nl_sock* socket, const std::string& name, int parent, const MacAddress& mac) {
  const Link link(rtnl_link_macvlan_alloc());
  const NetlinkAddress address(nl_addr_build(AF_LLC, mac.bytes.data(), mac.bytes.size()));
  if (!link || !address) return fail_errno("build a request for interface " + name, ENOMEM);
  rtnl_link_set_name(link.get(), name.c_str());
  rtnl_link_set_link(link.get(), parent);
  rtnl_link_set_addr(link.get(), address.get());
  rtnl_link_set_group(link.get(), kVirtualMacGroup);
  rtnl_link_macvlan_set_mode(link.get(), MACVLAN_MODE_PRIVATE);
  const int made = rtnl_link_add(socket, link.get(), NLM_F_CREATE | NLM_F_EXCL);
  if (made < 0) return fail_netlink("make interface " + name, made);
  return {};
}

struct Setting {
  const char* directory;  // below /proc/sys/net
  const char* name;
  const char* value;
};

// arp_ignore: the addresses of other interfaces, the parent's, are not answered for with the virtual MAC; of
// the IPv6 macvlan too. accept_local and rp_filter: the hosts behind the parent are routed by the parent, yet
// what they send to the virtual MAC comes in here. promote_secondaries: removing one address takes no other
// along.
constexpr std::array kIpv4Settings{
    Setting{"ipv4", "arp_ignore", "1"},   Setting{"ipv4", "accept_local", "1"},
    Setting{"ipv4", "rp_filter", "0"},    Setting{"ipv4", "promote_secondaries", "1"},
    Setting{"ipv6", "disable_ipv6", "1"},
};
// addr_gen_mode 1: no link-local address of the kernel's own. accept_ra: the parent hears the routers.
constexpr std::array kIpv6Settings{
    Setting{"ipv4", "arp_ignore", "1"},
    Setting{"ipv6", "addr_gen_mode", "1"},
    Setting{"ipv6", "accept_dad", "0"},
    Setting{"ipv6", "accept_ra", "0"},
};

// A kernel without IPv6 has nothing to disable.
bool is_needless(const Setting& setting, int error) {
  return error == ENOENT && std::string_view(setting.name) == "disable_ipv6";
}

Status write_settings(const std::string& name, Family family) {
  const std::span<const Setting> settings = family == Family::ipv4 ? std::span<const Setting>(kIpv4Settings)
                                                                   : std::span<const Setting>(kIpv6Settings);
  std::string problems;
  for (const Setting& each : settings) {
    const std::string path =
        std::string("/proc/sys/net/") + each.directory + "/conf/" + name + "/" + each.name;
    const UniqueFd fd(::open(path.c_str(), O_WRONLY | O_CLOEXEC));
    const std::string_view value = each.value;
    const bool written = fd && ::write(fd.get(), value.data(), value.size()) == 1;
    if (written || is_needless(each, errno)) continue;
    problems += (problems.empty() ? "" : "; ") + fail_errno(path, errno).error().text;
  }
  if (!problems.empty()) return fail(Blame::system, "settings of interface " + name + ": " + problems);
  return {};
}

std::unexpected<Error> fail_not_ours(const std::string& name, int code) {
  return fail(Blame::configuration,
              "interface " + name + " exists and was not made by this program; it is left as it is", code);
}

}  // namespace

Result<VirtualMacInterfaces> VirtualMacInterfaces::open() {
  auto socket = open_route_socket();
  if (!socket) return std::unexpected(socket.error());
  return VirtualMacInterfaces(std::move(*socket));
}

Status VirtualMacInterfaces::create(const std::string& name, const std::string& parent, const MacAddress& mac,
                                    Family family) {
  const auto parent_index = static_cast<int>(::if_nametoindex(parent.c_str()));
  if (parent_index == 0) return fail_errno("interface " + parent, errno);
  const auto standing = find(socket_.get(), name);
  if (!standing) return std::unexpected(standing.error());
  bool stands = standing->has_value();
  if (stands && !(*standing)->ours) return fail_not_ours(name, EEXIST);
  if (stands && !is_as_wanted((*standing)->link.get(), parent_index, mac)) {
    if (auto removed = remove(name); !removed) return removed;
    stands = false;
  }
  if (!stands) {
    if (auto made = make(socket_.get(), name, parent_index, mac); !made) return made;
  }
  return write_settings(name, family);
}

Status VirtualMacInterfaces::set_up(const std::string& name) {
  return set_flag(name, true);
}

Status VirtualMacInterfaces::set_down(const std::string& name) {
  return set_flag(name, false);
}

Status VirtualMacInterfaces::set_flag(const std::string& name, bool up) {
  const auto standing = find(socket_.get(), name);
  if (!standing) return std::unexpected(standing.error());
  if (!*standing) return fail_errno("interface " + name, ENODEV);
  if (!(*standing)->ours) return fail_not_ours(name, EPERM);
  const Link changes(rtnl_link_alloc());
  if (!changes) return fail_errno("build a request for interface " + name, ENOMEM);
  if (up)
    rtnl_link_set_flags(changes.get(), IFF_UP);
  else
    rtnl_link_unset_flags(changes.get(), IFF_UP);
  const int changed = rtnl_link_change(socket_.get(), (*standing)->link.get(), changes.get(), 0);
  if (changed < 0) return fail_netlink("set interface " + name + (up ? " up" : " down"), changed);
  return {};
}

Status VirtualMacInterfaces::remove(const std::string& name) {
  const auto standing = find(socket_.get(), name);
  if (!standing) return std::unexpected(standing.error());
  if (!*standing) return {};
  if (!(*standing)->ours) return fail_not_ours(name, EPERM);
  const int removed = rtnl_link_delete(socket_.get(), (*standing)->link.get());
  if (removed < 0 && removed != -NLE_NODEV) return fail_netlink("remove interface " + name, removed);
  return {};
}

Result<std::vector<std::string>> VirtualMacInterfaces::list_own() {
  nl_cache* read = nullptr;
  const int got = rtnl_link_alloc_cache(socket_.get(), AF_UNSPEC, &read);
  if (got < 0) return fail_netlink("read the interfaces", got);
  const std::unique_ptr<nl_cache, Freeing<nl_cache_free>> cache(read);
  std::vector<std::string> own;
  for (nl_object* each = nl_cache_get_first(read); each != nullptr; each = nl_cache_get_next(each)) {
    auto* link = reinterpret_cast<rtnl_link*>(each);
    if (rtnl_link_is_macvlan(link) != 0 && rtnl_link_get_group(link) == kVirtualMacGroup)
      own.emplace_back(rtnl_link_get_name(link));
  }
  return own;
}

}  // namespace ftfw::vrrp
