// The control socket with a server that runs in a thread, as the daemon's: requests, long answers, clients
// that misbehave, orders to another thread.
#include <doctest/doctest.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <latch>
#include <thread>
#include <vector>

#include "appliance/control/client.hpp"
#include "appliance/control/commands.hpp"
#include "appliance/control/events_command.hpp"
#include "appliance/control/server.hpp"
#include "appliance/flows/kernel_source.hpp"

using namespace ftfw;

namespace {

// Pieces of 64 KiB, so many that no socket buffer holds them all.
class LongAnswer : public AnswerStream {
 public:
  static constexpr std::size_t kPieces = 64;
  Result<Progress> next(std::string& out) override {
    out.append(kAnswerPieceBytes, 'x');
    return ++pieces_ == kPieces ? Progress::finished : Progress::more;
  }

 private:
  std::size_t pieces_ = 0;
};

class BrokenAnswer : public AnswerStream {
 public:
  Result<Progress> next(std::string& out) override {
    if (!out.empty() || told_) return fail(Blame::kernel, "the kernel is gone");
    out += "half of it\n";
    told_ = true;
    return Progress::more;
  }

 private:
  bool told_ = false;
};

// A directory of its own that goes with the test, the requests of the daemon and some of the test.
struct Bench {
  explicit Bench(ControlServer::Limits with = {}) : limits(with) {
    char pattern[] = "/tmp/ftfw-control-XXXXXX";
    directory = ::mkdtemp(pattern);
    path = directory / "control.sock";
    status.with([](StatusBoard& board) { board.node = "fw-1"; });
  }
  Bench(const Bench&) = delete;
  Bench& operator=(const Bench&) = delete;
  ~Bench() {
    server = {};
    std::filesystem::remove_all(directory);
  }

  void start() {
    std::latch open(1);
    server = std::jthread([this, &open](const std::stop_token& stop) {
      auto socket = ControlSocket::open(path);
      OrderDesk desk(orders, answers);
      ControlCommands commands = control_commands({.status = status,
                                                   .events = events,
                                                   .orders = desk,
                                                   .open_flows = open_kernel_flows,
                                                   .policy = policy});
      commands.push_back(
          {.name = "long", .handle = [](const Words&) -> Answer { return std::make_unique<LongAnswer>(); }});
      commands.push_back({.name = "broken",
                          .handle = [](const Words&) -> Answer { return std::make_unique<BrokenAnswer>(); }});
      ControlServer serving(*socket, std::move(commands), limits);
      if (!serving.wake_with(desk.wake_fd(), [&desk] { desk.read_answers(); })) std::abort();
      if (!serving.wake_with(events.wake_fd(), [this] { events.clear_wakeups(); })) std::abort();
      open.count_down();
      serving.run(stop);
    });
    open.wait();
  }

  std::string error_of(const std::string& request) const {
    const auto answer = ask_control_socket(path, request);
    REQUIRE_FALSE(answer);
    return answer.error().text;
  }

  // A client that has sent the bytes and does nothing more.
  UniqueFd idle_client(std::string_view bytes) const {
    auto fd = connect_to_control_socket(path);
    REQUIRE(fd);
    REQUIRE(::send(fd->get(), bytes.data(), bytes.size(), MSG_NOSIGNAL) ==
            static_cast<ssize_t>(bytes.size()));
    return std::move(*fd);
  }

  std::filesystem::path directory;
  std::filesystem::path path;
  SharedStatus status;
  EventLog events;
  PolicyBook policy{std::make_shared<const PolicyInForce>()};
  ControlOrders orders{4};
  ControlAnswers answers{4};
  ControlServer::Limits limits;
  std::jthread server;
};

// Whether the server hangs up, at once or in its time.
bool is_hung_up_on(int fd) {
  char byte = 0;
  const timeval patience{.tv_sec = 60, .tv_usec = 0};
  ::setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  for (;;) {
    const ssize_t got = ::recv(fd, &byte, 1, 0);
    if (got == 0) return true;
    if (got < 0) return errno == ECONNRESET;
  }
}

// The failover thread of these tests: the next order that comes.
ControlOrder next_order(ControlOrders& orders) {
  for (;;) {
    if (auto order = orders.take()) return *order;
    std::this_thread::yield();
  }
}

}  // namespace

