// The evaluation agrees with the kernel: random policies, loaded by the loader, and random packets, sent for
// real. Every disagreement is a mistake in one of the two.
//   FTFW_SEED      the seed of a run that failed (printed by every run)
//   FTFW_PACKETS   more than the usual number
#include <doctest/doctest.h>
#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <deque>
#include <iostream>
#include <optional>
#include <random>
#include <set>

#include "appliance/base/clock.hpp"
#include "config/names.hpp"
#include "firewall/evaluate.hpp"
#include "firewall/explain.hpp"
#include "firewall/linux/loader.hpp"
#include "firewall/linux/routes.hpp"
#include "firewall/listing.hpp"
#include "firewall/packet_text.hpp"
#include "sync/linux/conntrack_table.hpp"
#include "tests/unit/firewall/constructs.hpp"
#include "tests/unit/firewall/network_namespace.hpp"
#include "tests/unit/firewall/random_policy.hpp"
#include "tests/unit/firewall/wire_network.hpp"

using namespace ftfw;
using namespace ftfw::firewall;
using test::Dice;
using test::Place;
using test::Sighting;

namespace {

constexpr std::uint32_t kUsualPackets = 10'000;
constexpr std::size_t kPacketsOfAPolicy = 50;
// Of a run that nobody asked to be longer.
constexpr Duration kBudget = 50s;
constexpr std::uint8_t kVrrp = 112;
constexpr std::uint8_t kGre = 47;
constexpr std::uint8_t kOther = 200;  // unassigned
constexpr std::uint32_t kFlowSeconds = 1000;

std::uint32_t from_environment(const char* name, std::uint32_t otherwise) {
  const char* text = std::getenv(name);
  return text == nullptr ? otherwise : static_cast<std::uint32_t>(std::strtoul(text, nullptr, 10));
}

struct Shot {
  Packet packet;
  test::Wire wire;
  std::optional<Packet> quoted;
  std::vector<sync::Operation> before;  // what conntrack knows when it comes
  bool is_error = false;
};

sync::Tuple tuple_of(const Packet& packet, std::uint16_t icmp_id) {
  sync::Tuple tuple{.source = packet.source,
                    .destination = packet.destination,
                    .protocol = packet.protocol,
                    .source_port = packet.source_port,
                    .destination_port = packet.destination_port};
  if (packet.protocol == config::kProtocolIcmp || packet.protocol == config::kProtocolIcmpv6) {
    tuple.source_port = icmp_id;
    tuple.destination_port = static_cast<std::uint16_t>(packet.icmp_type << 8);
  }
  return tuple;
}

sync::ConntrackEntry flow_of(const sync::Tuple& original) {
  sync::ConntrackEntry entry;
  entry.key.original = original;
  entry.reply = original.inverse();
  entry.status = sync::status::kSeenReply | sync::status::kAssured | sync::status::kConfirmed;
  entry.timeout_s = kFlowSeconds;
  if (original.protocol == config::kProtocolTcp)
    entry.tcp = sync::TcpInfo{.state = sync::TcpState::established};
  return entry;
}

class Shooter {
 public:
  Shooter(Dice& dice, bool translates) : dice_(dice), translates_(translates) {}

  Shot next() {
    number_ += 1;
    Shot shot = plain();
    const std::uint32_t kind = dice_.below(100);
    Packet& packet = shot.packet;
    const bool known_protocol =
        packet.protocol == config::kProtocolTcp || packet.protocol == config::kProtocolUdp ||
        packet.protocol == config::kProtocolIcmp || packet.protocol == config::kProtocolIcmpv6;
    if (kind < 6) {
      packet.flow.state = FlowState::untracked;
      shot.wire.dscp = 1;
      return shot;
    }
    if (!known_protocol || kind < 52) return marked(fresh(std::move(shot)));
    if (kind < 65) return invalid(std::move(shot));
    if (kind < 73) return related(std::move(shot));
    if (kind < 78) return error(std::move(shot));
    return marked(established(std::move(shot)));
  }

  // Of all packets of one policy: what no other has.
  void next_policy() { used_.clear(); }

 private:
  IpAddress pick(const std::vector<std::string>& pool) { return *IpAddress::parse(dice_.pick(pool)); }

