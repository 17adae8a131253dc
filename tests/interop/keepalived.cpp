// keepalived (Debian 12: 2.2.7) as one side: its parent process and the VRRP child that it watches over.
#include <fmt/core.h>

#include <algorithm>
#include <charconv>
#include <csignal>
#include <filesystem>
#include <fstream>

#include "tests/interop/speaker.hpp"
#include "tests/netns/lab/error.hpp"
#include "tests/netns/lab/wait.hpp"

namespace ftfw::interop {
namespace {

namespace fs = std::filesystem;
using lab::Lab;
using lab::Node;

constexpr Duration kEnd = 6s;

std::string instance(const Leg& leg, const Terms& terms) {
  const Dialect& dialect = terms.dialect;
  std::string text = fmt::format(
      "vrrp_instance VI_{0} {{\n  state BACKUP\n  interface {0}\n  virtual_router_id {1}\n  priority {2}\n"
      "  version {3}\n  advert_int {4}\n",
      leg.interface, leg.id, terms.priority, dialect.version,
      static_cast<double>(dialect.interval / 1ms) / 1000.0);
  if (!dialect.password.empty()) {
    // It cuts to the 8 bytes of the wire by itself, as ours does.
    text +=
        fmt::format("  authentication {{\n    auth_type PASS\n    auth_pass {}\n  }}\n", dialect.password);
  }
  if (!terms.preempt) text += "  nopreempt\n";
  text += "  virtual_ipaddress {\n";
  for (const std::string& address : leg.addresses) {
    text += "    " + address + (address.starts_with("2001:") ? "/64\n" : "\n");
  }
  return text + "  }\n}\n";
}

std::string configuration(const Terms& terms) {
  std::string text = "global_defs {\n  router_id lab\n}\n";
  for (const Leg& leg : terms.dialect.legs) text += instance(leg, terms);
  if (terms.dialect.legs.size() > 1) {
    text += "vrrp_sync_group G1 {\n  group {\n";
    for (const Leg& leg : terms.dialect.legs) text += "    VI_" + leg.interface + "\n";
    text += "  }\n}\n";
  }
  return text;
}

// Of a process's /proc/PID/stat, the field after the state: its parent.
pid_t parent_of(const fs::path& process) {
  std::ifstream file(process / "stat");
  std::string line;
  std::getline(file, line);
  const std::size_t name_end = line.rfind(") ");
  if (name_end == std::string::npos) return 0;
  pid_t parent = 0;
  std::from_chars(line.data() + name_end + 4, line.data() + line.size(), parent);
  return parent;
}

std::vector<pid_t> children_of(pid_t parent) {
  std::vector<pid_t> children;
  for (const fs::directory_entry& entry : fs::directory_iterator("/proc")) {
    const std::string name = entry.path().filename();
    pid_t pid = 0;
    const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), pid);
    if (error != std::errc{} || end != name.data() + name.size()) continue;
    if (parent_of(entry.path()) == parent) children.push_back(pid);
  }
  return children;
}

class Keepalived final : public Speaker {
 public:
  using Speaker::Speaker;

  std::string name() const override { return "keepalived"; }

  void start(const Terms& terms) override {
    dialect_ = terms.dialect;
    const std::string prefix =
        (lab_.scratch().path() / (std::string(name_of(node_)) + "-keepalived")).string();
    std::ofstream(prefix + ".conf") << configuration(terms) << std::flush;
    log_ = fmt::format("{}-keepalived.{}.log", name_of(node_), ++starts_);
    process_ =
        lab_.start(node_,
                   {"keepalived", "--dont-fork", "--log-console", "--log-detail", "--vrrp", "--use-file",
                    prefix + ".conf", "--pid", prefix + ".pid", "--vrrp_pid", prefix + "-vrrp.pid"},
                   log_);
  }

  bool listening() override {
    const std::string text = log();
    for (const Leg& leg : dialect_.legs) {
      if (!text.contains("(VI_" + leg.interface + ") Entering BACKUP STATE")) return false;
    }
    return true;
  }

  bool stop() override {
    process_.signal(SIGTERM);
    return process_.wait(kEnd) == 0;
  }

  // The parent would start a new child, so it is held meanwhile; the child would end in good order on its
  // parent's death, so it goes first.
  void kill() override {
    if (!process_.running()) return;
    process_.signal(SIGSTOP);
    const std::vector<pid_t> children = children_of(process_.pid());
    for (const pid_t child : children) ::kill(child, SIGKILL);
    process_.kill_now();
    // Its pid file would stop the next one while it is still dying.
    lab::wait_until(kEnd, [&] {
      return std::ranges::none_of(children, [](pid_t child) { return ::kill(child, 0) == 0; });
    });
  }

  bool holds_all() override {
    const Held held = held_on_interfaces(lab_, node_, dialect_);
    return held.present == held.wanted;
  }
  bool holds_none() override { return held_on_interfaces(lab_, node_, dialect_).present == 0; }
  std::string log() const override { return lab_.read_log(log_); }

 private:
  void freeze() override {
    process_.signal(SIGSTOP);
    for (const pid_t child : children_of(process_.pid())) ::kill(child, SIGSTOP);
  }
  void forget_addresses() override { remove_from_interfaces(lab_, node_, dialect_); }

  Dialect dialect_;
  lab::Process process_;
  std::string log_;
  int starts_ = 0;
};

}  // namespace

std::unique_ptr<Speaker> make_keepalived(Lab& lab, Node node) {
  return std::make_unique<Keepalived>(lab, node);
}

}  // namespace ftfw::interop
