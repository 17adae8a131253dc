// What a rule does beside its verdict, and the matches that are written as text: limits, logs, TCP flags,
// marks, connection states, comments.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>

#include "config/firewall_sections.hpp"
#include "config/names.hpp"

namespace ftfw::config {
namespace {

struct RateUnit {
  std::string_view name;
  std::uint64_t seconds;
};
constexpr std::array<RateUnit, 4> kRateUnits{{{"second", 1}, {"minute", 60}, {"hour", 3600}, {"day", 86400}}};
// Kernel: nft_limit divides nanoseconds by the rate.
constexpr std::uint64_t kMaxRate = 1'000'000'000;
// Kernel: nft_limit multiplies the nanoseconds of a packet, a day at most, by the burst in 64 bits.
constexpr std::uint32_t kMaxBurst = 100'000;
// Kernel: NF_LOG_PREFIXLEN is 128 with the final zero.
constexpr std::size_t kMaxLogPrefix = 127;
// nft: NFTNL_UDATA_COMMENT_MAXLEN is 128 with the final zero.
constexpr std::size_t kMaxComment = 127;

constexpr std::array<std::string_view, 8> kLogLevels{"emerg", "alert",  "crit", "err",
                                                     "warn",  "notice", "info", "debug"};
constexpr std::array<std::string_view, 5> kStates{"new", "established", "related", "invalid", "untracked"};
// In the order of their bits (RFC 9293 3.1).
constexpr std::array<std::string_view, 8> kTcpFlags{"fin", "syn", "rst", "psh", "ack", "urg", "ecn", "cwr"};

template <typename Number>
std::optional<Number> parse_number(std::string_view text, int base = 10) {
  Number number{};
  const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), number, base);
  if (problem != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return number;
}

// "10/second"
std::optional<RateLimit> parse_rate(std::string_view text) {
  const std::size_t slash = text.find('/');
  if (slash == std::string_view::npos) return std::nullopt;
  const auto unit = std::ranges::find(kRateUnits, text.substr(slash + 1), &RateUnit::name);
  const auto packets = parse_number<std::uint64_t>(text.substr(0, slash));
  if (unit == kRateUnits.end() || !packets || *packets == 0 || *packets > kMaxRate) return std::nullopt;
  return RateLimit{.packets = *packets, .per_seconds = unit->seconds};
}

// "over 10/second burst 20"
std::optional<RateLimit> parse_limit(std::string_view text) {
  constexpr std::string_view kOver = "over ";
  constexpr std::string_view kBurst = " burst ";
  const bool over = text.starts_with(kOver);
  if (over) text.remove_prefix(kOver.size());
  const std::size_t burst_at = text.find(kBurst);
  auto limit = parse_rate(text.substr(0, burst_at));
  if (!limit) return std::nullopt;
  limit->over = over;
  if (burst_at == std::string_view::npos) return limit;
  const auto burst = parse_number<std::uint32_t>(text.substr(burst_at + kBurst.size()));
  if (!burst || *burst == 0 || *burst > kMaxBurst) return std::nullopt;
  limit->burst = *burst;
  return limit;
}

// What nft prints between double quotes.
bool is_printable(std::string_view text) {
  return std::ranges::none_of(
      text, [](char c) { return static_cast<unsigned char>(c) < ' ' || c == 0x7f || c == '"'; });
}

std::string_view trimmed(std::string_view text) {
  const std::size_t first = text.find_first_not_of(' ');
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(' ') - first + 1);
}

// "syn,ack"; "none" is no flag.
std::optional<std::uint8_t> parse_flags(std::string_view text, const Value& value) {
  std::uint8_t flags = 0;
  if (trimmed(text) == "none") return flags;
  for (std::size_t from = 0; from <= text.size();) {
    const std::size_t comma = std::min(text.find(',', from), text.size());
    const std::string_view word = trimmed(text.substr(from, comma - from));
    const auto flag = std::ranges::find(kTcpFlags, word);
    if (flag == kTcpFlags.end()) {
      const auto meant = nearest(word, kTcpFlags);
      value.error(fmt::format("unknown TCP flag {}", quoted(std::string(word))),
                  meant ? fmt::format("did you mean \"{}\"?", *meant)
                        : fmt::format("known are {}", listed(kTcpFlags, " and ")));
      return std::nullopt;
    }
    flags = static_cast<std::uint8_t>(flags | (1U << (flag - kTcpFlags.begin())));
    from = comma + 1;
  }
  return flags;
}

std::optional<std::uint32_t> parse_mark(std::string_view text) {
  text = trimmed(text);
  if (text.starts_with("0x")) return parse_number<std::uint32_t>(text.substr(2), 16);
  return parse_number<std::uint32_t>(text);
}

