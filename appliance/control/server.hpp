// Serves the clients of the control socket. One sends one line, gets the answer, and is hung up on:
//
//   request   name, arguments, '\n'         at most 1024 bytes, within 5 s
//   answer    text, 0x00, "ok\n"            or, instead of "ok\n" and maybe behind a part of the text,
//                                           "error: what is wrong\n"; "invalid: why\n" of a file that
//                                           the daemon does not take
//
// An answer without its end was broken off. Many clients at a time, each piece of an answer in its turn; a
// client that takes nothing for 10 s is dropped, one whose answer another thread owes gets an error after 30
// s; one that follows what happens may stay. Thread: control. It is the only one that a client can make work.
#pragma once

#include <cstdint>
#include <functional>
#include <list>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>

#include "appliance/base/event_loop.hpp"
#include "appliance/control/command.hpp"
#include "appliance/control/socket.hpp"

namespace ftfw {

class ControlServer {
 public:
  struct Limits {
    std::size_t request_bytes = 1024;
    std::size_t clients = 16;  // those beyond it wait to be accepted
    Duration request = 5s;     // for the whole line
    Duration stall = 10s;      // without taking a byte
    Duration owed = 30s;       // by another thread
  };

  ControlServer(ControlSocket& socket, ControlCommands commands)
      : ControlServer(socket, std::move(commands), Limits()) {}
  ControlServer(ControlSocket& socket, ControlCommands commands, Limits limits);

  // Whenever fd is readable, drain() is called and the answers that wait are asked again. Before run().
  Status wake_with(int fd, std::function<void()> drain);
  // Until stop is requested.
  void run(const std::stop_token& stop);

 private:
  struct Client {
    UniqueFd fd;
    std::string request;
    std::unique_ptr<AnswerStream> answer;  // none: the request is not complete, or all is in `out`
    std::string out;
    std::size_t sent = 0;
    Instant deadline;
    std::uint32_t events = 0;  // that are to be watched
    std::optional<std::uint32_t> watched;
    bool asked = false;
    bool waits = false;
    bool idles = false;  // waits, and may go on waiting
    bool gone = false;
  };

  void listen_while_there_is_room();
  void accept_clients();
  void on_ready(Client& client, std::uint32_t ready);
  void read_request(Client& client);
  void go_on(Client& client);
  bool send_rest(Client& client);
  void take_piece(Client& client);
  void finish(Client& client, std::string_view verdict);
  void watch(Client& client);
  void on_deadline(Client& client, Instant now);
  void forget_gone();
  std::optional<Instant> next_deadline() const;

  ControlSocket& socket_;
  ControlCommands commands_;
  Limits limits_;
  EventLoop loop_;
  bool listening_ = false;
  std::list<Client> clients_;
};

}  // namespace ftfw
