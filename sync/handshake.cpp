#include "sync/handshake.hpp"

#include <algorithm>
#include <utility>

namespace ftfw::sync {

Handshake::Handshake(std::string node, std::string peer, std::uint64_t instance)
    : node_(std::move(node)), peer_(std::move(peer)), instance_(instance == 0 ? 1 : instance) {}

wire::Hello Handshake::hello() const {
  return {.challenge = challenge_,
          .echo = echo_,
          .version_min = kVersionMin,
          .version_max = kVersionMax,
          .features = wire::kFeatureDigests,
          .node = node_};
}

Handshake::Outcome Handshake::on_hello(const wire::Header& header, const wire::Hello& hello) {
  if (header.instance == instance_ || hello.node == node_) return {.refusal = Refusal::reflected};
  if (!peer_.empty() && hello.node != peer_) return {.refusal = Refusal::wrong_name};
  if (hello.version_min > kVersionMax || hello.version_max < kVersionMin) {
    return {.refusal = Refusal::no_common_version};
  }
  const bool to_us = header.peer_instance == instance_;
  if (header.instance == adopted_) {
    if (candidate_ != 0 && to_us && hello.echo >= candidate_since_) {
      candidate_ = 0;  // the agreed one lives: what spoke in between was a late frame of a dead process
      echo_ = hello.challenge;
    }
    if (candidate_ == 0) echo_ = std::max(echo_, hello.challenge);
    return {.answer = !to_us || hello.echo != challenge_};
  }
  if (header.instance != candidate_) {
    candidate_ = header.instance;
    candidate_since_ = ++challenge_;
    echo_ = hello.challenge;
    return {.answer = true};
  }
  echo_ = std::max(echo_, hello.challenge);
  if (!to_us || hello.echo < candidate_since_) return {.answer = true};
  adopted_ = std::exchange(candidate_, 0);
  peer_name_ = hello.node;
  peer_features_ = hello.features;
  return {.adopted = true, .answer = true};
}

}  // namespace ftfw::sync
