#include "tests/unit/sync/pair.hpp"

#include <fmt/format.h>
#include <netinet/in.h>

#include <utility>

namespace ftfw::sync::test {
namespace {

IpAddress address(const std::string& text) {
  return *IpAddress::parse(text);
}

// The entry as both kernels must show it. with_master: the master travels too; otherwise the related entry
// goes alone.
ConntrackEntry comparable(ConntrackEntry entry, bool with_master) {
  entry.timeout_s.reset();
  entry.mark = entry.mark.value_or(0);
  if (!with_master) entry.master.reset();
  entry.status = entry.status.value_or(0) & status::kCarried & ~(entry.master ? 0U : status::kExpected);
  if (entry.tcp) {
    entry.tcp->flags_original &= 0x03;
    entry.tcp->flags_reply &= 0x03;
  }
  return entry;
}

// The place of one node in the list of another one's peers, and back.
std::size_t place_at(std::size_t node, std::size_t other) {
  return other < node ? other : other - 1;
}
std::size_t node_at(std::size_t node, std::size_t place) {
  return place < node ? place : place + 1;
}

}  // namespace

Pair::Pair(std::uint64_t seed, Duration compare_interval, Options options, std::array<bool, 2> cache,
           std::size_t count)
    : random(seed), nodes(count) {
  Settings drawn;
  if (options == Options::drawn) draw(drawn);
  for (std::size_t i = 0; i < count; ++i) {
    Node& node = nodes[i];
    for (std::size_t other = 0; other < count; ++other) {
      const std::string name = fmt::format("fw-{}", other + 1);
      if (other == i) {
        node.settings.node = name;
      } else {
        node.settings.peers.push_back(name);
      }
    }
    node.settings.local_addresses = {address("192.168.100.100"), address("192.168.100.200"),
                                     address("192.168.0.100"), address("2001:db8:100::100")};
    node.settings.compare_interval = compare_interval;
    node.settings.cache = cache.at(i % 2);
    node.settings.minimum_age = drawn.minimum_age;
    node.settings.tcp_states = drawn.tcp_states;
    node.settings.excluded_networks = drawn.excluded_networks;
    node.kernel.on_event = [this, i](Event event) {
      Node& captured_at = nodes[i];
      captured_at.captured.emplace_back(now + std::chrono::milliseconds(chance(3)), std::move(event));
    };
    start(i);
  }
}

void Pair::draw(Settings& settings) {
  constexpr std::array<Duration, 4> kAges{0ms, 20ms, 300ms, 1s};
  settings.minimum_age = kAges.at(static_cast<std::size_t>(chance(4)));
  switch (chance(5)) {
    case 0:
      settings.tcp_states = {TcpState::established};
      break;
    case 1:
      settings.tcp_states = {TcpState::syn_recv, TcpState::established, TcpState::close_wait};
      break;
    case 2:
      settings.tcp_states = {TcpState::syn_sent, TcpState::syn_recv, TcpState::established,
                             TcpState::fin_wait};
      break;
    case 3:
      settings.tcp_states = {TcpState::fin_wait, TcpState::time_wait};
      break;
    default:
      break;
  }
  if (chance(2) == 0) {
    // Not of clients that are translated: what of them stands at the replica would clash with others.
    settings.excluded_networks = {*IpPrefix::parse("192.168.0.4"), *IpPrefix::parse("2001:db8:2::2/127")};
    second_server_ = true;
  }
}

void Pair::start(std::size_t i) {
  Node& node = nodes[i];
  node.engine = std::make_unique<Engine>(node.settings, (next_instance_++ << 8) + 7);
  node.tables = std::make_unique<FlowTables>(node.table, node.settings);
  for (std::size_t place = 0; place < nodes.size() - 1; ++place) node.engine->on_channel_up(now, place);
  node.channel_up = true;
  node.dumps.assign(nodes.size(), std::nullopt);
  node.applying.reset();
  node.captured.clear();
  node.committed.reset();
  node.in_sync = false;
  node.peers.assign(nodes.size() - 1, {});
}

void Pair::restart(std::size_t i) {
  start(i);
}

void Pair::become_source(std::size_t i) {
  nodes[i].engine->become_source(now, ++epoch);
  nodes[i].tables->become_source(now);
}

void Pair::become_replica(std::size_t i) {
  nodes[i].engine->become_replica(now);
  nodes[i].tables->become_replica(now);
}

void Pair::overrun(std::size_t i) {
  Node& node = nodes[i];
  node.captured.clear();
  node.engine->on_overrun(now);
}

void Pair::post(std::size_t from, std::size_t to, const ByteVector& bytes) {
  const auto roll = [this] { return std::uniform_real_distribution<>(0, 1)(random); };
  if (network.cut || from == isolated || to == isolated) return;
  const int copies = roll() < network.duplicates ? 2 : 1;
  for (int i = 0; i < copies; ++i) {
    if (roll() < network.loss) continue;
    const auto delay =
        Duration(std::uniform_int_distribution<std::int64_t>(0, network.longest_delay.count())(random));
    in_transit_.emplace(now + delay, Datagram{.from = from, .to = to, .bytes = bytes});
  }
}

void Pair::run(Duration time) {
  for (const Instant end = now + time; now < end;) step();
}

void Pair::step() {
  now += 1ms;
  while (!in_transit_.empty() && in_transit_.begin()->first <= now) {
    const Datagram datagram = std::move(in_transit_.extract(in_transit_.begin()).mapped());
    nodes[datagram.to].engine->on_frame(now, place_at(datagram.to, datagram.from), datagram.bytes);
  }
  for (std::size_t i = 0; i < nodes.size(); ++i) {
    feed(i);
    carry_out(i);
  }
}

void Pair::feed(std::size_t i) {
  Node& node = nodes[i];
  while (!node.captured.empty() && node.captured.front().first <= now) {
    node.engine->on_event(now, node.captured.front().second);
    node.captured.pop_front();
  }
  if (node.applying && node.applying->done_at <= now) {
    const auto applied = *std::exchange(node.applying, std::nullopt);
    node.engine->on_applied(now, applied.refusals);
  }
  feed_own_dump(i);
  feed_dumps_for_peers(i);
  work(i);
  if (const auto deadline = node.engine->next_deadline(); deadline && *deadline <= now)
    node.engine->on_timer(now);
}

void Pair::feed_own_dump(std::size_t i) {
  Node& node = nodes[i];
  auto& dump = node.dumps[0];
  if (!dump || !node.engine->ready_for_dump(dump->id)) return;
  node.table.entries_in_piece = 1 + static_cast<std::size_t>(chance(static_cast<int>(dump_piece)));
  const auto piece = node.tables->next_dump_piece();
  const std::uint64_t id = dump->id;
  node.engine->on_dump(now, id, piece->entries, piece->expectations);
  if (piece->progress == DumpPiece::Progress::more) return;
  dump.reset();
  const bool finished = piece->progress == DumpPiece::Progress::finished;
  node.engine->on_dump_end(now, id, finished && (chance(20) != 0 || !dumps_fail));
}

void Pair::feed_dumps_for_peers(std::size_t i) {
  Node& node = nodes[i];
  if (node.tables->committing()) return;  // the kernel's table is not whole yet
  for (std::size_t reader = 1; reader < node.dumps.size(); ++reader) {
    auto& dump = node.dumps[reader];
    if (!dump || !node.engine->ready_for_dump(dump->id)) continue;
    const auto piece =
        node.kernel.dump(dump->cursor, 1 + static_cast<std::size_t>(chance(static_cast<int>(dump_piece))));
    const std::uint64_t id = dump->id;
    node.engine->on_dump(now, id, piece.entries, piece.expectations);
    if (!piece.last) continue;
    dump.reset();
    node.engine->on_dump_end(now, id, chance(20) != 0 || !dumps_fail);
  }
}

// What the tables do in the background: a batch, or a piece, in 1 ms.
void Pair::work(std::size_t i) {
  Node& node = nodes[i];
  const bool mirrors = node.engine->mirrors_source();
  const auto due = node.tables->next_deadline(mirrors);
  if (due && *due <= now) node.tables->step(now, mirrors);
  if (const auto finished = node.tables->take_finished()) node.committed = *finished;
}

void Pair::carry_out(std::size_t i) {
  Node& node = nodes[i];
  for (Output& output : node.engine->take_outputs()) obey(i, std::move(output));
  const auto deadline = node.engine->next_deadline();
  if (!deadline || *deadline > now) return;
  // A deadline that is due already must lead to progress, or a real thread would spin.
  for (int round = 0; round < 100; ++round) {
    node.engine->on_timer(now);
    for (Output& output : node.engine->take_outputs()) obey(i, std::move(output));
    const auto next = node.engine->next_deadline();
    if (!next || *next > now) return;
  }
  node.complaints.emplace_back("a deadline in the past stays");
}

void Pair::obey(std::size_t i, Output output) {
  Node& node = nodes[i];
  if (const auto* frame = std::get_if<SendFrame>(&output)) {
    node.longest_frame = std::max(node.longest_frame, frame->bytes.size());
    if (!node.channel_up) node.complaints.emplace_back("a frame without a channel");
    post(i, node_at(i, frame->peer), frame->bytes);
  } else if (const auto* dump = std::get_if<StartDump>(&output)) {
    if (node.dumps[dump->reader]) node.complaints.emplace_back("two dumps of one reader at once");
    node.dumps[dump->reader] = Node::Dump{.id = dump->dump};
    if (dump->reader == 0 && !node.tables->begin_dump(dump->purpose)) node.complaints.emplace_back("no dump");
  } else if (const auto* apply = std::get_if<Apply>(&output)) {
    if (node.applying) node.complaints.emplace_back("two applies at once");
    node.applying = Node::Applying{.done_at = now + std::chrono::milliseconds(chance(3)),
                                   .refusals = *node.tables->apply(apply->operations)};
  } else if (const auto* changed = std::get_if<PeerChanged>(&output)) {
    node.peers[changed->index] = changed->peer;
  } else if (const auto* sync = std::get_if<InSyncChanged>(&output)) {
    node.in_sync = sync->in_sync;
  } else if (const auto* drained = std::get_if<Drained>(&output)) {
    node.drained = *drained;
  } else if (std::holds_alternative<PeerSpoke>(output)) {
    ++node.words;
  } else if (const auto* finished = std::get_if<CommitFinished>(&output)) {
    node.tables->commit(now, *finished);
  } else {
    ++node.notices;
  }
}

ConntrackEntry Pair::new_flow() {
  ConntrackEntry entry;
  Tuple& original = entry.key.original;
  const bool ipv6 = chance(4) == 0;
  original.source = address(ipv6 ? fmt::format("2001:db8:2::{}", 1 + chance(3))
                                 : fmt::format("192.168.2.{}", 3 + chance(3)));
  original.destination = address(ipv6 ? "2001:db8::3" : "192.168.0.3");
  if (second_server_ && !ipv6 && chance(4) == 0) original.destination = address("192.168.0.4");
  original.protocol = chance(4) == 0 ? IPPROTO_UDP : IPPROTO_TCP;
  // Few ports, so that tuples come back and translated replies clash.
  original.source_port = static_cast<std::uint16_t>(40000 + chance(60));
  original.destination_port = static_cast<std::uint16_t>(chance(2) == 0 ? 21 : 80);
  const bool local = chance(12) == 0;
  if (local) original.source = address(ipv6 ? "2001:db8:100::100" : "192.168.100.100");
  entry.reply = original.inverse();
  if (!ipv6 && !local && chance(2) == 0) {
    entry.reply.destination = address("192.168.0.100");
    entry.reply.destination_port = static_cast<std::uint16_t>(50000 + chance(200));
  }
  entry.status = 0;
  entry.timeout_s = 30;
  if (original.protocol == IPPROTO_TCP)
    entry.tcp = TcpInfo{.state = TcpState::syn_sent, .flags_original = 0x23};
  if (expects && original.destination_port == 21 && original.protocol == IPPROTO_TCP) entry.helper = "ftp";
  if (chance(3) == 0) entry.mark = static_cast<std::uint32_t>(1 + chance(5));
  return entry;
}

void Pair::traffic(std::size_t i) {
  sim::FakeConntrack& kernel = nodes[i].kernel;
  std::optional<ConntrackEntry> some;
  if (!kernel.entries().empty()) {
    auto at = kernel.entries().lower_bound({random(), EntryKey{}});
    if (at == kernel.entries().end()) at = kernel.entries().begin();
    some = at->second.entry;
  }
  const int what = chance(10);
  if (!some || what < 3) {
    kernel.traffic_creates(new_flow());
  } else if (what < 7) {
    kernel.traffic_updates(some->key, [this](ConntrackEntry& entry) {
      *entry.status |= status::kSeenReply | (chance(2) == 0 ? status::kAssured : 0U);
      // The first reply always changes the state (SYN SENT to SYN RECEIVED).
      const bool first = entry.tcp && entry.tcp->state == TcpState::syn_sent;
      if (entry.tcp && entry.tcp->state < TcpState::time_wait && (first || chance(4) != 0)) {
        entry.tcp->state = static_cast<TcpState>(static_cast<int>(entry.tcp->state) + 1);
        if (entry.tcp->state == TcpState::syn_recv) entry.tcp->window_scale_reply = 7;
      }
      if (chance(6) == 0) entry.mark = entry.mark.value_or(0) + 1;
    });
  } else if (what < 9) {
    kernel.destroy(some->key);
  } else if (!some->helper.empty() && (*some->status & status::kSeenReply) != 0) {
    Expectation expectation;
    expectation.key.expected = some->key.original;
    expectation.key.expected.source_port = 0;
    expectation.key.expected.destination_port = static_cast<std::uint16_t>(20000 + chance(50));
    expectation.mask = expectation.key.expected;
    expectation.master = some->key.original;
    expectation.helper = "ftp";
    if (!kernel.traffic_expects(expectation) || chance(2) == 0) return;
    // The expected connection comes: the expectation goes and a related entry stands in the table.
    ConntrackEntry related = new_flow();
    related.key.original = expectation.key.expected;
    related.key.original.source_port = static_cast<std::uint16_t>(41000 + chance(50));
    related.reply = related.key.original.inverse();
    related.tcp = TcpInfo{.state = TcpState::syn_sent};
    related.helper.clear();
    related.master = expectation.master;
    kernel.destroy(expectation.key);
    kernel.traffic_creates(related);
  }
}

std::map<EntryKey, sim::FakeConntrack::Stored> Pair::held(std::size_t i) const {
  std::map<EntryKey, sim::FakeConntrack::Stored> all;
  if (!nodes[i].settings.cache) {
    for (const auto& [place, stored] : nodes[i].kernel.entries()) all.emplace(place.second, stored);
    return all;
  }
  const FlowCache& cache = nodes[i].tables->cache();
  FlowCache::Cursor cursor = cache.begin();
  for (DumpPiece piece; piece.progress == DumpPiece::Progress::more;) {
    piece = cache.read(cursor, 100);
    for (const ConntrackEntry& entry : piece.entries) all[entry.key] = {.entry = entry, .liberal = true};
  }
  return all;
}

std::map<ExpectationKey, Expectation> Pair::expected(std::size_t i) const {
  if (!nodes[i].settings.cache) return nodes[i].kernel.expectations();
  std::map<ExpectationKey, Expectation> all;
  FlowCache::Cursor cursor = nodes[i].tables->cache().begin();
  for (DumpPiece piece; piece.progress == DumpPiece::Progress::more;) {
    piece = nodes[i].tables->cache().read_expectations(cursor, 100);
    for (const Expectation& expectation : piece.expectations) all[expectation.key] = expectation;
  }
  return all;
}

std::string Pair::difference(std::size_t source, std::size_t replica) const {
  const sim::FakeConntrack& here = nodes[source].kernel;
  const auto there = held(replica);
  const auto expected_there = expected(replica);
  const Filter filter(nodes[0].settings);
  for (const auto& [place, stored] : here.entries()) {
    if (!filter.covers(stored.entry) || !filter.travels(stored.entry)) continue;
    const auto found = there.find(stored.entry.key);
    const std::string name = stored.entry.key.original.to_string();
    if (found == there.end()) return "missing: " + name;
    const auto* copy = &found->second;
    const auto* master =
        stored.entry.master ? here.find(EntryKey{.original = *stored.entry.master}) : nullptr;
    const bool with_master = master != nullptr && filter.travels(master->entry);
    const ConntrackEntry a = comparable(stored.entry, with_master);
    const ConntrackEntry b = comparable(copy->entry, with_master);
    if (a.mark != b.mark) return "mark: " + name;
    if (a.helper != b.helper) return fmt::format("helper '{}' not '{}': {}", b.helper, a.helper, name);
    if (a.reply != b.reply) return "reply: " + name;
    if (a.status != b.status) return fmt::format("status {:x} not {:x}: {}", *b.status, *a.status, name);
    if (a.tcp != b.tcp) return "protocol state: " + name;
    if (a.master != b.master) return "master: " + name;
    if (a != b) return "differs: " + name;
    if (a.tcp && !copy->liberal) return "not liberal: " + name;
  }
  for (const auto& [key, stored] : there) {
    if (!filter.covers(stored.entry)) continue;
    const auto* original = here.find(stored.entry.key);
    if (original == nullptr || !filter.travels(original->entry)) {
      return "still there: " + stored.entry.key.original.to_string();
    }
  }
  for (const auto& [key, expectation] : here.expectations()) {
    if (!filter.covers(expectation)) continue;
    // One whose master does not travel has nothing to belong to.
    const auto* master = here.find(EntryKey{.original = expectation.master});
    if (master != nullptr && !filter.travels(master->entry)) continue;
    if (!expected_there.contains(key)) return "missing expectation: " + key.expected.to_string();
  }
  for (const auto& [key, expectation] : expected_there) {
    if (!filter.covers(expectation)) continue;
    if (!here.expectations().contains(key)) return "expectation still there: " + key.expected.to_string();
  }
  return {};
}

}  // namespace ftfw::sync::test
