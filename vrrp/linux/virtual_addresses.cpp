#include "vrrp/linux/virtual_addresses.hpp"

#include <linux/if_addr.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <netlink/route/addr.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <memory>
#include <optional>

#include "vrrp/linux/route_requests.hpp"

namespace ftfw::vrrp {
namespace {

using RouteAddress = std::unique_ptr<rtnl_addr, Freeing<rtnl_addr_put>>;

std::string describe(const VirtualAddress& address) {
  return address.address.to_string() + " on " + address.interface;
}

Result<int> index_of(const std::string& interface) {
  const auto index = static_cast<int>(::if_nametoindex(interface.c_str()));
  if (index == 0) return fail_errno("interface " + interface, errno);
  return index;
}

std::uint8_t kernel_scope(config::AddressScope scope) {
  switch (scope) {
    case config::AddressScope::global:
      return RT_SCOPE_UNIVERSE;
    case config::AddressScope::link:
      return RT_SCOPE_LINK;
    case config::AddressScope::host:
      return RT_SCOPE_HOST;
  }
  return RT_SCOPE_UNIVERSE;
}

std::uint32_t kernel_flags(const VirtualAddress& wanted) {
  std::uint32_t flags = 0;
  if (wanted.no_prefix_route || wanted.address.is_host()) flags |= IFA_F_NOPREFIXROUTE;
  // It is taken over from a node that has it still: detection would find it.
  if (!wanted.address.address.is_ipv4()) flags |= IFA_F_NODAD;
  return flags;
}

bool may_be_source(const IpPrefix& address) {
  return address.address.is_ipv4() || !address.is_host() || address.address.is_link_local();
}

// One address of this machine, as a dump reports it.
struct Standing {
  int index = 0;
  IpPrefix address;
  bool ours = false;
  std::uint8_t scope = 0;
  std::uint32_t flags = 0;
  std::string label;  // IPv4: at least the interface's name
};

std::optional<Standing> parse_address(nlmsghdr* header) {
  std::array<nlattr*, IFA_MAX + 1> attributes{};
  if (header->nlmsg_type != RTM_NEWADDR ||
      nlmsg_parse(header, sizeof(ifaddrmsg), attributes.data(), IFA_MAX, nullptr) < 0) {
    return std::nullopt;
  }
  const auto* fixed = static_cast<const ifaddrmsg*>(nlmsg_data(header));
  const auto address =
      address_in(attributes[IFA_LOCAL] != nullptr ? attributes[IFA_LOCAL] : attributes[IFA_ADDRESS]);
  if (!address) return std::nullopt;
  Standing standing{.index = static_cast<int>(fixed->ifa_index),
                    .address = {*address, fixed->ifa_prefixlen},
                    .scope = fixed->ifa_scope,
                    .flags = fixed->ifa_flags,
                    .label = {}};
  const nlattr* protocol = attributes[IFA_PROTO];
  standing.ours = protocol != nullptr && nla_len(protocol) >= 1 && nla_get_u8(protocol) == kAddressProtocol;
  if (const nlattr* flags = attributes[IFA_FLAGS]; flags != nullptr && nla_len(flags) >= 4)
    standing.flags = nla_get_u32(flags);
  if (const nlattr* label = attributes[IFA_LABEL]; label != nullptr && nla_len(label) > 0) {
    const auto* text = static_cast<const char*>(nla_data(label));
    standing.label.assign(text, ::strnlen(text, static_cast<std::size_t>(nla_len(label))));
  }
  return standing;
}

// What a renewal does not change.
bool is_as_wanted(const Standing& standing, const VirtualAddress& wanted) {
  if (((standing.flags ^ kernel_flags(wanted)) & IFA_F_NOPREFIXROUTE) != 0) return false;
  if (!wanted.address.address.is_ipv4()) return true;
  return standing.scope == kernel_scope(wanted.scope) &&
         standing.label == (wanted.label.empty() ? wanted.interface : wanted.label);
}

// Whatever its prefix length or interface: two of the same address on one machine cannot be meant. Link-local
// IPv6 addresses belong to their link.
bool is_same_address(const Standing& standing, const IpAddress& wanted, int index) {
  if (standing.address.address != wanted) return false;
  return wanted.is_ipv4() || !wanted.is_link_local() || standing.index == index;
}

Result<std::vector<Standing>> dump_addresses(nl_sock* socket) {
  std::vector<Standing> all;
  constexpr std::array<std::uint8_t, sizeof(ifaddrmsg)> kEveryFamily{};
  const Status read = dump(
      socket, RTM_GETADDR, kEveryFamily, [&] { all.clear(); },
      [&](nlmsghdr& message) {
        if (auto standing = parse_address(&message)) all.push_back(std::move(*standing));
      });
  if (!read) return std::unexpected(read.error());
  return all;
}

enum class Change { create, renew, remove };

int message_flags(Change change) {
  switch (change) {
    case Change::create:
      return NLM_F_CREATE | NLM_F_EXCL;  // never over one that appeared since we looked
    case Change::renew:
      return NLM_F_CREATE | NLM_F_REPLACE;
    case Change::remove:
      return 0;
  }
  return 0;
}

Result<Message> build(const VirtualAddress& wanted, std::chrono::seconds lifetime, Change change) {
  const auto index = index_of(wanted.interface);
  if (!index) return std::unexpected(index.error());
  const NetlinkAddress local = netlink_address(wanted.address);
  const RouteAddress address(rtnl_addr_alloc());
  if (!local || !address) return fail_errno("build an address message", ENOMEM);
  rtnl_addr_set_ifindex(address.get(), *index);
  rtnl_addr_set_local(address.get(), local.get());

  nl_msg* built = nullptr;
  int error = 0;
  if (change == Change::remove) {
    error = rtnl_addr_build_delete_request(address.get(), message_flags(change), &built);
  } else {
    const auto seconds = static_cast<std::uint32_t>(lifetime.count());
    rtnl_addr_set_valid_lifetime(address.get(), seconds);
    rtnl_addr_set_preferred_lifetime(address.get(), may_be_source(wanted.address) ? seconds : 0);
    rtnl_addr_set_flags(address.get(), kernel_flags(wanted));
    if (wanted.address.address.is_ipv4()) rtnl_addr_set_scope(address.get(), kernel_scope(wanted.scope));
    if (!wanted.label.empty()) rtnl_addr_set_label(address.get(), wanted.label.c_str());
    error = rtnl_addr_build_add_request(address.get(), message_flags(change), &built);
  }
  if (error < 0) return fail_netlink("build a message for " + describe(wanted), error);
  Message message(built);
  if (change != Change::remove) {
    error = nla_put_u8(message.get(), IFA_PROTO, kAddressProtocol);
    if (error < 0) return fail_netlink("build a message for " + describe(wanted), error);
  }
  return message;
}

struct Planned {
  VirtualAddress address;
  Change change = Change::create;
};

bool is_success(Change change, int error) {
  const bool gone_already = change == Change::remove && (error == EADDRNOTAVAIL || error == ENODEV);
  return error == 0 || gone_already;
}

Status apply_batch(nl_sock* socket, std::span<const Planned> plan, std::chrono::seconds lifetime) {
  Status first_failure;
  std::vector<Message> messages;
  std::vector<const Planned*> sent;
  for (const Planned& step : plan) {
    auto message = build(step.address, lifetime, step.change);
    if (message) {
      messages.push_back(std::move(*message));
      sent.push_back(&step);
    } else if (first_failure) {
      first_failure = std::unexpected(message.error());
    }
  }
  if (messages.empty()) return first_failure;
  const auto answers = send_batch(socket, messages);
  if (!answers) return std::unexpected(answers.error());
  for (std::size_t i = 0; i < sent.size(); ++i) {
    const int error = (*answers)[i];
    if (is_success(sent[i]->change, error) || !first_failure) continue;
    const char* verb = sent[i]->change == Change::remove ? "remove " : "set ";
    first_failure = fail_errno(verb + describe(sent[i]->address), error, Blame::kernel);
  }
  return first_failure;
}

// Everything is tried: an address that cannot be set (its interface is gone) must not let the others expire.
Status apply(nl_sock* socket, std::span<const Planned> plan, std::chrono::seconds lifetime) {
  Status first_failure;
  for (std::size_t done = 0; done < plan.size(); done += kMaxBatch) {
    const auto part = plan.subspan(done, std::min(kMaxBatch, plan.size() - done));
    auto applied = apply_batch(socket, part, lifetime);
    if (!applied && first_failure) first_failure = std::move(applied);
  }
  return first_failure;
}

}  // namespace

Result<VirtualAddresses> VirtualAddresses::open() {
  auto socket = open_route_socket();
  if (!socket) return std::unexpected(socket.error());
  return VirtualAddresses(std::move(*socket));
}

Status VirtualAddresses::add(std::span<const VirtualAddress> addresses, std::chrono::seconds lifetime) {
  const auto standing = dump_addresses(socket_.get());
  if (!standing) return std::unexpected(standing.error());
  std::vector<Planned> plan;
  for (const VirtualAddress& wanted : addresses) {
    const auto index = index_of(wanted.interface);
    if (!index) return std::unexpected(index.error());
    Planned step{wanted, Change::create};
    for (const Standing& other : *standing) {
      if (!is_same_address(other, wanted.address.address, *index)) continue;
      if (!other.ours) {
        return fail(Blame::configuration,
                    "virtual address " + describe(wanted) + " is already an address of this machine (" +
                        other.address.to_string() + ", not set by this program); it is left as it is",
                    EEXIST);
      }
      if (other.index != *index || other.address != wanted.address) continue;
      if (is_as_wanted(other, wanted))
        step.change = Change::renew;
      else
        plan.push_back({wanted, Change::remove});
    }
    plan.push_back(std::move(step));
  }
  std::ranges::stable_partition(
      plan, [](const Planned& step) { return step.address.address.address.is_link_local(); });
  return apply(socket_.get(), plan, lifetime);
}

Status VirtualAddresses::renew(std::span<const VirtualAddress> addresses, std::chrono::seconds lifetime) {
  std::vector<Planned> plan;
  for (const VirtualAddress& wanted : addresses) plan.push_back({wanted, Change::renew});
  return apply(socket_.get(), plan, lifetime);
}

Status VirtualAddresses::remove(std::span<const VirtualAddress> addresses) {
  const auto standing = dump_addresses(socket_.get());
  if (!standing) return std::unexpected(standing.error());
  std::vector<Planned> plan;
  for (const VirtualAddress& unwanted : addresses) {
    const auto index = static_cast<int>(::if_nametoindex(unwanted.interface.c_str()));
    const bool stands = std::ranges::any_of(*standing, [&](const Standing& each) {
      return each.ours && each.index == index && each.address == unwanted.address;
    });
    if (stands) plan.push_back({unwanted, Change::remove});
  }
  return apply(socket_.get(), plan, std::chrono::seconds(0));
}

Result<std::vector<VirtualAddress>> VirtualAddresses::list_own(std::span<const std::string> interfaces) {
  const auto standing = dump_addresses(socket_.get());
  if (!standing) return std::unexpected(standing.error());
  std::vector<VirtualAddress> own;
  for (const std::string& interface : interfaces) {
    const auto index = static_cast<int>(::if_nametoindex(interface.c_str()));
    for (const Standing& each : *standing) {
      if (each.ours && each.index == index) own.push_back({interface, each.address});
    }
  }
  return own;
}

}  // namespace ftfw::vrrp
