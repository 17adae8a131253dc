// A link over real sockets whose interface, carrier or address goes and comes, seen from both ends of a veth
// pair.
#include <arpa/inet.h>
#include <doctest/doctest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>

#include "sync/linux/link_set.hpp"
#include "tests/unit/sync/linux_entries.hpp"
#include "tests/unit/vrrp/two_namespaces.hpp"

namespace ftfw::sync {
namespace {

using ftfw::test::TwoNamespaces;
using testing::address;

constexpr Duration kLimit = 10s;

// Made without root it would abort.
bool is_root() {
  if (::geteuid() == 0) return true;
  MESSAGE("skipped: network namespaces need root");
  return false;
}

Result<std::unique_ptr<LinkSet>> open_left() {
  const LinkSettings link{
      .interface = "left0", .own_address = address("192.0.2.1"), .peer_address = address("192.0.2.2")};
  return LinkSet::open({.node = "fw-1", .peer = "fw-2", .key = ByteVector(32, 7)}, {&link, 1});
}

Result<std::unique_ptr<LinkSet>> open_right() {
  const LinkSettings link{
      .interface = "right0", .own_address = address("192.0.2.2"), .peer_address = address("192.0.2.1")};
  return LinkSet::open({.node = "fw-2", .peer = "fw-1", .key = ByteVector(32, 7)}, {&link, 1});
}

struct Ends {
  TwoNamespaces spaces;
  std::unique_ptr<LinkSet> left;
  std::unique_ptr<LinkSet> right;
  std::vector<std::string> heard;  // by the right

  void start() {
    auto one = open_left();
    REQUIRE_MESSAGE(one.has_value(), one.error().text);
    left = std::move(*one);
    auto other = spaces.in_right(open_right);
    REQUIRE_MESSAGE(other.has_value(), other.error().text);
    right = std::move(*other);
    left->start(monotonic_now());
    right->start(monotonic_now());
  }

  // As the daemon does: woken by fd() or by the deadline. The right end's upkeep is made in its namespace.
  void step() {
    pollfd waits[] = {{left->fd(), POLLIN, 0}, {right->fd(), POLLIN, 0}};
    const auto next = std::min(*left->next_deadline(), *right->next_deadline());
    const auto wait = std::chrono::ceil<std::chrono::milliseconds>(next - monotonic_now()).count();
    ::poll(waits, 2, static_cast<int>(std::max<std::int64_t>(wait, 0)));
    if (waits[0].revents != 0) left->on_readable(monotonic_now());
    left->on_timer(monotonic_now());
    spaces.in_right([&] {
      if (waits[1].revents != 0) right->on_readable(monotonic_now());
      right->on_timer(monotonic_now());
    });
    left->take_outputs();
    for (const ChannelOutput& output : right->take_outputs()) {
      if (const auto* received = std::get_if<Received>(&output)) {
        heard.emplace_back(received->bytes.begin(), received->bytes.end());
      }
    }
  }

