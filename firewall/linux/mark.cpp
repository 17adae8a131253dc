#include "firewall/linux/mark.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <string>
#include <string_view>
#include <system_error>

namespace ftfw::firewall::linux_nft {
namespace {

// Userdata of nftables: type (1 byte), length (1 byte), value; repeated. nft 1.0 to 1.1 use types 0 to 2.
constexpr std::uint8_t kMarkType = 0xf7;
constexpr std::string_view kMaker = "ftfw-appliance/1";

struct KindName {
  TableKind kind;
  std::string_view name;
};
constexpr auto kKinds = std::to_array<KindName>({{TableKind::filter, "filter"},
                                                 {TableKind::nat, "nat"},
                                                 {TableKind::guard, "guard"},
                                                 {TableKind::input, "input"}});

std::string value_of(const Mark& mark) {
  const auto kind = std::ranges::find(kKinds, mark.kind, &KindName::kind);
  return fmt::format("{} {} {:016x} {:016x}", kMaker, kind->name, mark.digest, mark.author);
}

bool take_number(std::string_view& digits, std::uint64_t& to) {
  const auto [end, problem] = std::from_chars(digits.begin(), digits.end(), to, 16);
  digits.remove_prefix(static_cast<std::size_t>(end - digits.begin()));
  return problem == std::errc();
}

std::optional<Mark> parse_value(std::string_view value) {
  for (const KindName& kind : kKinds) {
    const std::string start = fmt::format("{} {} ", kMaker, kind.name);
    if (!value.starts_with(start)) continue;
    std::string_view digits = value.substr(start.size());
    Mark mark{.kind = kind.kind};
    bool sound = take_number(digits, mark.digest);
    if (sound && !digits.empty()) {
      sound = digits.starts_with(' ');
      digits.remove_prefix(1);
      sound = sound && take_number(digits, mark.author) && digits.empty();
    }
    if (sound) return mark;
  }
  return std::nullopt;
}

}  // namespace

Mark mark_of(const Table& table, std::uint64_t author) {
  return {.kind = table.kind, .digest = table.digest, .author = author};
}

ByteVector encode_mark(const Mark& mark) {
  ByteVector userdata;
  ByteWriter writer(userdata);
  const std::string value = value_of(mark);
  writer.u8(kMarkType);
  writer.u8(static_cast<std::uint8_t>(value.size()));
  writer.text(value);
  return userdata;
}

std::optional<Mark> decode_mark(ByteSpan userdata) {
  ByteReader reader(userdata);
  while (reader.remaining() > 0) {
    const std::uint8_t type = reader.u8();
    const ByteSpan value = reader.take(reader.u8());
    if (!reader.ok()) return std::nullopt;
    if (type == kMarkType) return parse_value({reinterpret_cast<const char*>(value.data()), value.size()});
  }
  return std::nullopt;
}

}  // namespace ftfw::firewall::linux_nft