TEST_CASE("a request goes to the entry with its name, what nobody knows is refused in words") {
  Bench bench;
  bench.start();

  CHECK(ask_control_socket(bench.path, "status")->starts_with("fw-1  STARTING"));
  CHECK(ask_control_socket(bench.path, "status --json")->starts_with("{"));
  CHECK(ask_control_socket(bench.path, "help")->starts_with("status [--json | --bar]\n    role, peer"));
  CHECK(bench.error_of("reboot").starts_with("unknown request 'reboot'; known: help, status, events, "));
  CHECK(bench.error_of("status --jason") == "'--jason' is not understood here, or lacks its value");
  CHECK(bench.error_of("").ends_with(", long, broken"));
}

TEST_CASE("words are taken once each, and what is left is named") {
  Words words(" --json --zone 7  all --count --port");
  CHECK(words.take_flag("--json"));
  CHECK_FALSE(words.take_flag("--json"));
  CHECK(words.take_value("--zone") == "7");
  CHECK_FALSE(words.take_value("--port"));
  CHECK(words.take_word() == "all");
  CHECK_FALSE(words.take_word());
  CHECK(words.take_flag("--count"));
  REQUIRE_FALSE(words.finish());
  CHECK(words.finish().error().text.starts_with("'--port'"));
}

TEST_CASE("an answer longer than every buffer arrives whole, and others are served while its client sleeps") {
  Bench bench;
  bench.start();

  const UniqueFd sleeper = bench.idle_client("long\n");
  CHECK(ask_control_socket(bench.path, "status"));
  const auto whole = ask_control_socket(bench.path, "long");

  REQUIRE(whole);
  CHECK(whole->size() == LongAnswer::kPieces * kAnswerPieceBytes);
}

TEST_CASE("a client that wants no more is no error of anybody") {
  Bench bench;
  bench.start();
  std::size_t pieces = 0;

  const Status asked = ask_control_socket(bench.path, "long", [&](std::string_view) { return ++pieces < 3; });

  CHECK(asked);
  CHECK(ask_control_socket(bench.path, "status"));
}

TEST_CASE("an error behind a part of the text is told as one") {
  Bench bench;
  bench.start();
  std::string text;

  const Status asked = ask_control_socket(bench.path, "broken", [&](std::string_view part) {
    text += part;
    return true;
  });

  CHECK(text == "half of it\n");
  REQUIRE_FALSE(asked);
  CHECK(asked.error().blame == Blame::peer);
  CHECK(asked.error().text == "the kernel is gone");
}

TEST_CASE("who says too much, or nothing, or reads nothing, is hung up on") {
  Bench bench({.request = 50ms, .stall = 50ms});
  bench.start();

  SUBCASE("too much") {
    CHECK(is_hung_up_on(bench.idle_client(std::string(5000, 'x')).get()));
  }
  SUBCASE("nothing") {
    CHECK(is_hung_up_on(bench.idle_client("stat").get()));
  }
  SUBCASE("reads nothing") {
    // Each of them leaves its place to the next: all come to their turn though there is room for 16.
    std::vector<UniqueFd> clients;
    for (int i = 0; i < 20; ++i) clients.push_back(bench.idle_client("long\n"));
  }
  CHECK(ask_control_socket(bench.path, "status"));
}

