#include "tools/ftfwctl/subcommands.hpp"

#include <array>
#include <memory>
#include <sstream>
#include <string>
#include <vector>

namespace ftfw::ctl {
namespace {

void add_status(CLI::App& app, Chosen& chosen) {
  CLI::App* sub = app.add_subcommand("status", "role, peer, replication, last takeover, alarms");
  const auto json = std::make_shared<bool>(false);
  CLI::Option* for_programs = sub->add_flag("--json", *json, "for programs (schema 1)");
  sub->add_flag("--watch", chosen.watch, "every second again, with a bar for what is under way")
      ->excludes(for_programs);
  sub->callback([&chosen, json] {
    chosen.request = "status";
    if (*json) chosen.request += " --json";
    if (chosen.watch) chosen.request += " --bar";
  });
}

void add_events(CLI::App& app, Chosen& chosen) {
  CLI::App* sub = app.add_subcommand(
      "events", "what happened since the daemon started: changes of role and their causes, peers, alarms");
  struct Given {
    bool json = false;
    std::string last;
  };
  const auto given = std::make_shared<Given>();
  sub->add_flag("-f,--follow", chosen.follow, "and what happens from now on");
  sub->add_option("-n,--last", given->last, "only so many")->type_name("N");
  sub->add_flag("--json", given->json, "for programs (schema 1): an object a line");
  sub->callback([&chosen, given] {
    chosen.request = "events";
    if (given->json) chosen.request += " --json";
    if (!given->last.empty()) chosen.request += " --last " + given->last;
    if (chosen.follow) chosen.request += " --follow";
  });
}

void add_announce(CLI::App& app, Chosen& chosen) {
  CLI::App* sub = app.add_subcommand(
      "announce", "tell the neighbours once more where the virtual addresses are (primary only)");
  sub->callback([&chosen] { chosen.request = "announce"; });
}

void add_reload(CLI::App& app, Chosen& chosen) {
  CLI::App* sub = app.add_subcommand(
      "reload",
      "read the configuration file again: all of the change takes effect, or (exit code 2) nothing");
  sub->callback([&chosen] { chosen.request = "reload"; });
}

// The daemon reads the values and says what is wrong with them.
struct ValueOption {
  const char* names;   // for CLI11, those of conntrack(8) among them
  const char* passed;  // as the daemon knows it
  const char* type;
  const char* help;
};
constexpr std::array<ValueOption, 13> kFlowOptions{{
    {"-o,--output", "--output", "extended", "extended: with the family in front, as conntrack -o extended"},
    {"-f,--family", "--family", "FAMILY", "ipv4 or ipv6"},
    {"-p,--protocol,--proto", "--protocol", "PROTOCOL", "tcp, udp, ... or a number"},
    {"-s,--source,--src,--orig-src", "--source", "NET", "original source"},
    {"-d,--destination,--dst,--orig-dst", "--destination", "NET", "original destination"},
    {"-r,--reply-source,--reply-src", "--reply-source", "NET", "source of the replies"},
    {"-q,--reply-destination,--reply-dst", "--reply-destination", "NET", "destination of the replies"},
    {"--port", "--port", "PORT", "original source or destination port"},
    {"--source-port,--sport", "--source-port", "PORT", "original source port"},
    {"--destination-port,--dport", "--destination-port", "PORT", "original destination port"},
    {"--state", "--state", "STATE", "of TCP, SCTP or DCCP: ESTABLISHED, ..."},
    {"-m,--mark", "--mark", "MARK[/MASK]", "connection mark"},
    {"-w,--zone", "--zone", "ZONE", "conntrack zone"},
}};

void add_flows(CLI::App& app, Chosen& chosen) {
  CLI::App* sub = app.add_subcommand("flows", "the flows that this node holds, in the words of conntrack(8)");
  struct Given {
    bool expectations = false;
    bool json = false;
    bool count = false;
    std::array<std::string, kFlowOptions.size()> values;
  };
  const auto given = std::make_shared<Given>();
  sub->add_flag("--expectations", given->expectations, "expected flows (FTP data, ...) instead");
  sub->add_flag("--json", given->json, "for programs (schema 1)");
  sub->add_flag("--count", given->count, "only how many");
  for (std::size_t i = 0; i < kFlowOptions.size(); ++i) {
    const ValueOption& option = kFlowOptions.at(i);
    sub->add_option(option.names, given->values.at(i), option.help)->type_name(option.type);
  }
  sub->callback([&chosen, given] {
    chosen.request = "flows";
    if (given->expectations) chosen.request += " --expectations";
    if (given->json) chosen.request += " --json";
    if (given->count) chosen.request += " --count";
    for (std::size_t i = 0; i < kFlowOptions.size(); ++i) {
      const std::string& value = given->values.at(i);
      if (!value.empty()) chosen.request += " " + std::string(kFlowOptions.at(i).passed) + " " + value;
    }
  });
}

void add_explain(CLI::App& app, Chosen& chosen) {
  CLI::App* sub = app.add_subcommand(
      "explain", "which rule decides about a packet, and which line of the configuration made it");
  const auto words = std::make_shared<std::vector<std::string>>();
  sub->add_option("packet", *words, "in quotes: \"tcp 192.168.2.3 > 192.168.0.3:443 in eth1\"")
      ->required()
      ->type_name("PACKET");
  sub->callback([&chosen, words] {
    chosen.request = "explain";
    for (const std::string& argument : *words) {
      std::istringstream each(argument);
      for (std::string word; each >> word;) chosen.request += ' ' + word;
    }
  });
}

void add_rules(CLI::App& app, Chosen& chosen) {
  CLI::App* sub = app.add_subcommand(
      "rules", "the rules in the kernel: counters, configuration lines, sets and their sizes");
  const auto json = std::make_shared<bool>(false);
  sub->add_flag("--json", *json, "for programs (schema 1)");
  sub->callback([&chosen, json] { chosen.request = *json ? "rules --json" : "rules"; });
}

constexpr std::array kSubcommands{add_status, add_events,   add_explain, add_rules,
                                  add_flows,  add_announce, add_reload};

}  // namespace

void add_subcommands(CLI::App& app, Chosen& chosen) {
  for (const auto add : kSubcommands) add(app, chosen);
}

}  // namespace ftfw::ctl
