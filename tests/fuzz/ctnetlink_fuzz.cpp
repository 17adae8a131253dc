// Bytes as a datagram of netlink messages, into the readers of conntracks and expectations. The buffer has
// exactly the input's size, so that one byte too far is found by the address sanitizer.
#include <linux/netlink.h>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <vector>

#include "appliance/base/netlink_socket.hpp"
#include "sync/linux/conntrack_codec.hpp"
#include "sync/linux/expectation_codec.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace ftfw;
  const ByteVector datagram(data, data + size);
  ByteVector written;
  for_each_message(datagram, [&](const nlmsghdr& header) {
    if (const auto entry = sync::parse_conntrack(header)) {
      sync::append_create(written, {}, *entry, true);
      sync::append_update(written, {}, *entry, false);
      sync::append_delete(written, {}, entry->key);
    }
    if (const auto expectation = sync::parse_expectation(header)) {
      sync::append_expectation_create(written, {}, *expectation);
      sync::append_expectation_delete(written, {}, expectation->key);
    }
    return true;
  });
  // What was read can be written as whole messages again.
  std::size_t length = 0;
  for_each_message(written, [&](const nlmsghdr& header) {
    length += header.nlmsg_len;
    return true;
  });
  if (length != written.size()) std::abort();
  return 0;
}
