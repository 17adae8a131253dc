#include "vrrp/linux/link_watch.hpp"

#include <linux/rtnetlink.h>

#include <array>
#include <cerrno>
#include <utility>

namespace ftfw::vrrp {
namespace {

constexpr std::size_t kReceiveBytes = 32 * 1024;
constexpr int kSocketBufferBytes = 1024 * 1024;
constexpr int kMaxDatagramsPerRead = 256;  // so that a storm of events cannot keep the thread here
constexpr std::size_t kMaxKept = 2048;     // with more the kernel is asked again

}  // namespace

LinkWatch::LinkWatch(NetlinkSocket events, std::unique_ptr<LinkTableReader> reader, LinkTables tables)
    : events_(std::move(events)), reader_(std::move(reader)), tables_(std::move(tables)) {
  for (std::size_t i = 0; i < tables_.size(); ++i) told_.push_back(tables_.state(i));
}

Result<LinkWatch> LinkWatch::open(std::vector<std::string> interfaces) {
  auto events = NetlinkSocket::open({.bus = NETLINK_ROUTE,
                                     .groups = RTMGRP_LINK | RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR,
                                     .receive_buffer_bytes = kSocketBufferBytes,
                                     .blocking = false});
  if (!events) return std::unexpected(events.error());
  auto reader = std::make_unique<LinkTableReader>(std::move(interfaces));
  // After joining the groups, so that nothing falls between the tables and the first event.
  auto tables = reader->read_now();
  if (!tables) return std::unexpected(tables.error());
  return LinkWatch(std::move(*events), std::move(reader), std::move(*tables));
}

LinkNews LinkWatch::read() {
  LinkNews news;
  take_answers(news);
  // An answer counts, and a question is asked, only when no event waits. The answer: or one that is older
  // than it would be applied to it later. The question: once events were lost, the kernel drops all further
  // ones without a word until the last waiting one has been read (NETLINK_S_CONGESTED in
  // net/netlink/af_netlink.c).
  if (take_events(news)) {
    use_answer();
    ask_if_needed();
  }
  news.changes = changes();
  return news;
}

void LinkWatch::take_answers(LinkNews& news) {
  reader_->clear_wakeups();
  while (auto answer = reader_->take()) {
    if (*answer) {
      answer_ = std::move(**answer);
    } else {
      news.trouble = std::move(answer->error());
    }
  }
}

// True when none is left.
bool LinkWatch::take_events(LinkNews& news) {
  alignas(nlmsghdr) std::array<std::uint8_t, kReceiveBytes> buffer;
  for (int datagrams = 0; datagrams < kMaxDatagramsPerRead; ++datagrams) {
    const auto got = events_.receive(buffer);
    if (!got && (got.error().code == ENOBUFS || got.error().code == EMSGSIZE)) {
      ++lost_events_;
      lost_ = true;
      continue;
    }
    if (!got) {
      if (!std::exchange(receive_fails_, true)) news.trouble = got.error();
      return false;
    }
    receive_fails_ = false;
    if (*got == 0) return true;
    for_each_message(ByteSpan(buffer).first(*got), [&](const nlmsghdr& message) {
      if (const auto event = link_table_event(message)) take(*event);
      return true;
    });
  }
  return false;
}

void LinkWatch::take(const LinkTableEvent& event) {
  incomplete_ = tables_.apply(event) || incomplete_;
  if (!asking_ || lost_) return;
  if (kept_.size() == kMaxKept) {
    lost_ = true;
  } else {
    kept_.push_back(event);
  }
}

void LinkWatch::use_answer() {
  if (!answer_) return;
  LinkTables answer = std::move(*answer_);
  answer_.reset();
  asking_ = false;
  if (lost_) return;
  // What the answer knew already is applied a second time, in the same order, with the same end.
  incomplete_ = false;
  for (const LinkTableEvent& event : kept_) {
    incomplete_ = answer.apply(event) || incomplete_;
    // Where there are too many addresses for one datagram, one that is removed between two of them makes the
    // kernel leave out another, without NLM_F_DUMP_INTR when it was asked for a single interface.
    const auto* address = std::get_if<AddressEvent>(&event);
    incomplete_ = incomplete_ || (address != nullptr && address->deleted && answer.knows(address->index));
  }
  tables_ = std::move(answer);
}

void LinkWatch::ask_if_needed() {
  if (asking_ || (!lost_ && !incomplete_)) return;
  kept_.clear();
  lost_ = false;
  incomplete_ = false;
  asking_ = true;
  reader_->request();
}

std::vector<LinkChange> LinkWatch::changes() {
  std::vector<LinkChange> changes;
  for (std::size_t i = 0; i < told_.size(); ++i) {
    const LinkState& now = tables_.state(i);
    if (now == told_[i]) continue;
    changes.push_back({i, now, now.exists() && now.index != told_[i].index});
    told_[i] = now;
  }
  return changes;
}

}  // namespace ftfw::vrrp
