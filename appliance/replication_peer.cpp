#include "appliance/replication_peer.hpp"

#include <fmt/format.h>

#include <string_view>
#include <type_traits>
#include <utility>

#include "appliance/base/clock.hpp"
#include "sync/linux/kernel_facts.hpp"

namespace ftfw {
namespace {

// A link whose interface is well may take so long to find the living peer.
constexpr Duration kLinkSearch = 3s;

// To be said of the peer.
std::string_view text_of(sync::HandshakeFailure reason) {
  switch (reason) {
    case sync::HandshakeFailure::no_answer:
      return "";  // a peer that is down is told by PeerChanged
    case sync::HandshakeFailure::key_differs:
      return "its replication key differs (compare the key files)";
    case sync::HandshakeFailure::own_name:
      return "somebody at its address on the dedicated link claims to be this node";
    case sync::HandshakeFailure::other_name:
      return "a node with another name answers at its address on the dedicated link";
    case sync::HandshakeFailure::broken:
      return "what answers at its address on the dedicated link is not a handshake of ours";
  }
  return "";
}

ReplicationLinkStatus shown(const sync::LinkStatus& link) {
  return {.interface = link.interface,
          .condition = std::string(sync::name_of(link.condition)),
          .carries = link.carries,
          .cipher = link.cipher,
          .key = link.cipher.empty() ? "" : (link.next_key ? "key_file_next" : "key_file"),
          .delivered_percent = static_cast<unsigned>(link.delivered * 100 / sync::LinkHealth::kWindow),
          .trouble = link.trouble,
          .counters = {{"sent", link.counters.datagrams_sent},
                       {"received", link.counters.datagrams_received},
                       {"send failures", link.counters.send_failures},
                       {"from strangers", link.counters.foreign},
                       {"malformed", link.counters.malformed},
                       {"not authentic", link.counters.not_accepted},
                       {"unexpected", link.counters.unexpected},
                       {"other key", link.counters.other_key_refused},
                       {"other name", link.counters.other_name_refused},
                       {"own name", link.counters.own_name_refused}}};
}

}  // namespace

ReplicationPeer::ReplicationPeer(std::size_t index, ReplicationPeerParts parts, Tell tell)
    : index_(index), parts_(std::move(parts)), tell_(std::move(tell)) {}

void ReplicationPeer::drain(sync::Engine& engine) {
  for (sync::ChannelOutput& output : parts_.links->take_outputs()) {
    const Instant now = monotonic_now();
    std::visit(
        [&](const auto& what) {
          using What = std::decay_t<decltype(what)>;
          if constexpr (std::is_same_v<What, sync::AssociationUp>) {
            told_failure_.reset();
            engine.on_channel_up(now, index_);
          } else if constexpr (std::is_same_v<What, sync::AssociationDown>) {
            if (what.reason != sync::DownReason::replaced) engine.on_channel_down(now, index_);
          } else if constexpr (std::is_same_v<What, sync::Received>) {
            engine.on_frame(now, index_, what.bytes);
          } else {
            static_assert(std::is_same_v<What, sync::HandshakeFailed>);
            const std::string_view text = text_of(what.reason);
            if (!text.empty() && told_failure_ != what.reason)
              tell_(fmt::format("{}: {}", parts_.name, text));
            told_failure_ = what.reason;
          }
        },
        output);
  }
}

void ReplicationPeer::send(ByteSpan frame) {
  [[maybe_unused]] const Status sent = parts_.links->send(frame);
}

void ReplicationPeer::on_changed(const sync::PeerState& peer) {
  if (std::exchange(alive_, peer.alive) && !peer.alive) parts_.links->lost(monotonic_now());
}

// ---- the reader

// The kernel is asked with the first piece: until then the table may not be whole.
void ReplicationPeer::begin_dump(sync::Engine& engine, std::uint64_t dump) {
  if (dump_) end_dump(engine, false);
  dump_ = dump;
  reading_ = false;
}

void ReplicationPeer::step_dump(sync::Engine& engine) {
  if (!std::exchange(reading_, true)) {
    if (const Status begun = parts_.reader.begin_dump(); !begun) {
      tell_("conntrack dump: " + begun.error().text);
      return end_dump(engine, false);
    }
    // What progress is measured by; without it by the last pass.
    if (const auto count = sync::read_conntrack_count()) engine.expect_entries(index_, *count);
  }
  const auto piece = parts_.reader.next_dump_piece();
  if (!piece) {
    tell_("conntrack dump: " + piece.error().text);
    return end_dump(engine, false);
  }
  engine.on_dump(monotonic_now(), *dump_, piece->entries, piece->expectations);
  if (piece->progress != sync::DumpPiece::Progress::more)
    end_dump(engine, piece->progress == sync::DumpPiece::Progress::finished);
}

void ReplicationPeer::end_dump(sync::Engine& engine, bool complete) {
  engine.on_dump_end(monotonic_now(), *std::exchange(dump_, std::nullopt), complete);
}

// ---- status

// Once per episode, and again when the interface comes to something else. That the peer is silent on every
// link is told as the peer's loss.
void ReplicationPeer::tell_links(Instant now) {
  const std::vector<sync::LinkStatus> links = parts_.links->links();
  link_troubles_.resize(links.size());
  for (std::size_t i = 0; i < links.size(); ++i) {
    const sync::LinkStatus& link = links[i];
    LinkTrouble& known = link_troubles_[i];
    if (link.condition == sync::LinkCondition::sound) {
      known = {};
      continue;
    }
    if (!known.since) known.since = now;
    const bool interface_fails = link.condition <= sync::LinkCondition::no_carrier;
    const bool only_this = alive_ && now - *known.since >= kLinkSearch;
    const bool news = !known.told || (interface_fails && known.told != link.condition);
    if (!news || !(interface_fails || only_this)) continue;
    known.told = link.condition;
    tell_(fmt::format("dedicated link {} to {}: {}{}", link.interface, parts_.name,
                      sync::name_of(link.condition), link.trouble.empty() ? "" : " (" + link.trouble + ")"));
  }
}

void ReplicationPeer::publish(const sync::Engine& engine, const sync::PeerProgress& progress,
                              ReplicationPeerStatus& status) const {
  const sync::Counters& counters = engine.counters(index_);
  const sync::ChannelCounters channel = parts_.links->counters();
  status.links.clear();
  for (const sync::LinkStatus& link : parts_.links->links()) status.links.push_back(shown(link));
  status.figures = {{"unacknowledged", progress.unacknowledged_frames},
                    {"waiting", progress.pending_events + progress.pending_full_send},
                    {"entries sent", counters.entries_sent + counters.destroys_sent},
                    {"frames received", counters.frames_received},
                    {"frames resent", counters.frames_resent},
                    {"malformed", counters.frames_malformed + channel.malformed},
                    {"not authentic", channel.not_accepted + channel.foreign},
                    {"hellos answered", channel.hellos_answered},
                    {"hellos not answered", channel.hellos_limited},
                    {"handshakes failed", channel.handshakes_failed},
                    {"full sends", counters.full_sends_finished},
                    {"compares", counters.compares_finished},
                    {"ranges differing", counters.ranges_differing},
                    {"entries repaired", counters.entries_repaired}};
}

}  // namespace ftfw
