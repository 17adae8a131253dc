#include "appliance/base/netlink_events.hpp"

#include <linux/netlink.h>

#include <array>
#include <cerrno>
#include <utility>

namespace ftfw {
namespace {

constexpr std::size_t kReceiveBytes = 64 * 1024;

}  // namespace

Result<bool> NetlinkEvents::read(const std::function<void(const nlmsghdr&)>& take) {
  bool drained = false;
  alignas(nlmsghdr) std::array<std::uint8_t, kReceiveBytes> buffer;
  for (int datagrams = 0; datagrams < most_datagrams_ && !drained; ++datagrams) {
    const auto got = socket_.receive(buffer);
    if (!got && got.error().code == ENOBUFS) {
      losing_ = true;
      continue;
    }
    if (!got) return std::unexpected(got.error());
    drained = *got == 0;
    for_each_message(ByteSpan(buffer).first(*got), [&take](const nlmsghdr& message) {
      take(message);
      return true;
    });
  }
  // Once events were lost, the kernel drops all further ones without a word until the last waiting one has
  // been read.
  return drained && std::exchange(losing_, false);
}

}  // namespace ftfw
