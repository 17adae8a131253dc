#include "sync/windows.hpp"

#include <algorithm>
#include <utility>

namespace ftfw::sync {

void SendWindow::clear() {
  frames_.clear();
  next_ = 1;
  round_trip_ = variation_ = Duration::zero();
}

// RFC 6298 section 2, with bounds of our own.
Duration SendWindow::retransmission() const {
  return std::clamp(round_trip_ + 4 * variation_, kFirstRetransmission, kLongestRetransmission);
}

void SendWindow::measure(Instant now, const InFlight& frame) {
  if (frame.repeated) return;
  const Duration sample = now - frame.sent;
  if (round_trip_ == Duration::zero()) {
    round_trip_ = sample;
    variation_ = sample / 2;
    return;
  }
  variation_ += (std::chrono::abs(round_trip_ - sample) - variation_) / 4;
  round_trip_ += (sample - round_trip_) / 8;
}

void FrameLoad::add(const FrameLoad& other) {
  entries += other.entries;
  if (other.oldest) oldest = std::min(oldest.value_or(*other.oldest), *other.oldest);
}

FrameLoad SendWindow::load() const {
  FrameLoad load;
  for (const InFlight& frame : frames_) {
    if (!frame.received) load.add(frame.load);
  }
  return load;
}

const SendWindow::InFlight& SendWindow::add(Instant now, std::uint64_t epoch, ByteVector body,
                                            const FrameLoad& load) {
  frames_.push_back({.sequence = next_++,
                     .epoch = epoch,
                     .body = std::move(body),
                     .load = load,
                     .sent = now,
                     .due = now + retransmission(),
                     .timeout = retransmission()});
  return frames_.back();
}

void SendWindow::acknowledge(Instant now, std::uint64_t up_to, const std::vector<std::uint64_t>& selective) {
  if (up_to >= next_) return;  // of what was never sent: the peer errs, and believing it would lose data
  while (!frames_.empty() && frames_.front().sequence <= up_to) {
    if (!frames_.front().received) measure(now, frames_.front());
    acknowledged_entries_ += frames_.front().load.entries;
    frames_.pop_front();
  }
  std::uint64_t newest = 0;
  for (InFlight& frame : frames_) {
    const std::uint64_t offset = frame.sequence - up_to - 1;
    if (offset / 64 >= selective.size()) break;
    if ((selective[offset / 64] >> (offset % 64) & 1) == 0) continue;
    if (!std::exchange(frame.received, true)) measure(now, frame);
    newest = frame.sequence;
  }
  for (InFlight& frame : frames_) {
    if (frame.sequence + kReorderedBeforeLost > newest) break;
    if (frame.received || frame.hurried) continue;
    frame.hurried = true;
    frame.due = std::min(frame.due, now);
  }
}

const SendWindow::InFlight* SendWindow::take_due(Instant now) {
  for (InFlight& frame : frames_) {
    if (frame.received || frame.due > now) continue;
    frame.repeated = true;
    frame.due = now + frame.timeout;
    frame.timeout = std::min(frame.timeout * 2, kLongestRetransmission);
    return &frame;
  }
  return nullptr;
}

std::optional<Instant> SendWindow::next_due() const {
  std::optional<Instant> earliest;
  for (const InFlight& frame : frames_) {
    if (!frame.received && (!earliest || frame.due < *earliest)) earliest = frame.due;
  }
  return earliest;
}

ReceiveWindow::Verdict ReceiveWindow::add(wire::Frame frame) {
  const std::uint64_t sequence = frame.header.sequence;
  if (sequence <= delivered_) return Verdict::duplicate;
  if (sequence - delivered_ > kWindowFrames) return Verdict::beyond;
  return ahead_.emplace(sequence, std::move(frame)).second ? Verdict::fresh : Verdict::duplicate;
}

std::optional<wire::Frame> ReceiveWindow::take() {
  if (!deliverable()) return std::nullopt;
  return take_across_gaps();
}

std::optional<wire::Frame> ReceiveWindow::take_across_gaps() {
  if (ahead_.empty()) return std::nullopt;
  auto node = ahead_.extract(ahead_.begin());
  delivered_ = node.key();
  return std::move(node.mapped());
}

std::vector<std::uint64_t> ReceiveWindow::selective() const {
  std::vector<std::uint64_t> words;
  for (const auto& [sequence, frame] : ahead_) {
    const std::uint64_t offset = sequence - delivered_ - 1;
    words.resize(std::max<std::size_t>(words.size(), offset / 64 + 1));
    words[offset / 64] |= std::uint64_t{1} << (offset % 64);
  }
  return words;
}

void ReceiveWindow::clear() {
  delivered_ = 0;
  ahead_.clear();
}

}  // namespace ftfw::sync
