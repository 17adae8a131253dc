#include "appliance/control_socket.hpp"

#include <doctest/doctest.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <thread>

using namespace ftfw;

namespace {

// A directory of its own that goes with the test, and a board to ask for.
struct Bench {
  Bench() {
    char pattern[] = "/tmp/ftfw-control-XXXXXX";
    directory = ::mkdtemp(pattern);
    path = directory / "control.sock";
    status.with([](StatusBoard& board) { board.node = "fw-1"; });
  }
  Bench(const Bench&) = delete;
  Bench& operator=(const Bench&) = delete;
  ~Bench() { std::filesystem::remove_all(directory); }

  std::filesystem::path directory;
  std::filesystem::path path;
  SharedStatus status;
};

}  // namespace

TEST_CASE("the control socket answers status and refuses what it does not know") {
  Bench bench;
  auto socket = ControlSocket::open(bench.path);
  REQUIRE(socket);
  {
    const std::jthread server([&](const std::stop_token& stop) { socket->serve(bench.status, stop); });
    CHECK(ask_control_socket(bench.path, "status")->starts_with("fw-1  STARTING"));
    CHECK(ask_control_socket(bench.path, "status --json")->starts_with("{"));
    CHECK(ask_control_socket(bench.path, "reboot")->starts_with("error:"));
    // A client that says too much is dropped, and the next one is served.
    CHECK(ask_control_socket(bench.path, std::string(5000, 'x')).value_or("") == "");
    CHECK(ask_control_socket(bench.path, "status"));
  }
}

TEST_CASE("the control socket can be used by its owner only") {
  Bench bench;
  const auto socket = ControlSocket::open(bench.path);
  REQUIRE(socket);
  struct stat file{};
  REQUIRE(::stat(bench.path.c_str(), &file) == 0);
  CHECK((file.st_mode & 0777) == 0600);
}

TEST_CASE("a second daemon on the same socket is refused, the socket of a dead one is replaced") {
  Bench bench;
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
