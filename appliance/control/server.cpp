#include "appliance/control/server.hpp"

#include <sys/epoll.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <utility>

#include "appliance/base/clock.hpp"

namespace ftfw {

ControlServer::ControlServer(ControlSocket& socket, ControlCommands commands, Limits limits)
    : socket_(socket), commands_(std::move(commands)), limits_(limits) {}

Status ControlServer::wake_with(int fd, std::function<void()> drain) {
  return loop_.watch(fd, EPOLLIN, [this, drain = std::move(drain)](std::uint32_t) {
    drain();
    for (Client& client : clients_) {
      if (std::exchange(client.waits, false)) go_on(client);
    }
  });
}

void ControlServer::run(const std::stop_token& stop) {
  const std::stop_callback wake(stop, [this] { loop_.wake(); });
  while (!stop.stop_requested()) {
    listen_while_there_is_room();
    for (Client& client : clients_) watch(client);
    loop_.run_once(next_deadline());
    const Instant now = monotonic_now();
    for (Client& client : clients_) on_deadline(client, now);
    forget_gone();
  }
  for (Client& client : clients_) client.gone = true;
  forget_gone();
}

void ControlServer::listen_while_there_is_room() {
  const bool room = clients_.size() < limits_.clients;
  if (room == listening_) return;
  if (room) {
    listening_ = loop_.watch(socket_.fd(), EPOLLIN, [this](std::uint32_t) { accept_clients(); }).has_value();
  } else {
    loop_.unwatch(socket_.fd());
    listening_ = false;
  }
}

void ControlServer::accept_clients() {
  while (clients_.size() < limits_.clients) {
    UniqueFd fd = socket_.accept();
    if (!fd) return;
    clients_.push_back({.fd = std::move(fd), .deadline = monotonic_now() + limits_.request});
    Client& client = clients_.back();
    client.events = EPOLLIN;
    if (!may_ask(client.fd.get())) {
      client.asked = true;
      finish(client, "error: only root may ask\n");
      go_on(client);
    }
  }
}

// ---- one client

void ControlServer::on_ready(Client& client, std::uint32_t ready) {
  if (client.gone) return;
  if (!client.asked) return read_request(client);
  client.gone = (ready & (EPOLLHUP | EPOLLERR)) != 0;
  if (!client.gone) go_on(client);
}

void ControlServer::read_request(Client& client) {
  std::array<char, 1024> part{};
  const ssize_t got = ::recv(client.fd.get(), part.data(), part.size(), 0);
  if (got < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (got <= 0 || client.request.size() + static_cast<std::size_t>(got) > limits_.request_bytes) {
    client.gone = true;
    return;
  }
  client.request.append(part.data(), static_cast<std::size_t>(got));
  const std::size_t end = client.request.find('\n');
  if (end == std::string::npos) return;
  client.asked = true;
  client.deadline = monotonic_now() + limits_.stall;
  Answer answer = dispatch(commands_, std::string_view(client.request).substr(0, end));
  if (answer) {
    client.answer = std::move(*answer);
  } else {
    finish(client, "error: " + answer.error().text + "\n");
  }
  go_on(client);
}

// What is left of a piece, then one new piece: the rest in the client's next turn.
void ControlServer::go_on(Client& client) {
  if (!send_rest(client)) return;
  if (client.answer && !client.waits) {
    take_piece(client);
    if (!send_rest(client)) return;
  }
  client.events = client.waits ? std::uint32_t{0} : EPOLLOUT;  // a hang-up is always watched for
  client.gone = !client.answer;
}

// True if nothing is left to send.
bool ControlServer::send_rest(Client& client) {
  while (client.sent < client.out.size()) {
    const ssize_t sent = ::send(client.fd.get(), client.out.data() + client.sent,
                                client.out.size() - client.sent, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent < 0 && errno == EINTR) continue;
    if (sent < 0 && errno == EAGAIN) {
      client.events = EPOLLOUT;
      return false;
    }
    if (sent <= 0) {
      client.gone = true;
      return false;
    }
    client.sent += static_cast<std::size_t>(sent);
    client.deadline = monotonic_now() + limits_.stall;
  }
  client.out.clear();
  client.sent = 0;
  return true;
}

void ControlServer::take_piece(Client& client) {
  client.idles = false;
  const auto progress = client.answer->next(client.out);
  if (!progress) {
    const bool invalid = progress.error().blame == Blame::configuration;
    return finish(client, (invalid ? "invalid: " : "error: ") + progress.error().text + "\n");
  }
  switch (*progress) {
    case AnswerStream::Progress::more:
      return;
    case AnswerStream::Progress::waits:
    case AnswerStream::Progress::idles:
      client.waits = true;
      client.idles = *progress == AnswerStream::Progress::idles;
      client.deadline = monotonic_now() + limits_.owed;
      return;
    case AnswerStream::Progress::finished:
      finish(client, "ok\n");
      return;
  }
}

void ControlServer::finish(Client& client, std::string_view verdict) {
  client.answer.reset();
  client.out += '\0';
  client.out += verdict;
}

// Between two rounds: a handler is not replaced while it runs.
void ControlServer::watch(Client& client) {
  if (client.watched == client.events) return;
  const Status watched = loop_.watch(client.fd.get(), client.events,
                                     [this, &client](std::uint32_t ready) { on_ready(client, ready); });
  if (watched) client.watched = client.events;
}

// ---- time

void ControlServer::on_deadline(Client& client, Instant now) {
  if (client.gone || now < client.deadline) return;
  if (!std::exchange(client.waits, false)) {
    client.gone = true;
    return;
  }
  if (client.idles) return go_on(client);
  finish(client, "error: the daemon is busy, it did not answer in time\n");
  client.deadline = now + limits_.stall;
  go_on(client);
}

std::optional<Instant> ControlServer::next_deadline() const {
  std::optional<Instant> next;
  for (const Client& client : clients_) next = std::min(next.value_or(client.deadline), client.deadline);
  return next;
}

void ControlServer::forget_gone() {
  for (const Client& client : clients_) {
    if (client.gone) loop_.unwatch(client.fd.get());
  }
  std::erase_if(clients_, [](const Client& client) { return client.gone; });
}

}  // namespace ftfw
