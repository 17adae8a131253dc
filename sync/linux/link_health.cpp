#include "sync/linux/link_health.hpp"

#include <algorithm>
#include <bit>

namespace ftfw::sync {

namespace {

// A probe is under way when the peer's report leaves, and so is the report.
constexpr std::uint32_t kUnderWay = 2;
// As many unreported probes as kSilentAfter allows for the other direction.
constexpr std::uint32_t kMostUnreported = kUnderWay + 3;

std::uint32_t shifted(std::uint32_t bits, std::uint32_t by) {
  return by >= LinkHealth::kWindow ? 0 : bits << by;
}

}  // namespace

void LinkHealth::begin(Instant now) {
  *this = LinkHealth();
  heard_ = now;
}

ByteVector LinkHealth::next_probe() {
  ByteVector probe;
  ByteWriter writer(probe);
  writer.u8(kKind);
  writer.u8(kVersion);
  writer.u16(0);
  writer.u32(++sent_);
  writer.u32(received_last_);
  writer.u32(received_);
  return probe;
}

bool LinkHealth::on_probe(Instant now, ByteSpan payload) {
  ByteReader reader(payload);
  const bool known = reader.u8() == kKind && reader.u8() == kVersion;
  reader.u16();
  const std::uint32_t sequence = reader.u32();
  const std::uint32_t reported_last = reader.u32();
  const std::uint32_t reported = reader.u32();
  // What was never sent cannot have been received.
  if (!reader.ok() || !known || sequence == 0 || reported_last > sent_) return false;
  heard_ = now;
  if (sequence > received_last_) {
    received_ = shifted(received_, sequence - received_last_) | 1;
    received_last_ = sequence;
  } else if (received_last_ - sequence < kWindow) {
    received_ |= std::uint32_t{1} << (received_last_ - sequence);
  }
  // A late probe has an old report.
  if (reported_last >= reported_last_) {
    reported_last_ = reported_last;
    reported_ = reported;
  }
  return true;
}

bool LinkHealth::sound(Instant now) const {
  return silence(now) <= kSilentAfter && unreported() <= kMostUnreported;
}

unsigned LinkHealth::delivered() const {
  const std::uint32_t missing = std::max(unreported(), kUnderWay) - kUnderWay;
  return static_cast<unsigned>(std::popcount(shifted(reported_, missing)));
}

}  // namespace ftfw::sync