TEST_CASE("an answer that was broken off is no answer") {
  Bench bench({.stall = 50ms});
  bench.start();
  const UniqueFd client = bench.idle_client("long\n");
  // The server has dropped it when a later client, that reads nothing either, was dropped.
  const UniqueFd later = bench.idle_client("long\n");
  std::string end;
  std::array<char, 65536> part{};
  for (;;) {
    pollfd hang_up{.fd = later.get(), .events = 0, .revents = 0};
    REQUIRE(::poll(&hang_up, 1, 60000) == 1);
    if ((hang_up.revents & POLLHUP) != 0) break;
  }
  for (;;) {
    const ssize_t got = ::recv(client.get(), part.data(), part.size(), 0);
    if (got <= 0) break;
    end.assign(part.data(), static_cast<std::size_t>(got));
  }
  CHECK(end.find('\0') == std::string::npos);
}

TEST_CASE("an order goes to the failover thread, and its client gets the answer while others are served") {
  Bench bench;
  bench.start();
  Result<std::string> answer;
  std::jthread client([&] { answer = ask_control_socket(bench.path, "announce"); });

  const ControlOrder order = next_order(bench.orders);
  CHECK(std::holds_alternative<AnnounceOrder>(order.what));
  CHECK(ask_control_socket(bench.path, "status"));
  SUBCASE("done") {
    bench.answers.try_post({.id = order.id, .done = true, .text = "announcing\n"});
    client.join();
    CHECK(answer == "announcing\n");
  }
  SUBCASE("refused") {
    bench.answers.try_post({.id = order.id, .text = "this node is backup\nand means it"});
    client.join();
    REQUIRE_FALSE(answer);
    CHECK(answer.error().text == "this node is backup\nand means it");
  }
}

TEST_CASE("a file that is not taken: what was found first, then whose fault it is") {
  Bench bench;
  bench.start();
  std::string text;
  Status verdict;
  std::jthread client([&] {
    verdict = ask_control_socket(bench.path, "reload", [&](std::string_view part) {
      text += part;
      return true;
    });
  });
  const ControlOrder order = next_order(bench.orders);
  CHECK(std::holds_alternative<ReloadOrder>(order.what));
  bench.answers.try_post({.id = order.id,
                          .invalid = true,
                          .report = "a.toml:1:1: error: no\n",
                          .text = "a.toml is not loaded: 1 error; the running configuration stays"});
  client.join();
  CHECK(text == "a.toml:1:1: error: no\n");
  REQUIRE_FALSE(verdict);
  CHECK(verdict.error().blame == Blame::configuration);
  CHECK(verdict.error().text == "a.toml is not loaded: 1 error; the running configuration stays");
}

TEST_CASE("an order whose client has gone is answered to nobody, and the next one to its own client") {
  Bench bench;
  bench.start();
  ControlOrder abandoned;
  {
    const UniqueFd quitter = bench.idle_client("announce\n");
    abandoned = next_order(bench.orders);
  }
  Result<std::string> answer;
  std::jthread client([&] { answer = ask_control_socket(bench.path, "announce"); });
  const ControlOrder order = next_order(bench.orders);

  bench.answers.try_post({.id = abandoned.id, .done = true, .text = "the first\n"});
  bench.answers.try_post({.id = order.id, .done = true, .text = "the second\n"});

  client.join();
  CHECK(answer == "the second\n");
}

TEST_CASE("an order that nobody answers is an error after a while") {
  Bench bench({.owed = 50ms});
  bench.start();
  CHECK(bench.error_of("announce") == "the daemon is busy, it did not answer in time");
}

TEST_CASE("orders beyond the room for them are refused at once") {
  Bench bench;
  bench.start();
  std::vector<UniqueFd> clients;
  for (int i = 0; i < 4; ++i) clients.push_back(bench.idle_client("announce\n"));
  while (bench.orders.has_room()) std::this_thread::yield();
  CHECK(bench.error_of("announce") == "too many orders wait for the daemon");
}

// ---- what happened

