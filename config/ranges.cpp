#include "config/ranges.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>

namespace ftfw::config {
namespace {

constexpr std::uint8_t kAllOnes = 0xff;

std::optional<std::uint16_t> parse_port(std::string_view text) {
  std::uint16_t port = 0;
  const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), port);
  if (problem != std::errc() || end != text.data() + text.size() || port == 0) return std::nullopt;
  return port;
}

std::optional<std::uint16_t> behind(std::uint16_t port) {
  if (port == 0xffff) return std::nullopt;
  return static_cast<std::uint16_t>(port + 1);
}

std::optional<IpAddress> behind(const IpAddress& address) {
  return successor(address);
}

template <typename Range>
std::vector<Range> merge(std::vector<Range> ranges, bool all_single) {
  std::ranges::sort(ranges);
  std::vector<Range> result;
  for (const Range& each : ranges) {
    if (result.empty()) {
      result.push_back(each);
      continue;
    }
    Range& last = result.back();
    const auto next = behind(last.last);
    const bool joins =
        all_single ? each.first == last.first : each.first <= last.last || (next && *next == each.first);
    if (!joins) {
      result.push_back(each);
    } else if (last.last < each.last) {
      last.last = each.last;
    }
  }
  return result;
}

}  // namespace

AddressRange range_of(const IpPrefix& prefix) {
  const ByteSpan bytes = prefix.address.bytes();
  std::array<std::uint8_t, 16> first{};
  std::array<std::uint8_t, 16> last{};
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    const std::size_t before = i * 8;
    const std::size_t kept = prefix.length <= before ? 0 : std::min<std::size_t>(8, prefix.length - before);
    const auto host_bits = static_cast<std::uint8_t>(kAllOnes >> kept);
    first[i] = static_cast<std::uint8_t>(bytes[i] & ~host_bits);
    last[i] = static_cast<std::uint8_t>(bytes[i] | host_bits);
  }
  return {*IpAddress::from_bytes({first.data(), bytes.size()}),
          *IpAddress::from_bytes({last.data(), bytes.size()})};
}

std::optional<IpPrefix> prefix_of(const AddressRange& range) {
  const ByteSpan first = range.first.bytes();
  const ByteSpan last = range.last.bytes();
  std::uint8_t length = 0;
  const std::size_t bits = first.size() * 8;
  while (length < bits && ((first[length / 8] ^ last[length / 8]) & (0x80U >> (length % 8))) == 0) ++length;
  const IpPrefix prefix{range.first, length};
  if (range_of(prefix) != range) return std::nullopt;
  return prefix;
}

std::optional<AddressRange> parse_address_range(std::string_view text) {
  const std::size_t dash = text.find('-');
  if (dash == std::string_view::npos) return std::nullopt;
  const auto first = IpAddress::parse(text.substr(0, dash));
  const auto last = IpAddress::parse(text.substr(dash + 1));
  if (!first || !last || first->family() != last->family() || *last < *first) return std::nullopt;
  return AddressRange{*first, *last};
}

std::optional<PortRange> parse_port_range(std::string_view text) {
  const std::size_t dash = text.find('-');
  const auto first = parse_port(text.substr(0, dash));
  const auto last = dash == std::string_view::npos ? first : parse_port(text.substr(dash + 1));
  if (!first || !last || *last < *first) return std::nullopt;
  return PortRange{*first, *last};
}

std::optional<IpAddress> successor(const IpAddress& address) {
  const ByteSpan bytes = address.bytes();
  std::array<std::uint8_t, 16> next{};
  std::ranges::copy(bytes, next.begin());
  for (std::size_t i = bytes.size(); i-- > 0;) {
    if (next[i] != kAllOnes) {
      ++next[i];
      return IpAddress::from_bytes({next.data(), bytes.size()});
    }
    next[i] = 0;
  }
  return std::nullopt;
}

std::vector<AddressRange> merged(std::vector<AddressRange> ranges) {
  const bool hosts = std::ranges::all_of(ranges, &AddressRange::is_host);
  return merge(std::move(ranges), hosts);
}

std::vector<PortRange> merged(std::vector<PortRange> ranges) {
  const bool single = std::ranges::all_of(ranges, &PortRange::is_single);
  return merge(std::move(ranges), single);
}

std::vector<AddressRange> joined(std::vector<AddressRange> ranges) {
  return merge(std::move(ranges), false);
}

std::vector<PortRange> joined(std::vector<PortRange> ranges) {
  return merge(std::move(ranges), false);
}

std::string to_string(const AddressRange& range) {
  if (range.is_host()) return range.first.to_string();
  if (const auto prefix = prefix_of(range)) return prefix->to_string();
  return fmt::format("{}-{}", range.first.to_string(), range.last.to_string());
}

std::string to_string(const PortRange& range) {
  if (range.is_single()) return fmt::format("{}", range.first);
  return fmt::format("{}-{}", range.first, range.last);
}

}  // namespace ftfw::config
