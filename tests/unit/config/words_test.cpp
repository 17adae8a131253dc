// Durations and names: the words of the configuration.
#include <doctest/doctest.h>

#include <array>

#include "config/duration.hpp"
#include "config/names.hpp"

namespace ftfw::config {
namespace {

TEST_CASE("a number with a unit is a duration") {
  CHECK(parse_duration("3s").value() == 3s);
  CHECK(parse_duration("100ms").value() == 100ms);
  CHECK(parse_duration("24h").value() == 24h);
  CHECK(parse_duration("5min").value() == 5min);
  CHECK(parse_duration("40.95s").value() == 40950ms);
  CHECK(parse_duration("0.000001ms").value() == 1ns);
  CHECK(parse_duration("1.5 h").value() == 90min);
  CHECK(parse_duration("0s").value() == 0s);
}

TEST_CASE("anything else is no duration and says why") {
  CHECK(parse_duration("3").error().text == "the unit is missing: ms, s, min or h");
  CHECK(parse_duration("3m").error().text == "unknown unit 'm', allowed are ms, s, min or h");
  CHECK(parse_duration("").error().text == "a duration begins with a number");
  CHECK(parse_duration("-3s").error().text == "a duration begins with a number");
  CHECK(parse_duration("3.s").error().text == "the fraction has 1 to 6 digits");
  CHECK(parse_duration("3.1234567s").error().text == "the fraction has 1 to 6 digits");
  CHECK(parse_duration("99999999999999999999h").error().text == "it is longer than 292 years");
  CHECK(parse_duration("2562048h").error().text == "it is longer than 292 years");
  CHECK_FALSE(parse_duration("3s ").has_value());
  CHECK_FALSE(parse_duration("1h30min").has_value());
}

TEST_CASE("a duration is shown in the largest unit that fits") {
  CHECK(format_duration(24h) == "24h");
  CHECK(format_duration(60s) == "1min");
  CHECK(format_duration(90s) == "90s");
  CHECK(format_duration(100ms) == "100ms");
  CHECK(format_duration(40950ms) == "40.95s");
  CHECK(format_duration(0s) == "0s");
}

TEST_CASE("protocols, ICMP types and helpers are known by the kernel's names") {
  CHECK(protocol_number("udplite") == 136);
  CHECK_FALSE(protocol_number("TCP").has_value());
  CHECK(protocol_name(132) == "sctp");
  CHECK(protocol_name(50) == "50");
  CHECK(icmp_type_number("time-exceeded") == 11);
  CHECK_FALSE(icmp_type_number("ping").has_value());
  CHECK(kernel_helpers("sip").size() == 2);
  CHECK(kernel_helpers("http").empty());
}

TEST_CASE("the distance of two words counts swaps of neighbours once") {
  CHECK(edit_distance("", "") == 0);
  CHECK(edit_distance("", "abc") == 3);
  CHECK(edit_distance("abc", "") == 3);
  CHECK(edit_distance("priority", "prioirty") == 1);
  CHECK(edit_distance("kitten", "sitting") == 3);
}

TEST_CASE("only a near word is suggested") {
  const std::array<std::string_view, 3> words{"interface", "id", "addresses"};
  CHECK(nearest("interfcae", words) == "interface");
  CHECK(nearest("adresses", words) == "addresses");
  CHECK_FALSE(nearest("colour", words).has_value());
  CHECK_FALSE(nearest("x", words).has_value());
  CHECK_FALSE(nearest(std::string(10'000, 'i'), words).has_value());
  CHECK(listed(words) == "interface, id or addresses");
}

}  // namespace
}  // namespace ftfw::config
