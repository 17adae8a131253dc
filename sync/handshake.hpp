// How two processes agree to listen to each other. Every process has a random instance; every frame names the
// sender's and the addressee's. A new instance of the peer is believed only after it echoed a challenge that
// was made after it was first heard of, so a late frame of a dead process never displaces a living one.
// Hellos that carry our own name or instance are reflections. Used by Session alone.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "sync/wire.hpp"

namespace ftfw::sync {

class Handshake {
 public:
  enum class Refusal : std::uint8_t { none, reflected, wrong_name, no_common_version };
  struct Outcome {
    Refusal refusal = Refusal::none;
    bool adopted = false;  // a new peer instance: both directions start again
    bool answer = false;   // send a hello now
  };

  Handshake(std::string node, std::string peer, std::uint64_t instance);

  Outcome on_hello(const wire::Header& header, const wire::Hello& hello);
  wire::Hello hello() const;
  // Whom a hello is addressed to: the newest process heard of.
  std::uint64_t addressee() const { return candidate_ != 0 ? candidate_ : adopted_; }
  std::uint64_t peer_instance() const { return adopted_; }  // 0: none agreed yet
  std::uint64_t instance() const { return instance_; }
  bool agreed() const { return adopted_ != 0; }
  const std::string& peer_name() const { return peer_name_; }
  std::uint32_t peer_features() const { return peer_features_; }  // wire::kFeature...

  static constexpr std::uint8_t kVersionMin = 1;
  static constexpr std::uint8_t kVersionMax = 1;

 private:
  std::string node_;
  std::string peer_;
  std::uint64_t instance_;
  std::uint64_t adopted_ = 0;
  std::uint64_t candidate_ = 0;        // heard of, not believed yet
  std::uint64_t challenge_ = 1;        // newest; grows
  std::uint64_t candidate_since_ = 0;  // challenges from this one on prove that the candidate lives now
  std::uint64_t echo_ = 0;             // the newest challenge of addressee()
  std::string peer_name_;
  std::uint32_t peer_features_ = 0;
};

}  // namespace ftfw::sync
