// Two engines (or as many as are asked for), each with a fake kernel, joined by a network that loses,
// doubles, delays and reorders. Virtual time in steps of 1 ms; everything random comes from one seed. Traffic
// runs at the primary only, as on a real pair.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "sync/engine.hpp"
#include "sync/flow_tables.hpp"
#include "tests/sim/fake_conntrack.hpp"

namespace ftfw::sync::test {

struct Network {
  double loss = 0;
  double duplicates = 0;
  Duration longest_delay = 1ms;
  bool cut = false;
};

class Pair {
 public:
  struct Node {
    Settings settings;
    sim::FakeConntrack kernel;
    sim::FakeKernelTable table{kernel, 1};
    std::unique_ptr<Engine> engine;
    std::unique_ptr<FlowTables> tables;
    std::deque<std::pair<Instant, Event>> captured;  // with when the engine gets it
    struct Dump {
      std::uint64_t id = 0;
      sim::FakeConntrack::Cursor cursor;
    };
    std::vector<std::optional<Dump>> dumps;  // by reader
    struct Applying {
      Instant done_at;
      std::vector<Refusal> refusals;
    };
    std::optional<Applying> applying;
    bool channel_up = false;
    std::vector<std::string> complaints;  // contract broken by the engine
    std::optional<CommitFinished> committed;
    std::optional<Drained> drained;
    std::size_t words = 0;  // PeerSpoke
    bool in_sync = false;
    std::vector<PeerState> peers;
    std::size_t notices = 0;
    std::size_t longest_frame = 0;
  };

  enum class Options : std::uint8_t { usual, drawn };  // of what travels

  // cache: which of the nodes have `standby = "cache"`; further ones are like these two in turn.
  explicit Pair(std::uint64_t seed, Duration compare_interval = 2s, Options options = Options::usual,
                std::array<bool, 2> cache = {}, std::size_t count = 2);
  Pair(const Pair&) = delete;
  Pair& operator=(const Pair&) = delete;

  void run(Duration time);
  void step();  // 1 ms
  void restart(std::size_t node);
  void become_source(std::size_t node);
  void become_replica(std::size_t node);
  void overrun(std::size_t node);  // what is captured and not read yet is lost
  void commit(std::size_t node, std::uint64_t plan) { nodes[node].engine->commit(now, plan); }
  void traffic(std::size_t node);  // one random change by a packet or a timer

  // What the node holds as replica: in its cache, or in its kernel.
  std::map<EntryKey, sim::FakeConntrack::Stored> held(std::size_t node) const;
  std::map<ExpectationKey, Expectation> expected(std::size_t node) const;
  // Empty if the replica what the source's kernel holds; otherwise the first difference.
  std::string difference(std::size_t source, std::size_t replica) const;
  int chance(int sides) { return static_cast<int>(std::uniform_int_distribution<>(0, sides - 1)(random)); }

  std::mt19937_64 random;
  Instant now{1h};
  std::deque<Node> nodes;
  Network network;
  static constexpr std::size_t kNobody = SIZE_MAX;
  std::size_t isolated = kNobody;  // hears and is heard by nobody
  std::uint64_t epoch = 0;
  std::size_t dump_piece = 16;  // entries a dump reads at most in 1 ms
  bool dumps_fail = true;       // one in 20
  bool expects = true;          // there are flows with a helper

  ConntrackEntry new_flow();

 private:
  void draw(Settings& settings);
  struct Datagram {
    std::size_t from = 0;
    std::size_t to = 0;
    ByteVector bytes;
  };
  void start(std::size_t node);
  void feed(std::size_t node);
  void work(std::size_t node);
  void carry_out(std::size_t node);
  void obey(std::size_t node, Output output);
  void feed_own_dump(std::size_t node);
  void feed_dumps_for_peers(std::size_t node);
  void post(std::size_t from, std::size_t to, const ByteVector& bytes);

  std::multimap<Instant, Datagram> in_transit_;
  bool second_server_ = false;
  std::uint64_t next_instance_ = 1;
};

}  // namespace ftfw::sync::test