TEST_CASE("events come oldest first, with what their lines say, or the last of them alone") {
  Bench bench;
  bench.events.add(log::Level::notice, "backup: started", {{"role", "backup"}});
  bench.events.add(log::Level::warning, "fw-2 is no longer heard", {});
  bench.start();

  const auto text = ask_control_socket(bench.path, "events");
  REQUIRE(text);
  CHECK(text->find("UTC  notice   backup: started\n") != std::string::npos);
  CHECK(text->find("backup: started") < text->find("UTC  warning  fw-2 is no longer heard\n"));
  const auto json = ask_control_socket(bench.path, "events --json");
  REQUIRE(json);
  CHECK(json->starts_with(R"({"schema":1,"number":1,"at":)"));
  CHECK(json->find(R"("level":"notice","text":"backup: started","role":"backup"})") != std::string::npos);
  const auto last = ask_control_socket(bench.path, "events --last 1");
  REQUIRE(last);
  CHECK(last->find("started") == std::string::npos);
  CHECK(last->ends_with("fw-2 is no longer heard\n"));
  CHECK(bench.error_of("events --last few") == "--last takes a number, not \"few\"");
}

TEST_CASE("who follows the events gets each as it happens, however long nothing does") {
  Bench bench({.owed = 20ms});
  bench.start();
  std::string got;
  std::latch first(1);
  std::jthread follower([&] {
    const Status ended = ask_control_socket(
        bench.path, "events --follow",
        [&](std::string_view text) {
          if (got.empty()) first.count_down();
          got += text;
          return got.find("two\n") == std::string::npos;
        },
        Patience::endless);
    CHECK(ended);
  });
  bench.events.add(log::Level::notice, "one", {});
  first.wait();
  // The server's time for owed answers has passed meanwhile, for the follower too.
  CHECK(bench.error_of("announce").find("did not answer in time") != std::string::npos);
  CHECK(bench.error_of("announce").find("did not answer in time") != std::string::npos);
  bench.events.add(log::Level::notice, "two", {});
  follower.join();
  CHECK(got.find("one\n") < got.find("two\n"));
}

TEST_CASE("more followers than there is room for are refused, and one that goes makes room") {
  Bench bench;
  bench.start();
  std::vector<UniqueFd> followers;
  for (std::size_t i = 0; i < kMaxFollowers; ++i) followers.push_back(bench.idle_client("events --follow\n"));
  CHECK(bench.error_of("events --follow") == "4 clients follow the events already");
  CHECK(ask_control_socket(bench.path, "events"));
  followers.clear();
  bench.events.add(log::Level::notice, "anything", {});
  Status followed = fail(Blame::peer, "");
  const auto once = [](std::string_view) { return false; };
  while (!followed) followed = ask_control_socket(bench.path, "events --follow", once);
}

// ---- the socket itself

TEST_CASE("the control socket can be used by its owner only") {
  const Bench bench;
  const auto socket = ControlSocket::open(bench.path);
  REQUIRE(socket);
  struct stat file{};
  REQUIRE(::stat(bench.path.c_str(), &file) == 0);
  CHECK((file.st_mode & 0777) == 0600);
}

TEST_CASE("a second daemon on the same socket is refused, the socket of a dead one is replaced") {
  const Bench bench;
  {
    const auto first = ControlSocket::open(bench.path);
    REQUIRE(first);
    const auto second = ControlSocket::open(bench.path);
    REQUIRE_FALSE(second);
    CHECK(second.error().text.find("another ftfw-appliance answers") != std::string::npos);
  }
  // What a killed process leaves: a socket file that nobody listens to.
  {
    const UniqueFd dead(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::strcpy(address.sun_path, bench.path.c_str());
    REQUIRE(::bind(dead.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
  }
  CHECK(ControlSocket::open(bench.path));
}

TEST_CASE("a socket path beyond the limit of the system is an error in words") {
  const auto socket = ControlSocket::open("/tmp/" + std::string(200, 'x'));
  REQUIRE_FALSE(socket);
  CHECK(socket.error().text.find("107") != std::string::npos);
}
