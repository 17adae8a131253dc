#include "sync/linux/expectation_codec.hpp"

#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <linux/netlink.h>
#include <sys/socket.h>

#include "sync/linux/attributes.hpp"
#include "sync/linux/tuple_codec.hpp"

namespace ftfw::sync {

namespace {

// NF_CT_HELPER_NAME_LEN without the NUL; the longest function name in the kernel has 17 characters.
constexpr std::size_t kMaxHelperName = 15;
constexpr std::size_t kMaxFunctionName = 31;

constexpr std::uint16_t message_type(std::uint16_t message) {
  return static_cast<std::uint16_t>(NFNL_SUBSYS_CTNETLINK_EXP << 8 | message);
}

std::uint16_t request_flags(RequestHead head, std::uint16_t extra) {
  return static_cast<std::uint16_t>(NLM_F_REQUEST | extra | (head.acknowledge ? NLM_F_ACK : 0));
}

std::unexpected<Error> malformed(const char* what) {
  return fail(Blame::kernel, std::string("expectation message: ") + what);
}

bool parse_nat(ByteSpan nest, Expectation& expectation) {
  AttributeTable<CTA_EXPECT_NAT_MAX> nat;
  if (!nat.parse(nest)) return false;
  const auto direction = nat.u32(CTA_EXPECT_NAT_DIR);
  const auto tuple = parse_tuple(nat.bytes(CTA_EXPECT_NAT_TUPLE));
  if (!direction || !tuple) return false;
  expectation.nat = ExpectationNat{.direction = *direction, .tuple = *tuple};
  return true;
}

// The three tuples and the zone, without which the kernel knows no expectation.
void append_names(MessageBuilder& message, const Expectation& expectation) {
  append_tuple(message, CTA_EXPECT_MASTER, expectation.master);
  append_tuple(message, CTA_EXPECT_TUPLE, expectation.key.expected);
  append_tuple(message, CTA_EXPECT_MASK, expectation.mask);
  if (expectation.key.zone != 0) message.u16(CTA_EXPECT_ZONE, expectation.key.zone);
}

}  // namespace

Result<Expectation> parse_expectation(const nlmsghdr& header) {
  const auto raw = attributes_of(header);
  AttributeTable<CTA_EXPECT_MAX> attributes;
  if (!raw || !attributes.parse(*raw)) return malformed("lengths do not fit");
  const auto expected = parse_tuple(attributes.bytes(CTA_EXPECT_TUPLE));
  const auto mask = parse_tuple(attributes.bytes(CTA_EXPECT_MASK));
  const auto master = parse_tuple(attributes.bytes(CTA_EXPECT_MASTER));
  if (!expected || !mask || !master) return malformed("a tuple is missing or broken");
  Expectation expectation{
      .key = {.expected = *expected, .zone = attributes.u16(CTA_EXPECT_ZONE).value_or(0)},
      .mask = *mask,
      .master = *master,
      .timeout_s = attributes.u32(CTA_EXPECT_TIMEOUT).value_or(0),
      .flags = attributes.u32(CTA_EXPECT_FLAGS).value_or(0),
      .expect_class = attributes.u32(CTA_EXPECT_CLASS).value_or(0),
      .helper = std::string(attributes.text(CTA_EXPECT_HELP_NAME)),
      .function = std::string(attributes.text(CTA_EXPECT_FN)),
  };
  if (expectation.helper.size() > kMaxHelperName || expectation.function.size() > kMaxFunctionName) {
    return malformed("a name is too long");
  }
  if (attributes.has(CTA_EXPECT_NAT) && !parse_nat(attributes.bytes(CTA_EXPECT_NAT), expectation)) {
    return malformed("NAT");
  }
  return expectation;
}

void append_expectation_create(ByteVector& out, RequestHead head, const Expectation& expectation) {
  MessageBuilder message(out, message_type(IPCTNL_MSG_EXP_NEW),
                         request_flags(head, NLM_F_CREATE | NLM_F_EXCL), head.sequence,
                         netlink_family(expectation.key.expected));
  append_names(message, expectation);
  message.u32(CTA_EXPECT_TIMEOUT, expectation.timeout_s);
  message.u32(CTA_EXPECT_FLAGS, expectation.flags);
  message.u32(CTA_EXPECT_CLASS, expectation.expect_class);
  if (!expectation.helper.empty()) message.text(CTA_EXPECT_HELP_NAME, expectation.helper);
  if (expectation.nat) {
    message.nest(CTA_EXPECT_NAT, [&] {
      message.u32(CTA_EXPECT_NAT_DIR, expectation.nat->direction);
      append_tuple(message, CTA_EXPECT_NAT_TUPLE, expectation.nat->tuple);
    });
  }
  if (!expectation.function.empty()) message.text(CTA_EXPECT_FN, expectation.function);
}

void append_expectation_timeout(ByteVector& out, RequestHead head, const Expectation& expectation) {
  MessageBuilder message(out, message_type(IPCTNL_MSG_EXP_NEW), request_flags(head, 0), head.sequence,
                         netlink_family(expectation.key.expected));
  append_names(message, expectation);
  message.u32(CTA_EXPECT_TIMEOUT, expectation.timeout_s);
}

void append_expectation_delete(ByteVector& out, RequestHead head, const ExpectationKey& key) {
  MessageBuilder message(out, message_type(IPCTNL_MSG_EXP_DELETE), request_flags(head, 0), head.sequence,
                         netlink_family(key.expected));
  append_tuple(message, CTA_EXPECT_TUPLE, key.expected);
  if (key.zone != 0) message.u16(CTA_EXPECT_ZONE, key.zone);
}

void append_expectation_dump(ByteVector& out, std::uint32_t sequence) {
  MessageBuilder message(out, message_type(IPCTNL_MSG_EXP_GET), NLM_F_REQUEST | NLM_F_DUMP, sequence,
                         AF_UNSPEC);
}

}  // namespace ftfw::sync
