#include "appliance/flows/kernel_source.hpp"

#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>

#include <cstring>

#include "sync/linux/conntrack_codec.hpp"
#include "sync/linux/expectation_codec.hpp"

namespace ftfw {
namespace {

constexpr std::uint32_t kSequence = 1;
constexpr std::size_t kReceiveBytes = 64 << 10;

class KernelSource : public FlowSource {
 public:
  explicit KernelSource(NetlinkSocket socket) : socket_(std::move(socket)), buffer_(kReceiveBytes) {}

  Status request(FlowKind kind) {
    ByteVector request;
    switch (kind) {
      case FlowKind::entries:
        sync::append_conntrack_dump(request, kSequence);
        break;
      case FlowKind::expectations:
        sync::append_expectation_dump(request, kSequence);
        break;
    }
    return socket_.send(request);
  }

  // That the table was resized under the dump (NLM_F_DUMP_INTR) is left aside: what was shown is shown.
  Result<AnswerStream::Progress> next(FlowSink& sink) override {
    const auto got = socket_.receive(buffer_);
    if (!got) return std::unexpected(got.error());
    bool ended = false;
    std::int32_t code = 0;
    for_each_message(ByteSpan(buffer_).first(*got), [&](const nlmsghdr& header) {
      if (header.nlmsg_seq != kSequence) return true;
      ended = header.nlmsg_type == NLMSG_DONE || header.nlmsg_type == NLMSG_ERROR;
      if (!ended) {
        sink.take(header);
      } else if (header.nlmsg_len >= sizeof header + sizeof code) {
        std::memcpy(&code, reinterpret_cast<const std::uint8_t*>(&header) + sizeof header, sizeof code);
      }
      return !ended;
    });
    if (code != 0) return fail_errno("the kernel refuses to dump its table", -code, Blame::kernel);
    return ended ? AnswerStream::Progress::finished : AnswerStream::Progress::more;
  }

 private:
  NetlinkSocket socket_;
  ByteVector buffer_;
};

}  // namespace

Result<std::unique_ptr<FlowSource>> open_kernel_flows(FlowKind kind) {
  auto socket = NetlinkSocket::open({.bus = NETLINK_NETFILTER, .blocking = false});
  if (!socket) return std::unexpected(socket.error());
  auto source = std::make_unique<KernelSource>(std::move(*socket));
  if (const Status requested = source->request(kind); !requested) return std::unexpected(requested.error());
  return source;
}

}  // namespace ftfw
