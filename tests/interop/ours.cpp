// ftfw-appliance as one side. It has no peer on the dedicated link here, so it is told not to wait for one.
#include <fmt/core.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>

#include "tests/interop/speaker.hpp"
#include "tests/netns/lab/appliance.hpp"
#include "tests/netns/lab/error.hpp"

namespace ftfw::interop {
namespace {

using lab::Lab;
using lab::Node;

constexpr Duration kEnd = 6s;

std::string prefixed(const std::string& address) {
  return address.starts_with("2001:") ? address + "/64" : address;
}

std::string router_section(const Leg& leg) {
  std::string addresses;
  for (const std::string& address : leg.addresses) {
    addresses += (addresses.empty() ? "" : ", ") + fmt::format("\"{}\"", prefixed(address));
  }
  return fmt::format("[[sync_group.virtual_router]]\ninterface = \"{}\"\nid = {}\naddresses = [{}]\n\n",
                     leg.interface, leg.id, addresses);
}

std::string configuration(const Terms& terms, const std::string& key) {
  const Dialect& dialect = terms.dialect;
  std::string text = fmt::format(
      "schema = 1\n\n[vrrp]\nversion = {}\nadvertisement_interval = \"{}ms\"\npreempt = {}\n"
      "sync_wait = \"0s\"\n",
      dialect.version, dialect.interval / 1ms, terms.preempt);
  if (!dialect.password.empty()) {
    text += fmt::format("authentication = {{ type = \"pass\", password = \"{}\" }}\n", dialect.password);
  }
  text += "\n[[sync_group]]\nname = \"G1\"\n\n";
  for (const Leg& leg : dialect.legs) text += router_section(leg);
  // Both nodes get the priority: which of them it is shows the address on the dedicated link.
  text += fmt::format(
      "[node.fw-1]\npriority = {0}\nreplication_address = \"192.168.100.100\"\n\n"
      "[node.fw-2]\npriority = {0}\nreplication_address = \"192.168.100.200\"\n\n"
      "[replication]\ninterface = \"eth2\"\nkey_file = \"{1}\"\n\n"
      "[firewall]\nforward_policy = \"drop\"\ninside = \"eth1\"\noutside = \"eth0\"\n",
      terms.priority, key);
  return text;
}

void write_secret(const std::filesystem::path& path, const std::string& text) {
  std::ofstream file(path);
  file << text << std::flush;
  if (!file) lab::give_up("cannot write " + path.string());
  lab::checked(::chmod(path.c_str(), 0600), "chmod");
}

class Ours final : public Speaker {
 public:
  Ours(Lab& lab, Node node) : Speaker(lab, node), appliance_(lab, node, {}) {}

  std::string name() const override { return "ftfw-appliance"; }

  void start(const Terms& terms) override {
    dialect_ = terms.dialect;
    const std::filesystem::path directory = lab_.scratch().path();
    const std::string prefix(name_of(node_));
    write_secret(directory / "key", std::string(64, 'a') + "\n");
    write_secret(directory / (prefix + ".toml"), configuration(terms, (directory / "key").string()));
    appliance_.configure(directory / (prefix + ".toml"));
    appliance_.start();
  }

  bool listening() override {
    const lab::Outcome asked = lab_.run(node_, {lab::control_program().string(), "--socket",
                                                appliance_.control_socket().string(), "status", "--json"});
    return asked.exit_code == 0 &&
           (asked.output.contains("\"role\":\"backup\"") || asked.output.contains("\"role\": \"backup\""));
  }

  bool stop() override { return appliance_.terminate(kEnd) == 0; }
  void kill() override { appliance_.kill(); }
  bool holds_all() override {
    const Held held = held_on_interfaces(lab_, node_, dialect_);
    return held.present == held.wanted;
  }
  bool holds_none() override { return held_on_interfaces(lab_, node_, dialect_).present == 0; }
  std::string log() const override { return appliance_.log(); }

 private:
  void freeze() override { appliance_.freeze(); }
  void forget_addresses() override { remove_from_interfaces(lab_, node_, dialect_); }

  Dialect dialect_;
  lab::Appliance appliance_;
};

}  // namespace

std::unique_ptr<Speaker> make_ours(Lab& lab, Node node) {
  return std::make_unique<Ours>(lab, node);
}

}  // namespace ftfw::interop
