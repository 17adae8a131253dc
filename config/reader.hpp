// Typed reading of one TOML table. A Section knows which keys were asked for, so what is left over is an
// unknown key; every wrong value becomes a diagnostic with its place and an example, and reading goes on. A
// value that could not be read is an empty optional: the caller keeps its default and says nothing more about
// it.
#pragma once

#include <toml++/toml.h>

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "appliance/base/address.hpp"
#include "appliance/base/time.hpp"
#include "config/diagnostic.hpp"
#include "config/model.hpp"

namespace ftfw::config {

template <typename T>
struct At {
  T value{};
  Location where;
};
template <typename T>
using Read = std::optional<At<T>>;

// Elements of one array or one list of sections. What checks compare pairwise stays fast.
inline constexpr std::size_t kMaxElements = 1024;

enum class Need { optional, required };

struct Key {
  std::string_view name;
  std::string_view example;  // a value as TOML: "\"eth1\""; the hint shows it behind the name
  Need need = Need::optional;
  std::string_view hint_if_missing = {};  // where the example does not say enough
};

Location location_of(const toml::source_region& region);
// "the integer 3", "a string", "a table"; never the text of a string.
std::string described(const toml::node& node);

// One value, which may be an element of a list. They report into the list and give nothing on an error.
struct Value {
  const toml::node& node;
  Key key;
  DiagnosticList& diagnostics;
  bool element = false;

  Location where() const { return location_of(node.source()); }
  // How messages call it: "'ports'" or "an element of 'ports'".
  std::string label() const;
  void error(std::string text) const;                    // the hint is the example
  void error(std::string text, std::string hint) const;  // the hint says more than the example

  Read<std::string> text(std::string_view expected = "a string") const;
  Read<std::int64_t> integer(std::int64_t least, std::int64_t most) const;
  Read<Duration> duration(Duration least, Duration most) const;
  Read<IpAddress> address() const;
  Read<IpPrefix> prefix() const;
  Read<std::string> interface() const;
  // A name that nft can print and the kernel can hold.
  Read<std::string> object_name() const;
  // The index in `allowed`.
  Read<std::size_t> choice(std::span<const std::string_view> allowed) const;
  // A protocol by name or number.
  Read<std::uint8_t> protocol() const;
};

class Section {
 public:
  // name: as messages say it, "[vrrp]".
  Section(const toml::table& table, std::string name, Location where, DiagnosticList& diagnostics)
      : table_(&table), name_(std::move(name)), where_(where), diagnostics_(&diagnostics) {}

  const std::string& name() const { return name_; }
  Location where() const { return where_; }
  DiagnosticList& diagnostics() const { return *diagnostics_; }
  // Where the key itself stands; the section where it is absent.
  Location where_key(std::string_view key) const;
  bool has(std::string_view key) const { return table_->contains(key); }

  // Nothing if the key is absent (an error, said by finish(), if it is required).
  std::optional<Value> value(Key key);
  Read<std::string> text(Key key);
  Read<std::int64_t> integer(Key key, std::int64_t least, std::int64_t most);
  Read<bool> flag(Key key);
  Read<Duration> duration(Key key, Duration least, Duration most);
  Read<IpAddress> address(Key key);
  Read<IpPrefix> prefix(Key key);
  Read<std::string> interface(Key key);
  Read<std::string> object_name(Key key);
  Read<std::size_t> choice(Key key, std::span<const std::string_view> allowed);
  Read<std::uint8_t> protocol(Key key);
  // The elements of an array; an empty array is an error whose hint is the example, and so are more than
  // `most`.
  std::vector<Value> list(Key key, std::size_t most = kMaxElements);

  // [name.key] and [[name.key]]. `shown` is the name of the new sections; the key's example is a whole hint
  // here.
  std::optional<Section> table(Key key, std::string shown);
  std::vector<Section> tables(Key key, std::string shown, std::size_t most = kMaxElements);
  // Every key of this table, each with a table as its value, in file order: [node.fw-1], [node.fw-2]. It
  // leaves no unknown keys, so there is nothing to finish.
  std::vector<std::pair<std::string, Section>> named_tables();

  // Reports every key that nobody asked for, and every required one that is absent (unless an unknown key
  // looks like it: one mistake, one message). Call it once, after the last read.
  void finish() const;

 private:
  struct Missing {
    std::string_view key;
    std::string text;
    std::string hint;
  };

  const toml::node* find(Key key, std::string text_if_missing, std::string hint_if_missing);

  const toml::table* table_;
  std::string name_;
  Location where_;
  DiagnosticList* diagnostics_;
  std::vector<std::string_view> asked_;
  std::vector<Missing> missing_;
};

}  // namespace ftfw::config
