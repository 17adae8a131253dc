// Frames from an authenticated but arbitrary peer: input is a series of (length(16), bytes). Each goes, in a
// heap copy of exactly its size, to an engine in either role: as it stands, and again as the next frame of an
// agreed conversation, so that the messages in it are obeyed. Nothing may crash, and every limit holds.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <optional>
#include <vector>

#include "sync/engine.hpp"
#include "sync/wire.hpp"

using namespace ftfw;
using namespace ftfw::sync;

namespace {

constexpr std::uint64_t kOwnInstance = 11;
constexpr std::uint64_t kPeerInstance = 22;

ByteVector frame_of(const wire::Message& message, std::uint64_t peer_instance) {
  ByteVector body;
  wire::encode(message, body);
  return wire::encode_frame({.instance = kPeerInstance, .peer_instance = peer_instance}, body);
}

class Target {
 public:
  explicit Target(Role role) : engine_(settings(), kOwnInstance) {
    engine_.on_channel_up(now_, 0);
    drain();
    engine_.on_frame(
        now_, 0, frame_of(wire::Hello{.challenge = 1, .features = wire::kFeatureDigests, .node = "fw-2"}, 0));
    drain();
    engine_.on_frame(
        now_, 0,
        frame_of(wire::Hello{.challenge = 1, .echo = 2, .features = wire::kFeatureDigests, .node = "fw-2"},
                 kOwnInstance));
    drain();
    engine_.on_frame(
        now_, 0, frame_of(wire::State{.number = 1, .role = Role::source, .source_epoch = 1}, kOwnInstance));
    if (role == Role::source) engine_.become_source(now_, 1);
    drain();
  }

  void feed(const std::uint8_t* data, std::size_t size) {
    now_ += 1ms;
    feed_copy(data, size);
    if (size < wire::kHeaderBytes) return;
    ByteVector patched(data, data + size);
    put(patched, 4, kPeerInstance);
    put(patched, 12, kOwnInstance);
    put(patched, 20, ++sequence_);
    if (!wire::decode_frame(patched)) --sequence_;
    feed_copy(patched.data(), patched.size());
  }

 private:
  static Settings settings() { return {.node = "fw-1", .peers = {"fw-2"}}; }

  static void put(ByteVector& bytes, std::size_t at, std::uint64_t value) {
    for (std::size_t i = 0; i < 8; ++i) bytes[at + i] = static_cast<std::uint8_t>(value >> (56 - 8 * i));
  }

  void feed_copy(const std::uint8_t* data, std::size_t size) {
    // A vector may hold more than its size; an array of exactly this size lets a sanitizer see one byte too
    // far.
    const auto exact = std::make_unique<std::uint8_t[]>(size);
    std::copy(data, data + size, exact.get());
    engine_.on_frame(now_, 0, {exact.get(), size});
    drain();
  }

  // Carries out what the engine wants, with a kernel that refuses in turn.
  void drain() {
    for (int round = 0; round < 50; ++round) {
      std::vector<Refusal> refusals;
      std::vector<std::uint64_t> dumps;
      bool applied = false;
      const std::vector<Output> outputs = engine_.take_outputs();
      for (const Output& output : outputs) {
        if (const auto* frame = std::get_if<SendFrame>(&output)) {
          if (frame->bytes.size() > wire::kMaxFrameBytes) std::abort();
        } else if (const auto* start = std::get_if<StartDump>(&output)) {
          dumps.push_back(start->dump);
        } else if (const auto* apply = std::get_if<Apply>(&output)) {
          applied = true;
          for (const Operation& operation : apply->operations) {
            refusals.push_back({.id = operation.id, .error = kErrors[operation.id % std::size(kErrors)]});
          }
        }
      }
      if (applied) engine_.on_applied(now_, refusals);
      for (const std::uint64_t dump : dumps) engine_.on_dump_end(now_, dump, true);
      if (!applied && dumps.empty()) return;
    }
  }

  static constexpr int kErrors[] = {
      0, 17 /* EEXIST */, 2 /* ENOENT */, 16 /* EBUSY */, 95 /* EOPNOTSUPP */, 12, 28};

  Instant now_{1h};
  std::uint64_t sequence_ = 0;
  Engine engine_;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  for (const Role role : {Role::replica, Role::source}) {
    Target target(role);
    std::size_t at = 0;
    while (size - at >= 2) {
      const std::size_t length = static_cast<std::size_t>(data[at] << 8 | data[at + 1]);
      at += 2;
      const std::size_t taken = std::min(length, size - at);
      target.feed(data + at, taken);
      at += taken;
    }
  }
  return 0;
}
