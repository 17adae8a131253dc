#include "config/duration.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <limits>

#include "config/diagnostic.hpp"

namespace ftfw::config {
namespace {

struct Unit {
  std::string_view name;
  Duration length;
};
constexpr std::array<Unit, 4> kUnits{{{"h", 1h}, {"min", 1min}, {"s", 1s}, {"ms", 1ms}}};
constexpr std::string_view kAllowedUnits = "ms, s, min or h";
constexpr std::size_t kMaxFractionDigits = 6;

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

std::string_view take_digits(std::string_view& text) {
  const auto end = std::ranges::find_if_not(text, is_digit);
  const auto count = static_cast<std::size_t>(end - text.begin());
  const std::string_view digits = text.substr(0, count);
  text.remove_prefix(count);
  return digits;
}

// unit.length times 0.DIGITS, exact: no unit has more factors of ten than there are digits to lose.
Duration fraction_of(Duration unit, std::string_view digits) {
  Duration sum{};
  Duration::rep divisor = 1;
  for (const char digit : digits) {
    divisor *= 10;
    sum += unit * (digit - '0') / divisor;
  }
  return sum;
}

}  // namespace

Result<Duration> parse_duration(std::string_view text) {
  std::string_view rest = text;
  const std::string_view whole = take_digits(rest);
  std::string_view fraction;
  if (rest.starts_with('.')) {
    rest.remove_prefix(1);
    fraction = take_digits(rest);
    if (fraction.empty() || fraction.size() > kMaxFractionDigits) {
      return fail(Blame::configuration, "the fraction has 1 to 6 digits");
    }
  }
  if (whole.empty()) return fail(Blame::configuration, "a duration begins with a number");
  if (rest.empty()) return fail(Blame::configuration, fmt::format("the unit is missing: {}", kAllowedUnits));
  while (rest.starts_with(' ')) rest.remove_prefix(1);

  const auto unit = std::ranges::find(kUnits, rest, &Unit::name);
  if (unit == kUnits.end()) {
    return fail(Blame::configuration,
                fmt::format("unknown unit {}, allowed are {}", quoted(rest), kAllowedUnits));
  }
  Duration::rep count = 0;
  const auto parsed = std::from_chars(whole.data(), whole.data() + whole.size(), count);
  constexpr Duration::rep kMost = std::numeric_limits<Duration::rep>::max();
  if (parsed.ec != std::errc() || count >= kMost / unit->length.count()) {
    return fail(Blame::configuration, "it is longer than 292 years");
  }
  return unit->length * count + fraction_of(unit->length, fraction);
}

std::string format_duration(Duration duration) {
  for (const Unit& unit : kUnits) {
    if (duration >= unit.length && duration % unit.length == Duration::zero()) {
      return fmt::format("{}{}", duration / unit.length, unit.name);
    }
    if (unit.length == 1s && duration > 1s) break;
  }
  return fmt::format("{}s", std::chrono::duration<double>(duration).count());
}

}  // namespace ftfw::config
