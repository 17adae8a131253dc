#include "appliance/flows/objects.hpp"

#include <netinet/in.h>

#include <array>
#include <nlohmann/json.hpp>
#include <string_view>
#include <utility>

#include "appliance/flows/filter.hpp"
#include "config/names.hpp"

namespace ftfw {
namespace {

using Json = nlohmann::ordered_json;

// enum ip_conntrack_status, by bit.
constexpr std::array<std::string_view, 16> kStatusNames{
    "EXPECTED",   "SEEN_REPLY",   "ASSURED",      "CONFIRMED", "SRC_NAT",       "DST_NAT",
    "SEQ_ADJUST", "SRC_NAT_DONE", "DST_NAT_DONE", "DYING",     "FIXED_TIMEOUT", "TEMPLATE",
    "NAT_CLASH",  "HELPER",       "OFFLOAD",      "HW_OFFLOAD"};

// NF_CT_EXPECT_*, by bit.
constexpr std::array<std::string_view, 3> kExpectFlagNames{"PERMANENT", "INACTIVE", "USERSPACE"};

template <std::size_t Size>
Json names_of(std::uint32_t bits, const std::array<std::string_view, Size>& names) {
  Json list = Json::array();
  for (std::size_t bit = 0; bit < names.size(); ++bit) {
    if ((bits >> bit & 1U) != 0) list.push_back(names[bit]);
  }
  return list;
}

Json object_of(const sync::Tuple& tuple) {
  Json object = {{"source", tuple.source.to_string()}, {"destination", tuple.destination.to_string()}};
  if (tuple.protocol == IPPROTO_ICMP || tuple.protocol == IPPROTO_ICMPV6) {
    object["type"] = tuple.destination_port >> 8;
    object["code"] = tuple.destination_port & 0xff;
    object["id"] = tuple.source_port;
  } else if (tuple.protocol == IPPROTO_GRE) {
    object["source_key"] = tuple.source_port;
    object["destination_key"] = tuple.destination_port;
  } else if (tuple.source_port != 0 || tuple.destination_port != 0) {
    object["source_port"] = tuple.source_port;
    object["destination_port"] = tuple.destination_port;
  }
  return object;
}

Json head_of(const sync::Tuple& original) {
  return {{"family", original.source.is_ipv4() ? "ipv4" : "ipv6"},
          {"protocol", config::protocol_name(original.protocol)}};
}

Json bits_of(const std::vector<std::uint8_t>& labels) {
  Json list = Json::array();
  for (std::size_t bit = 0; bit < labels.size() * 8; ++bit) {
    if ((labels[bit / 8] >> (bit % 8) & 1U) != 0) list.push_back(bit);
  }
  return list;
}

}  // namespace

Json object_of(const sync::ConntrackEntry& entry) {
  Json object = head_of(entry.key.original);
  if (const std::string_view state = state_name(entry); !state.empty()) object["state"] = state;
  if (entry.timeout_s) object["timeout_seconds"] = *entry.timeout_s;
  object["original"] = object_of(entry.key.original);
  object["reply"] = object_of(entry.reply);
  object["status"] = names_of(entry.status.value_or(0), kStatusNames);
  object["mark"] = entry.mark.value_or(0);
  object["zone"] = entry.key.zone;
  if (Json labels = bits_of(entry.labels); !labels.empty()) object["labels"] = std::move(labels);
  if (!entry.helper.empty()) object["helper"] = entry.helper;
  if (entry.master) object["master"] = object_of(*entry.master);
  return object;
}

Json object_of(const sync::Expectation& expectation) {
  Json object = head_of(expectation.key.expected);
  object["timeout_seconds"] = expectation.timeout_s;
  object["expected"] = object_of(expectation.key.expected);
  object["mask"] = object_of(expectation.mask);
  object["master"] = object_of(expectation.master);
  object["zone"] = expectation.key.zone;
  object["class"] = expectation.expect_class;
  object["flags"] = names_of(expectation.flags, kExpectFlagNames);
  if (!expectation.helper.empty()) object["helper"] = expectation.helper;
  if (!expectation.function.empty()) object["function"] = expectation.function;
  return object;
}

}  // namespace ftfw
