// FRR's vrrpd (Debian 12: 8.4.4) with its zebra as one side. As its documentation wants it, the virtual
// addresses stand on a macvlan made by hand, which zebra keeps down (protodown) while vrrpd is not Active.
#include <fmt/core.h>
#include <grp.h>
#include <pwd.h>
#include <unistd.h>

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
constexpr Duration kSocket = 10s;

std::string macvlan_of(const Leg& leg) {
  return "vrrp-" + leg.interface;
}

std::string configuration(const Terms& terms, const std::string& log) {
  std::string text = fmt::format("log file {} debugging\ndebug vrrp\n", log);
  for (const Leg& leg : terms.dialect.legs) {
    text += fmt::format("interface {}\n", leg.interface);
    const std::string router = fmt::format(" vrrp {} ", leg.id);
    text += router + fmt::format("version {}\n", terms.dialect.version);
    text += router + fmt::format("priority {}\n", terms.priority);
    text += router + fmt::format("advertisement-interval {}\n", terms.dialect.interval / 1ms);
    if (!terms.preempt) text += fmt::format(" no vrrp {} preempt\n", leg.id);
    for (const std::string& address : leg.addresses) {
      text += router + (terms.dialect.ipv6 ? "ipv6 " : "ip ") + address + "\n";
    }
  }
  return text;
}

void give_to_frr(const fs::path& path) {
  const passwd* user = ::getpwnam("frr");
  if (user == nullptr) lab::give_up("no user frr; tools/setup --test installs the package");
  lab::checked(::chown(path.c_str(), user->pw_uid, user->pw_gid), "chown to frr");
}

class Frr final : public Speaker {
 public:
  using Speaker::Speaker;

  std::string name() const override { return "FRR"; }
  // Its first advertisement over IPv6 is sent while zebra still brings up the macvlan, and is lost.
  Duration late_claim(const Dialect& dialect) const override { return dialect.ipv6 ? dialect.interval : 0ms; }

  void start(const Terms& terms) override {
    dialect_ = terms.dialect;
    const std::string name = fmt::format("{}-frr.{}", name_of(node_), ++starts_);
    directory_ = lab_.scratch().path() / name;
    fs::create_directory(directory_);
    give_to_frr(directory_);
    std::ofstream(directory_ / "zebra.conf") << std::flush;
    std::ofstream(directory_ / "vrrpd.conf")
        << configuration(terms, (directory_ / "vrrpd.log").string()) << std::flush;
    make_macvlans();
    const fs::path zserv = directory_ / "zserv";
    zebra_ = lab_.start(node_, command("zebra"), name + ".log");
    // A client that comes too early tries again only much later.
    if (!lab::wait_until(kSocket, [&] { return fs::is_socket(zserv); })) {
      lab::give_up("zebra: " + lab_.read_log(name + ".log"));
    }
    vrrpd_ = lab_.start(node_, command("vrrpd"), name + ".log");
  }

  bool listening() override { return log().contains("Initialize -> Backup"); }

  bool stop() override {
    vrrpd_.signal(SIGTERM);
    const bool ended = vrrpd_.wait(kEnd).has_value();
    zebra_.signal(SIGTERM);
    return zebra_.wait(kEnd).has_value() && ended;
  }

  void kill() override {
    vrrpd_.kill_now();
    zebra_.kill_now();
  }

  bool holds_all() override { return running_macvlans() == dialect_.legs.size(); }
  bool holds_none() override { return running_macvlans() == 0; }

  std::string log() const override {
    std::ifstream file(directory_ / "vrrpd.log");
    return {std::istreambuf_iterator<char>(file), {}};
  }

 private:
  void freeze() override {
    vrrpd_.signal(SIGSTOP);
    zebra_.signal(SIGSTOP);
  }
  // The next start makes the macvlans anew.
  void forget_addresses() override {}

  std::vector<std::string> command(const char* program) const {
    return {std::string("/usr/lib/frr/") + program,
            "--user",
            "frr",
            "--group",
            "frr",
            "--config_file",
            (directory_ / (std::string(program) + ".conf")).string(),
            "--socket",
            (directory_ / "zserv").string(),
            "--vty_socket",
            directory_.string(),
            "--pid_file",
            (directory_ / (std::string(program) + ".pid")).string(),
            "--vty_addr",
            "127.0.0.1",
            "--vty_port",
            "0"};
  }

  // One request a run of ip(8): an interface that is not there to be removed is no error.
  void make_macvlans() {
    const int own = node_ == Node::fw_1 ? 0x11 : 0x21;  // the order of the link-local addresses
    for (const Leg& leg : dialect_.legs) {
      const std::string name = macvlan_of(leg);
      lab_.run(node_, {"ip", "link", "delete", name});
      std::string batch = fmt::format(
          "link add {0} link {1} type macvlan mode bridge\nlink set {0} address "
          "00:00:5e:00:{2:02x}:{3:02x}\n",
          name, leg.interface, dialect_.ipv6 ? 2 : 1, leg.id);
      for (const std::string& address : leg.addresses) {
        batch += fmt::format("address add {}/{} dev {}\n", address, dialect_.ipv6 ? 64 : 24, name);
      }
      // The newest link-local address becomes its source.
      if (dialect_.ipv6) batch += fmt::format("address add fe80::{:x}/64 dev {}\n", own, name);
      lab_.run_well(node_, {"ip", "-batch", "-"}, batch + fmt::format("link set {} up\n", name));
    }
  }

  std::size_t running_macvlans() {
    std::size_t running = 0;
    for (const Leg& leg : dialect_.legs) {
      if (lab_.links(node_).is_running(macvlan_of(leg))) ++running;
    }
    return running;
  }

  Dialect dialect_;
  fs::path directory_;
  lab::Process zebra_;
  lab::Process vrrpd_;
  int starts_ = 0;
};

}  // namespace

std::unique_ptr<Speaker> make_frr(Lab& lab, Node node) {
  return std::make_unique<Frr>(lab, node);
}

}  // namespace ftfw::interop
