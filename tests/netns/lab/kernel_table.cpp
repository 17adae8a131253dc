#include "tests/netns/lab/kernel_table.hpp"

#include <arpa/inet.h>
#include <fmt/ranges.h>
#include <libmnl/libmnl.h>
#include <libnetfilter_conntrack/libnetfilter_conntrack.h>
#include <linux/netfilter/nf_conntrack_tcp.h>
#include <linux/netfilter/nfnetlink_conntrack.h>

#include <algorithm>
#include <array>
#include <memory>
#include <vector>

#include "appliance/base/netlink_socket.hpp"
#include "tests/netns/lab/equal_tables.hpp"
#include "tests/netns/lab/error.hpp"

namespace ftfw::lab {
namespace {

constexpr int kShownDifferences = 8;
constexpr std::array kAddressesOfThePair{"192.168.2.1",     "192.168.2.2",    "192.168.0.1",
                                         "192.168.0.2",     "192.168.2.100",  "192.168.0.100",
                                         "192.168.100.100", "192.168.100.200"};
// What says how a packet of the flow is treated. DYING, FIXED_TIMEOUT and the bits of userspace's or a
// flowtable's making are left aside, and so are the *_NAT_DONE of flows that nobody translates.
constexpr std::uint32_t kComparedStatus =
    IPS_EXPECTED | IPS_SEEN_REPLY | IPS_ASSURED | IPS_CONFIRMED | IPS_SRC_NAT | IPS_DST_NAT | IPS_SEQ_ADJUST;

using Attributes = std::array<const nlattr*, 64>;

int collect(const nlattr* attribute, void* out) {
  auto& found = *static_cast<Attributes*>(out);
  if (mnl_attr_get_type(attribute) < found.size()) found.at(mnl_attr_get_type(attribute)) = attribute;
  return MNL_CB_OK;
}

Attributes attributes(const nlattr* nest) {
  Attributes found{};
  if (nest != nullptr) mnl_attr_parse_nested(nest, collect, &found);
  return found;
}

Attributes attributes(const nlmsghdr& message) {
  Attributes found{};
  mnl_attr_parse(&message, sizeof(nfgenmsg), collect, &found);
  return found;
}

std::string payload(const nlattr* attribute) {
  if (attribute == nullptr) return {};
  return {static_cast<const char*>(mnl_attr_get_payload(attribute)), mnl_attr_get_payload_len(attribute)};
}

std::uint8_t byte_of(const nlattr* attribute) {
  return attribute == nullptr ? std::uint8_t{0} : mnl_attr_get_u8(attribute);
}

std::uint32_t status_of(const Attributes& of) {
  return of[CTA_STATUS] == nullptr ? 0 : ntohl(mnl_attr_get_u32(of[CTA_STATUS]));
}

std::string key_of(const Attributes& of) {
  return payload(of[CTA_TUPLE_ORIG]) + payload(of[CTA_ZONE]);
}

struct Names {
  std::string source;
  std::uint8_t protocol = 0;
};

Names names_of(const nlattr* tuple) {
  const Attributes parts = attributes(tuple);
  const Attributes ip = attributes(parts[CTA_TUPLE_IP]);
  Names names;
  if (ip[CTA_IP_V4_SRC] != nullptr) {
    std::array<char, INET_ADDRSTRLEN> text{};
    ::inet_ntop(AF_INET, mnl_attr_get_payload(ip[CTA_IP_V4_SRC]), text.data(), text.size());
    names.source = text.data();
  }
  names.protocol = byte_of(attributes(parts[CTA_TUPLE_PROTO])[CTA_PROTO_NUM]);
  return names;
}

bool of_the_pair(const std::string& address) {
  return std::ranges::find(kAddressesOfThePair, address) != kAddressesOfThePair.end();
}

bool is_compared(const Attributes& flow, const Compared& compared) {
  const Names original = names_of(flow[CTA_TUPLE_ORIG]);
  if (!compared.protocols.empty() && !compared.protocols.contains(original.protocol)) return false;
  if (of_the_pair(original.source) || of_the_pair(names_of(flow[CTA_TUPLE_REPLY]).source)) return false;
  return original.protocol != IPPROTO_TCP || (status_of(flow) & (IPS_SEEN_REPLY | IPS_EXPECTED)) != 0;
}

// Zeroes at the end are what the other kernel need not have been told.
std::string without_zeroes(std::string bytes) {
  while (!bytes.empty() && bytes.back() == '\0') bytes.pop_back();
  return bytes;
}

std::array<std::uint8_t, 2> window_scales(const Attributes& tcp) {
  return {byte_of(tcp[CTA_PROTOINFO_TCP_WSCALE_ORIGINAL]), byte_of(tcp[CTA_PROTOINFO_TCP_WSCALE_REPLY])};
}

const nlattr* tcp_of(const Attributes& flow) {
  return flow[CTA_PROTOINFO] == nullptr ? nullptr : attributes(flow[CTA_PROTOINFO])[CTA_PROTOINFO_TCP];
}

std::string protocol_state(const nlattr* protoinfo) {
  if (protoinfo == nullptr) return {};
  const Attributes kinds = attributes(protoinfo);
  if (kinds[CTA_PROTOINFO_TCP] == nullptr) return payload(protoinfo);
  const Attributes tcp = attributes(kinds[CTA_PROTOINFO_TCP]);
  const auto [original, reply] = window_scales(tcp);
  return {static_cast<char>(byte_of(tcp[CTA_PROTOINFO_TCP_STATE])), static_cast<char>(original),
          static_cast<char>(reply)};
}

// All numbers of the nest in the order of their types, zeroes if it is absent.
std::string numbers(const nlattr* nest, std::size_t count) {
  std::string text;
  const Attributes parts = nest == nullptr ? Attributes{} : attributes(nest);
  for (std::size_t type = 1; type <= count; ++type) {
    const std::string part = payload(parts.at(type));
    text += part.empty() ? std::string(4, '\0') : part;
  }
  return text;
}

// What must be equal on both sides.
std::string flow_content(const std::string& message) {
  const Attributes of = attributes(*reinterpret_cast<const nlmsghdr*>(message.data()));
  std::uint32_t status = status_of(of) & kComparedStatus;
  if ((status & IPS_NAT_MASK) != 0) status |= status_of(of) & IPS_NAT_DONE_MASK;
  std::string helper;
  if (of[CTA_HELP] != nullptr) helper = payload(attributes(of[CTA_HELP])[CTA_HELP_NAME]);
  const std::array parts{payload(of[CTA_TUPLE_REPLY]),
                         std::to_string(status),
                         protocol_state(of[CTA_PROTOINFO]),
                         without_zeroes(payload(of[CTA_MARK])),
                         without_zeroes(payload(of[CTA_LABELS])),
                         helper,
                         payload(of[CTA_TUPLE_MASTER]),
                         numbers(of[CTA_SEQ_ADJ_ORIG], CTA_SEQADJ_MAX),
                         numbers(of[CTA_SEQ_ADJ_REPLY], CTA_SEQADJ_MAX),
                         numbers(of[CTA_SYNPROXY], CTA_SYNPROXY_MAX)};
  std::string content;
  for (const std::string& part : parts) content += std::to_string(part.size()) + ":" + part;
  return content;
}

std::string expectation_content(const std::string& message) {
  const Attributes of = attributes(*reinterpret_cast<const nlmsghdr*>(message.data()));
  std::string content;
  for (const int part : {CTA_EXPECT_MASTER, CTA_EXPECT_MASK, CTA_EXPECT_HELP_NAME, CTA_EXPECT_FLAGS,
                         CTA_EXPECT_CLASS, CTA_EXPECT_NAT, CTA_EXPECT_FN}) {
    content += payload(of.at(static_cast<std::size_t>(part))) + "|";
  }
  return content;
}

// Reads all messages that answer this request.
void dump(const NetNamespace& network, std::uint16_t subsystem, std::uint16_t request,
          const std::function<void(const nlmsghdr&)>& each) {
  auto socket = run_in(network, [] { return NetlinkSocket::open({.bus = NETLINK_NETFILTER}); });
  if (!socket) give_up(socket.error().text);
  std::vector<std::uint8_t> buffer(65536);
  nlmsghdr* header = mnl_nlmsg_put_header(buffer.data());
  header->nlmsg_type = static_cast<std::uint16_t>(subsystem << 8 | request);
  header->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
  auto* family = static_cast<nfgenmsg*>(mnl_nlmsg_put_extra_header(header, sizeof(nfgenmsg)));
  family->nfgen_family = AF_UNSPEC;
  family->version = NFNETLINK_V0;
  if (auto sent = socket->send({buffer.data(), header->nlmsg_len}); !sent) give_up(sent.error().text);
  for (bool more = true; more;) {
    const auto got = socket->receive(buffer);
    if (!got) give_up(got.error().text);
    more = for_each_message({buffer.data(), *got}, [&](const nlmsghdr& message) {
      if (message.nlmsg_type == NLMSG_DONE || message.nlmsg_type == NLMSG_ERROR) return false;
      each(message);
      return true;
    });
  }
}

std::string whole(const nlmsghdr& message) {
  return {reinterpret_cast<const char*>(&message), message.nlmsg_len};
}

std::string without_scales(std::string message) {
  const Attributes of = attributes(*reinterpret_cast<const nlmsghdr*>(message.data()));
  const Attributes parts = attributes(tcp_of(of));
  for (const nlattr* scale :
       {parts[CTA_PROTOINFO_TCP_WSCALE_ORIGINAL], parts[CTA_PROTOINFO_TCP_WSCALE_REPLY]}) {
    if (scale == nullptr) continue;
    message.at(
        static_cast<std::size_t>(static_cast<const char*>(mnl_attr_get_payload(scale)) - message.data())) = 0;
  }
  return message;
}

std::string in_words(const std::string& message) {
  const auto* header = reinterpret_cast<const nlmsghdr*>(message.data());
  const std::unique_ptr<nf_conntrack, decltype(&nfct_destroy)> entry(nfct_new(), &nfct_destroy);
  if (nfct_nlmsg_parse(header, entry.get()) < 0) return "an entry that cannot be read";
  std::array<char, 1024> text{};
  nfct_snprintf(text.data(), text.size(), entry.get(), NFCT_T_UNKNOWN, NFCT_O_DEFAULT,
                NFCT_OF_SHOW_LAYER3 | NFCT_OF_TIMESTAMP);
  const Attributes of = attributes(*header);
  std::string words = fmt::format("{} status {:#x}", text.data(), status_of(of));
  const nlattr* tcp =
      of[CTA_PROTOINFO] == nullptr ? nullptr : attributes(of[CTA_PROTOINFO])[CTA_PROTOINFO_TCP];
  if (tcp != nullptr) words += fmt::format(" scales {}", fmt::join(window_scales(attributes(tcp)), "/"));
  return words;
}

std::string expectation_in_words(const std::string& message) {
  const std::unique_ptr<nf_expect, decltype(&nfexp_destroy)> entry(nfexp_new(), &nfexp_destroy);
  if (nfexp_nlmsg_parse(reinterpret_cast<const nlmsghdr*>(message.data()), entry.get()) < 0)
    return "an expectation that cannot be read";
  std::array<char, 1024> text{};
  nfexp_snprintf(text.data(), text.size(), entry.get(), NFCT_T_UNKNOWN, NFCT_O_DEFAULT, NFCT_OF_SHOW_LAYER3);
  return std::string("expectation ") + text.data();
}

class Differences {
 public:
  using Table = std::unordered_map<std::string, std::string>;
  using Words = std::string (*)(const std::string&);