  Shot plain() {
    Shot shot;
    shot.wire.number = number_;
    Packet& packet = shot.packet;
    const bool ipv6 = dice_.chance(30);
    const bool outward = dice_.chance(65);
    packet.in = outward ? "eth1" : "eth0";
    const auto& clients = ipv6 ? test::kClients6 : test::kClients;
    const auto& servers = ipv6 ? test::kServers6 : test::kServers;
    const bool spoofed = dice_.chance(4);
    packet.source = pick(outward != spoofed ? clients : servers);
    const std::uint32_t to = dice_.below(100);
    if (to < 75) {
      packet.destination = pick(outward ? servers : clients);
    } else if (to < 92) {
      packet.destination = *IpAddress::parse(ipv6 ? dice_.pick({"fd00:1::100", "fd00:2::100"})
                                                  : dice_.pick({"192.168.0.100", "192.168.2.100"}));
    } else if (to < 97) {
      packet.destination = pick(outward ? clients : servers);
    } else {
      packet.destination = *IpAddress::parse(ipv6 ? "fd99::1" : "172.16.0.9");  // nowhere
    }
    if (packet.destination == packet.source) packet.destination = pick(outward ? servers : clients);
    set_protocol(packet, ipv6);
    shot.wire.icmp_id = static_cast<std::uint16_t>(number_);
    return shot;
  }