std::optional<Log> read_log_table(const Value& value) {
  Section section(*value.node.as_table(), "log", value.where(), value.diagnostics);
  Log log{.where = value.where()};
  if (const auto prefix = section.value({"prefix", "\"DENIED: \""})) log.prefix = read_log_prefix(*prefix);
  if (const auto level = section.choice({"level", "\"info\""}, kLogLevels))
    log.level = static_cast<LogLevel>(level->value);
  log.limit = read_limit(section, {"limit", "\"10/minute\""});
  section.finish();
  return log;
}

}  // namespace

std::optional<RateLimit> read_limit(Section& section, Key key) {
  const auto value = section.value(key);
  return value ? read_limit(*value) : std::nullopt;
}

std::optional<RateLimit> read_limit(const Value& value) {
  const auto text = value.text("a rate in quotes");
  if (!text) return std::nullopt;
  const auto limit = parse_limit(text->value);
  if (!limit) {
    value.error(fmt::format("{} is no rate: a whole number from 1, a slash, and second, minute, hour or day",
                            quoted(text->value)));
  }
  return limit;
}

std::string read_log_prefix(const Value& value) {
  const auto prefix = value.text();
  if (!prefix) return {};
  if (prefix->value.size() > kMaxLogPrefix) {
    value.error(fmt::format("the log prefix has {} bytes, the kernel allows {}", prefix->value.size(),
                            kMaxLogPrefix));
    return {};
  }
  if (!is_printable(prefix->value)) {
    value.error("a log prefix has neither control characters nor double quotes");
    return {};
  }
  return prefix->value;
}

std::optional<Log> read_log(Section& section) {
  const auto value = section.value({"log", "\"DENIED: \", or { prefix = \"DENIED: \", level = \"info\" }"});
  if (!value) return std::nullopt;
  if (value->node.is_table()) return read_log_table(*value);
  if (!value->node.is_string()) {
    value->error(
        fmt::format("'log' must be a prefix in quotes or a table, found {}", described(value->node)));
    return std::nullopt;
  }
  return Log{.prefix = read_log_prefix(*value), .where = value->where()};
}

std::optional<TcpFlags> read_tcp_flags(Section& section) {
  const auto value = section.value({"tcp_flags", "\"syn / syn,ack\""});
  const auto text = value ? value->text("TCP flags in quotes") : std::nullopt;
  if (!text) return std::nullopt;
  const std::string_view all = text->value;
  const std::size_t slash = all.find('/');
  const auto flags = parse_flags(all.substr(0, slash), *value);
  if (!flags) return std::nullopt;
  const auto mask = slash == std::string_view::npos ? flags : parse_flags(all.substr(slash + 1), *value);
  if (!mask) return std::nullopt;
  if (*mask == 0 || (*flags & ~*mask) != 0) {
    value->error(fmt::format("{} matches nothing: before the slash stand flags that stand behind it, too",
                             quoted(all)),
                 "\"syn / syn,ack\": of SYN and ACK only SYN is set");
    return std::nullopt;
  }
  return TcpFlags{.value = *flags, .mask = *mask};
}

std::optional<Mark> read_mark(Section& section, Key key) {
  const auto value = section.value(key);
  if (!value) return std::nullopt;
  if (value->node.is_integer()) {
    const auto number = value->integer(0, 0xffffffff);
    if (!number) return std::nullopt;
    return Mark{.value = static_cast<std::uint32_t>(number->value)};
  }
  const auto text = value->text("a number, or a number and a mask in quotes");
  if (!text) return std::nullopt;
  const std::size_t slash = text->value.find('/');
  const auto number = parse_mark(std::string_view(text->value).substr(0, slash));
  const auto mask = slash == std::string::npos ? std::optional(~std::uint32_t{0})
                                               : parse_mark(std::string_view(text->value).substr(slash + 1));
  if (!number || !mask || (*number & ~*mask) != 0) {
    value->error(fmt::format("{} is no mark: a number of 32 bits, or one with the mask that has all its bits",
                             quoted(text->value)));
    return std::nullopt;
  }
  return Mark{.value = *number, .mask = *mask};
}

std::optional<ConnectionStates> read_states(Section& section) {
  std::optional<ConnectionStates> states;
  const auto written = section.value({"state", "[\"new\", \"related\"]"});
  if (!written) return states;
  for (const Value& value : elements_of(*written)) {
    const auto state = value.choice(kStates);
    if (!state) continue;
    if (!states) states = ConnectionStates{};
    const std::array<bool*, kStates.size()> flags{&states->fresh, &states->established, &states->related,
                                                  &states->invalid, &states->untracked};
    *flags.at(state->value) = true;
  }
  return states;
}

std::string read_comment(Section& section) {
  const auto value = section.value({"comment", "\"ticket 4711\""});
  const auto text = value ? value->text() : std::nullopt;
  if (!text) return {};
  if (text->value.size() > kMaxComment) {
    value->error(fmt::format("the comment has {} bytes, nft allows {}", text->value.size(), kMaxComment));
    return {};
  }
  if (!is_printable(text->value)) {
    value->error("a comment has neither control characters nor double quotes");
    return {};
  }
  return text->value;
}

}  // namespace ftfw::config