  void compare(const Table& first, const Table& second, Words content, Words words) {
    for (const auto& [key, message] : first) {
      const auto other = second.find(key);
      if (other == second.end()) {
        add([&] { return "only on the first: " + words(message); });
      } else if (content(message) != content(other->second)) {
        add([&] { return "first:  " + words(message) + "\n  second: " + words(other->second); });
      }
    }
    for (const auto& [key, message] : second) {
      if (!first.contains(key)) add([&] { return "only on the second: " + words(message); });
    }
  }
  std::string text() const {
    if (count_ <= kShownDifferences) return text_;
    return text_ + "  and " + std::to_string(count_ - kShownDifferences) + " more differences\n";
  }

 private:
  template <typename Line>
  void add(Line line) {
    if (++count_ <= kShownDifferences) text_ += "  " + line() + "\n";
  }

  int count_ = 0;
  std::string text_;
};

}  // namespace

KernelTable kernel_table(const Lab& lab, Node node, const Compared& compared) {
  KernelTable table;
  dump(lab.network(node), NFNL_SUBSYS_CTNETLINK, IPCTNL_MSG_CT_GET, [&](const nlmsghdr& message) {
    const Attributes of = attributes(message);
    if (!is_compared(of, compared)) return;
    table.flows.insert_or_assign(key_of(of),
                                 compared.window_scales ? whole(message) : without_scales(whole(message)));
  });
  dump(lab.network(node), NFNL_SUBSYS_CTNETLINK_EXP, IPCTNL_MSG_EXP_GET, [&](const nlmsghdr& message) {
    const Attributes of = attributes(message);
    table.expectations.insert_or_assign(payload(of[CTA_EXPECT_TUPLE]) + payload(of[CTA_EXPECT_ZONE]),
                                        whole(message));
  });
  return table;
}

std::size_t count_flows(const Lab& lab, Node node) {
  return std::stoul(get_sysctl(lab.network(node), "net/netfilter/nf_conntrack_count"));
}

std::string difference(const KernelTable& first, const KernelTable& second) {
  Differences differences;
  differences.compare(first.flows, second.flows, flow_content, in_words);
  differences.compare(first.expectations, second.expectations, expectation_content, expectation_in_words);
  return differences.text();
}

std::string wait_equal_kernels(const Lab& lab, std::size_t at_least, Duration at_most,
                               const Compared& compared) {
  return wait_equal_tables(at_least, at_most, [&](Node node) { return kernel_table(lab, node, compared); });
}

}  // namespace ftfw::lab