  bool until(const std::function<bool()>& condition) {
    const Instant limit = monotonic_now() + kLimit;
    while (!condition()) {
      if (monotonic_now() > limit) return false;
      step();
    }
    return true;
  }
  bool until_sound() {
    return until([&] {
      return left->links()[0].condition == LinkCondition::sound &&
             right->links()[0].condition == LinkCondition::sound;
    });
  }
  bool until_left(LinkCondition condition) {
    return until([&, condition] { return left->links()[0].condition == condition; });
  }
  bool talks() {
    const std::size_t before = heard.size();
    if (!left->send(ByteVector{'h', 'i'})) return false;
    return until([&] { return heard.size() > before; });
  }
};

TEST_CASE("the interface of a link is deleted and made again -> it is found again on both ends") {
  if (!is_root()) return;
  Ends ends;
  ends.start();
  REQUIRE(ends.until_sound());
  CHECK(ends.talks());
  const int fd = ends.left->fd();
  for (int round = 0; round < 3; ++round) {
    TwoNamespaces::run("ip link delete left0");
    REQUIRE(ends.until_left(LinkCondition::no_interface));
    CHECK(ends.left->links()[0].trouble == "there is no interface 'left0'");
    ends.spaces.connect();
    REQUIRE(ends.until_sound());
    CHECK(ends.talks());
    CHECK(ends.left->links()[0].trouble.empty());
  }
  CHECK(ends.left->fd() == fd);
}

TEST_CASE("deleted and made again between two looks -> the new interface is noticed by its index") {
  if (!is_root()) return;
  Ends ends;
  ends.start();
  REQUIRE(ends.until_sound());
  TwoNamespaces::run("ip link delete left0");
  ends.spaces.connect();
  // The old sockets would hear nothing for ever. The association needs no new handshake.
  const std::size_t before = ends.heard.size();
  CHECK(ends.until([&] {
    if (!ends.left->send(ByteVector{'h', 'i'})) return false;
    return ends.heard.size() > before;
  }));
  REQUIRE(ends.until_sound());
  CHECK(ends.left->counters().handshakes_finished == 1);
}

TEST_CASE("the address comes after the start, as on a machine that boots -> waited for, then used") {
  if (!is_root()) return;
  Ends ends;
  TwoNamespaces::run("ip address delete 192.0.2.1/24 dev left0");
  ends.start();
  CHECK(ends.left->links()[0].condition == LinkCondition::no_address);
  CHECK(ends.left->links()[0].trouble == "192.0.2.1 is not an address of this machine");
  CHECK_FALSE(ends.left->send(ByteVector{1}).has_value());
  TwoNamespaces::run("ip address add 192.0.2.1/24 dev left0");
  REQUIRE(ends.until_sound());
  CHECK(ends.talks());
}

TEST_CASE("the other end is switched off -> no carrier at once, and sound again when it is back") {
  if (!is_root()) return;
  Ends ends;
  ends.start();
  REQUIRE(ends.until_sound());
  ends.spaces.in_right([] { TwoNamespaces::run("ip link set right0 down"); });
  const Instant down = monotonic_now();
  REQUIRE(ends.until_left(LinkCondition::no_carrier));
  CHECK(monotonic_now() - down < LinkHealth::kSilentAfter + 1s);
  ends.spaces.in_right([] { TwoNamespaces::run("ip link set right0 up"); });
  REQUIRE(ends.until_sound());
  CHECK(ends.talks());
}

TEST_CASE("at the start a missing interface and a port in use are errors; later the port is waited for") {
  if (!is_root()) return;
  Ends ends;
  const LinkSettings nowhere{
      .interface = "nowhere0", .own_address = address("192.0.2.1"), .peer_address = address("192.0.2.2")};
  const auto missing =
      LinkSet::open({.node = "fw-1", .peer = "fw-2", .key = ByteVector(32, 7)}, {&nowhere, 1});
  REQUIRE_FALSE(missing.has_value());
  CHECK(missing.error().code == ENODEV);

  const auto occupy = [] {
    UniqueFd socket(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    sockaddr_in own{};
    own.sin_family = AF_INET;
    own.sin_port = htons(3780);
    own.sin_addr.s_addr = htonl(INADDR_ANY);
    REQUIRE(::bind(socket.get(), reinterpret_cast<const sockaddr*>(&own), sizeof own) == 0);
    return socket;
  };
  UniqueFd other = occupy();
  CHECK(open_left().error().code == EADDRINUSE);
  other.reset();

  ends.start();
  REQUIRE(ends.until_sound());
  TwoNamespaces::run("ip link delete left0");
  REQUIRE(ends.until_left(LinkCondition::no_interface));
  other = occupy();
  ends.spaces.connect();
  REQUIRE(ends.until_left(LinkCondition::refused));
  CHECK(ends.left->links()[0].trouble.contains("in use by another program"));
  other.reset();
  REQUIRE(ends.until_sound());
  CHECK(ends.talks());
}

}  // namespace
}  // namespace ftfw::sync
