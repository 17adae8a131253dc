#include "sync/linux/kernel_facts.hpp"

#include <cerrno>
#include <fstream>
#include <optional>
#include <string>
#include <utility>

namespace ftfw::sync {

namespace {

using std::filesystem::path;

std::optional<std::uint32_t> read_number(const path& file) {
  std::ifstream in(file);
  std::uint32_t value = 0;
  if (in >> value) return value;
  return std::nullopt;
}

Result<std::uint32_t> require_number(const path& file) {
  if (const auto value = read_number(file)) return *value;
  return fail(Blame::system, "cannot read " + file.string() + ": is connection tracking in the kernel?",
              ENOENT);
}

// Index in the array of NormalTimeouts, name of the sysctl behind "nf_conntrack_".
using Row = std::pair<std::size_t, const char*>;

constexpr Row kTcp[] = {
    {0, "tcp_timeout_syn_sent"},    {1, "tcp_timeout_syn_sent"},  {2, "tcp_timeout_syn_recv"},
    {3, "tcp_timeout_established"}, {4, "tcp_timeout_fin_wait"},  {5, "tcp_timeout_close_wait"},
    {6, "tcp_timeout_last_ack"},    {7, "tcp_timeout_time_wait"}, {8, "tcp_timeout_close"},
    {9, "tcp_timeout_syn_sent"},
};
constexpr Row kSctp[] = {
    {1, "sctp_timeout_closed"},
    {2, "sctp_timeout_cookie_wait"},
    {3, "sctp_timeout_cookie_echoed"},
    {4, "sctp_timeout_established"},
    {5, "sctp_timeout_shutdown_sent"},
    {6, "sctp_timeout_shutdown_recd"},
    {7, "sctp_timeout_shutdown_ack_sent"},
    {8, "sctp_timeout_heartbeat_sent"},
};
constexpr Row kDccp[] = {
    {1, "dccp_timeout_request"},  {2, "dccp_timeout_respond"},  {3, "dccp_timeout_partopen"},
    {4, "dccp_timeout_open"},     {5, "dccp_timeout_closereq"}, {6, "dccp_timeout_closing"},
    {7, "dccp_timeout_timewait"},
};

path sysctl(const path& folder, const char* name) {
  return folder / (std::string("nf_conntrack_") + name);
}

// True if the kernel had any of them.
template <std::size_t N, std::size_t Rows>
bool read_states(const path& folder, const Row (&rows)[Rows], std::array<std::uint32_t, N>& out) {
  bool any = false;
  for (const auto& [state, name] : rows) {
    if (const auto value = read_number(sysctl(folder, name))) {
      out[state] = *value;
      any = true;
    }
  }
  return any;
}

bool read_one(const path& folder, const char* name, std::uint32_t& out) {
  const auto value = read_number(sysctl(folder, name));
  if (value) out = *value;
  return value.has_value();
}

}  // namespace

Result<KernelFacts> read_kernel_facts(const path& folder) {
  const auto limit = require_number(sysctl(folder, "max"));
  if (!limit) return std::unexpected(limit.error());
  KernelFacts facts;
  facts.conntrack_max = *limit;
  NormalTimeouts& timeouts = facts.timeouts;
  read_states(folder, kTcp, timeouts.tcp);
  facts.tracks_sctp = read_states(folder, kSctp, timeouts.sctp);
  facts.tracks_dccp = read_states(folder, kDccp, timeouts.dccp);
  read_one(folder, "udp_timeout", timeouts.udp);
  read_one(folder, "udp_timeout_stream", timeouts.udp_stream);
  read_one(folder, "icmp_timeout", timeouts.icmp);
  read_one(folder, "icmpv6_timeout", timeouts.icmpv6);
  facts.tracks_gre = read_one(folder, "gre_timeout", timeouts.gre);
  read_one(folder, "gre_timeout_stream", timeouts.gre_stream);
  read_one(folder, "generic_timeout", timeouts.generic);
  return facts;
}

Result<std::uint32_t> read_conntrack_count(const path& folder) {
  return require_number(sysctl(folder, "count"));
}

}  // namespace ftfw::sync