  void set_protocol(Packet& packet, bool ipv6) {
    const std::uint32_t of = dice_.below(100);
    packet.tcp_flags = 0;
    packet.protocol = of < 48   ? config::kProtocolTcp
                      : of < 75 ? config::kProtocolUdp
                      : of < 92 ? (ipv6 ? config::kProtocolIcmpv6 : config::kProtocolIcmp)
                      : of < 95 ? kGre
                      : of < 98 ? kOther
                                : kVrrp;
    if (packet.protocol == kVrrp && ipv6) packet.protocol = kOther;
    const IpAddress host = packet.destination;
    if (packet.protocol == kVrrp) packet.destination = *IpAddress::parse("224.0.0.18");
    // Nothing tells two flows of these apart but their addresses, and those may become the same.
    const bool portless = of >= 92;
    const auto ends = translates_
                          ? std::pair<IpAddress, IpAddress>{}
                          : std::pair<IpAddress, IpAddress>(std::minmax(packet.source, packet.destination));
    if (portless && !used_.insert({packet.protocol, ends.first, ends.second}).second) {
      packet.protocol = config::kProtocolUdp;
      packet.destination = host;
    }
    if (packet.protocol == kVrrp || packet.protocol == kOther || packet.protocol == kGre) return;
    if (packet.protocol == config::kProtocolTcp || packet.protocol == config::kProtocolUdp) {
      packet.source_port = static_cast<std::uint16_t>(1100 + number_ % 60'000);
      packet.destination_port = dice_.pick(test::kPorts);
      if (packet.protocol == config::kProtocolTcp) packet.tcp_flags = 0x02;
    } else {
      packet.icmp_type = packet.protocol == config::kProtocolIcmp ? 8 : 128;
    }
  }

  // The rules of the test's own table make a mark of the traffic class.
  Shot marked(Shot shot) {
    if (!dice_.chance(12) || shot.packet.protocol == kVrrp) return shot;
    shot.packet.mark = 1 + dice_.below(3);
    shot.wire.dscp = static_cast<std::uint8_t>(16 + shot.packet.mark);
    return shot;
  }

  Shot fresh(Shot shot) {
    if (shot.packet.protocol == config::kProtocolTcp)
      shot.packet.tcp_flags = dice_.pick<std::uint8_t>({0x02, 0x02, 0x02, 0xc2, 0x10});
    if (shot.packet.protocol == config::kProtocolIcmp && dice_.chance(15)) shot.packet.icmp_type = 13;
    return shot;
  }

  Shot invalid(Shot shot) {
    Packet& packet = shot.packet;
    packet.flow.state = FlowState::invalid;
    if (packet.protocol == config::kProtocolTcp && dice_.chance(70)) {
      packet.tcp_flags = dice_.pick<std::uint8_t>({0x00, 0x03, 0x06, 0x12, 0x04, 0x14, 0x01});
    } else if (packet.protocol == config::kProtocolTcp || packet.protocol == config::kProtocolUdp) {
      shot.wire.wrong_checksum = true;
    } else {
      packet.icmp_type = packet.protocol == config::kProtocolIcmp ? 0 : 129;
    }
    return shot;
  }

  Shot established(Shot shot) {
    Packet& packet = shot.packet;
    Packet begun = packet;  // as the first packet of the flow was
    const bool reply = dice_.chance(45);
    packet.flow.state = FlowState::established;
    if (packet.protocol == config::kProtocolTcp)
      packet.tcp_flags = dice_.pick<std::uint8_t>({0x10, 0x18, 0x11});
    if (reply) {
      std::swap(begun.source, begun.destination);
      std::swap(begun.source_port, begun.destination_port);
      packet.flow.direction = Direction::reply;
      if (packet.protocol == config::kProtocolIcmp) packet.icmp_type = 0;
      if (packet.protocol == config::kProtocolIcmpv6) packet.icmp_type = 129;
    }
    sync::ConntrackEntry entry = flow_of(tuple_of(begun, shot.wire.icmp_id));
    if (dice_.chance(30)) entry.mark = packet.flow.mark = 1 + dice_.below(3);
    const bool icmp = packet.protocol == config::kProtocolIcmp || packet.protocol == config::kProtocolIcmpv6;
    if (translates_ && !icmp && packet.family() == Family::ipv4 && dice_.chance(40)) translate(shot, entry);
    shot.before.push_back({.id = number_, .action = sync::CreateConntrack{entry}});
    return shot;
  }

  // `packet` is between the real ends until now.
  void translate(Shot& shot, sync::ConntrackEntry& entry) {
    Packet& packet = shot.packet;
    const bool reply = packet.flow.direction == Direction::reply;
    const auto fake_source = *IpAddress::parse("198.51.100.9");
    const auto fake_destination = *IpAddress::parse("198.51.100.10");
    const std::uint32_t sides = 1 + dice_.below(3);
    if ((sides & 1) != 0) {
      entry.reply.destination = fake_source;
      if (reply) {
        packet.flow.rewrite.destination = Endpoint{packet.destination, packet.destination_port};
        packet.destination = fake_source;
      } else {
        packet.flow.rewrite.source = Endpoint{fake_source, packet.source_port};
      }
    }
    if ((sides & 2) != 0) {
      // The flow was for the other address.
      entry.key.original.destination = fake_destination;
      packet.flow.destination_translated = true;
      if (reply) {
        packet.flow.rewrite.source = Endpoint{fake_destination, packet.source_port};
      } else {
        packet.flow.rewrite.destination = Endpoint{packet.destination, packet.destination_port};
        packet.destination = fake_destination;
      }
    }
  }

  // The first packet of a flow that an FTP connection announced.
  Shot related(Shot shot) {
    Packet& packet = shot.packet;
    if (packet.protocol != config::kProtocolTcp && packet.protocol != config::kProtocolUdp) return shot;
    packet.destination_port = static_cast<std::uint16_t>(2000 + number_ % 40'000);
    packet.flow = {.state = FlowState::related, .expected = true, .helper = "ftp"};
    Packet control = packet;
    control.protocol = config::kProtocolTcp;
    control.destination_port = 21;
    sync::ConntrackEntry master = flow_of(tuple_of(control, 0));
    master.helper = "ftp";
    sync::Expectation expectation;
    expectation.key.expected = tuple_of(packet, 0);
    expectation.key.expected.source_port = 0;
    const IpAddress all = packet.family() == Family::ipv4
                              ? *IpAddress::parse("255.255.255.255")
                              : *IpAddress::parse("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff");
    expectation.mask = {.source = all,
                        .destination = all,
                        .protocol = packet.protocol,
                        .source_port = 0,
                        .destination_port = 0xffff};
    expectation.master = master.key.original;
    expectation.timeout_s = kFlowSeconds;
    expectation.helper = "ftp";
    shot.before.push_back({.id = number_, .action = sync::CreateConntrack{master}});
    shot.before.push_back({.id = number_, .action = sync::CreateExpectation{expectation}});
    return shot;
  }

  // Somebody on the way says that a packet of a known flow did not get through.
  Shot error(Shot shot) {
    Packet& packet = shot.packet;
    if (packet.protocol != config::kProtocolTcp && packet.protocol != config::kProtocolUdp) return shot;
    Packet lost = packet;
    std::swap(lost.source, lost.destination);
    std::swap(lost.source_port, lost.destination_port);
    lost.tcp_flags = lost.protocol == config::kProtocolTcp ? 0x10 : 0;
    shot.before.push_back({.id = number_, .action = sync::CreateConntrack{flow_of(tuple_of(lost, 0))}});
    shot.quoted = lost;
    shot.is_error = true;
    const bool ipv4 = packet.family() == Family::ipv4;
    packet.protocol = ipv4 ? config::kProtocolIcmp : config::kProtocolIcmpv6;
    packet.source_port = packet.destination_port = 0;
    packet.tcp_flags = 0;
    packet.icmp_type = ipv4 ? 3 : 1;
    packet.icmp_code = 1;
    packet.flow = {.state = FlowState::related, .direction = Direction::reply};
    return shot;
  }

  Dice& dice_;
  bool translates_;
  std::uint32_t number_ = 0;
  std::set<std::tuple<std::uint8_t, IpAddress, IpAddress>> used_;

 public:
  void continue_from(std::uint32_t number) { number_ = number; }
  std::uint32_t number() const { return number_; }
};

// ---- the comparison

std::string name_of(Place place) {
  switch (place) {
    case Place::eth0:
      return "eth0";
    case Place::eth1:
      return "eth1";
    case Place::here:
      return "here";
  }
  return "";
}

struct Account {
  const Sighting* arrival = nullptr;
  bool refused = false;
};

// An ICMP error that was sent itself is no answer of the firewall.
Account account_of(const Shot& shot, const std::vector<Sighting>& sightings) {
  Account account;
  for (const Sighting& one : sightings) {
    if (one.arrival.refusal && !shot.is_error) {
      account.refused = true;
    } else {
      account.arrival = &one;
    }
  }
  return account;
}

bool is_translated_to(const Outcome& outcome, Side side, const Endpoint& seen, const Endpoint& told,
                      bool with_ports) {
  for (const Translation& one : outcome.translations) {
    if (one.side != side || !one.one_of_several) continue;
    for (const Expression& expression : one.by.rule->expressions) {
      const auto* nat = std::get_if<Translate>(&expression);
      if (nat == nullptr) continue;
      return nat->to.first <= seen.address && seen.address <= nat->to.last &&
             (!with_ports || !nat->ports ||
              (nat->ports->first <= seen.port && seen.port <= nat->ports->last));
    }
    return seen.address == told.address;  // of this machine, with a port of a range
  }
  return seen.address == told.address && (!with_ports || seen.port == told.port);
}

// Whether this is what the kernel did.
bool fits(const Outcome& outcome, const Shot& shot, const Account& account) {
  const bool ports =
      shot.packet.protocol == config::kProtocolTcp || shot.packet.protocol == config::kProtocolUdp;
  const bool arrives = outcome.passes();
  if (arrives != (account.arrival != nullptr)) return false;
  if (arrives) {
    const std::string place = outcome.fate == Fate::delivered ? "here" : outcome.packet.out;
    if (name_of(account.arrival->place) != place) return false;
    const Packet& seen = account.arrival->arrival.packet;
    return is_translated_to(outcome, Side::source, {seen.source, seen.source_port},
                            {outcome.packet.source, outcome.packet.source_port}, ports) &&
           is_translated_to(outcome, Side::destination, {seen.destination, seen.destination_port},
                            {outcome.packet.destination, outcome.packet.destination_port}, ports);
  }
  // Nobody is answered about a reset, a packet that is broken, or an error.
  const bool answerable =
      !shot.wire.wrong_checksum && !shot.is_error && ports &&
      (shot.packet.protocol != config::kProtocolTcp || (shot.packet.tcp_flags & 0x04) == 0);
  if (outcome.fate == Fate::rejected) return !answerable || account.refused;
  return outcome.fate == Fate::unroutable || !account.refused;
}

std::string describe(const Account& account) {
  if (account.arrival == nullptr) return account.refused ? "refused" : "nothing";
  return fmt::format("{} at {}", to_text(account.arrival->arrival.packet), name_of(account.arrival->place));
}

std::string describe(const Outcome& outcome) {
  const Decision* decision = outcome.decisive();
  const std::string rule = decision == nullptr         ? "no rule"
                           : decision->rule == nullptr ? decision->chain->name + " policy"
                                                       : to_nft(*decision->rule);
  static constexpr const char* kFates[]{"delivered", "forwarded", "dropped", "rejected", "unroutable"};
  return fmt::format("{} as {} by {}", kFates[static_cast<int>(outcome.fate)], to_text(outcome.packet), rule);
}

struct Bench {
  test::WireNetwork network;
  sync::ConntrackTable conntrack = *sync::ConntrackTable::open();
  Surroundings surroundings = *open_routes();
  std::uint32_t disagreements = 0;
  std::uint32_t forwarded = 0;
  std::uint32_t delivered = 0;
  std::uint32_t translated = 0;
  std::uint32_t answered_no = 0;

  void count(const Shot& shot, const Account& account) {
    if (account.arrival == nullptr) {
      answered_no += account.refused ? 1 : 0;
      return;
    }
    (account.arrival->place == Place::here ? delivered : forwarded) += 1;
    const Packet& seen = account.arrival->arrival.packet;
    const Packet& sent = shot.packet;
    const bool same = seen.source == sent.source && seen.destination == sent.destination &&
                      seen.source_port == sent.source_port && seen.destination_port == sent.destination_port;
    translated += same ? 0 : 1;
  }

  // Shoots the packets of one policy and compares.
  void compare(const Tables& tables, const std::vector<Shot>& shots, const std::string& policy) {
    for (const Shot& shot : shots) {
      const auto refused = conntrack.apply(shot.before);
      REQUIRE(refused);
      REQUIRE_MESSAGE(refused->empty(), to_text(shot.packet), " errno ",
                      refused->empty() ? 0 : refused->front().error);
    }
    for (const Shot& shot : shots) {
      test::Wire wire = shot.wire;
      wire.quoted = shot.quoted ? &*shot.quoted : nullptr;
      network.send(shot.packet.in, to_bytes(shot.packet, wire));
    }
    const test::Sightings sightings = network.watch();
    for (const Shot& shot : shots) {
      const auto found = sightings.find(shot.wire.number);
      const std::vector<Sighting> none;
      const Account account = account_of(shot, found == sightings.end() ? none : found->second);
      count(shot, account);
      const std::vector<Outcome> outcomes = possible_outcomes(tables, surroundings, shot.packet);
      if (std::ranges::any_of(outcomes, [&](const Outcome& one) { return fits(one, shot, account); }))
        continue;
      disagreements += 1;
      std::string told;
      for (const Outcome& one : outcomes) told += "\n    " + describe(one);
      if (disagreements <= 5)
        std::cout << fmt::format("[explain] {}\n  the kernel: {}\n  the evaluation:{}\n{}\n",
                                 to_text(shot.packet), describe(account), told, policy);
    }
  }
};

}  // namespace

TEST_CASE("the evaluation says of random packets and policies what the kernel does") {
  if (!test::enter_fresh_namespace()) return;
  const std::uint32_t seed = from_environment("FTFW_SEED", std::random_device{}());
  const std::uint32_t wanted = from_environment("FTFW_PACKETS", kUsualPackets);
  std::cout << fmt::format("[explain] seed {}\n", seed);
  Dice dice(seed);
  Bench bench;
  std::optional<Loader> loader;
  std::uint32_t sent = 0;
  std::uint32_t policies = 0;
  std::uint32_t refused = 0;
  std::uint32_t asleep = 0;
  const Instant start = monotonic_now();
  while (sent < wanted && (wanted > kUsualPackets || monotonic_now() - start < kBudget) &&
         bench.disagreements < 5) {
    const std::string policy = test::random_policy(dice);
    std::optional<config::Config> config;
    try {
      config = test::config_of(policy);
    } catch (const std::exception&) {
      refused += 1;
      continue;
    }
    const Guard guard = build_guard(*config);
    if (!loader) loader = *Loader::open(guard);
    const Ruleset ruleset = build_ruleset(*config, {.flowtables = false});
    test::run("conntrack -F 2>/dev/null");
    REQUIRE(loader->stand_by(ruleset));
    REQUIRE(loader->activate(ruleset, false));
    const bool sleeps = dice.chance(12);
    if (sleeps) REQUIRE(loader->sleep());
    asleep += sleeps ? 1 : 0;
    StandbyTables standby;
    fill_standby_tables(standby, ruleset, guard);
    const bool translates = !config->firewall.snats.empty() || !config->firewall.dnats.empty();
    Shooter shooter(dice, translates);
    shooter.continue_from(sent);
    std::vector<Shot> shots;
    for (std::size_t count = 0; count < kPacketsOfAPolicy; ++count) shots.push_back(shooter.next());
    sent = shooter.number();
    bench.compare(sleeps ? standby.tables : tables_of(ruleset), shots, policy);
    policies += 1;
  }
  std::cout << fmt::format(
      "[explain] {} packets ({} forwarded, {} delivered, {} of them translated, {} refused), {} policies ({} "
      "of a "
      "standby, {} drawn again), {} ms\n",
      sent, bench.forwarded, bench.delivered, bench.translated, bench.answered_no, policies, asleep, refused,
      (monotonic_now() - start) / 1ms);
  CHECK_MESSAGE(bench.disagreements == 0, "FTFW_SEED=", seed);
}
