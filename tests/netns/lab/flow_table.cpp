#include "tests/netns/lab/flow_table.hpp"

#include <arpa/inet.h>
#include <libmnl/libmnl.h>
#include <libnetfilter_conntrack/libnetfilter_conntrack.h>

#include <algorithm>
#include <array>
#include <memory>
#include <sstream>
#include <vector>

#include "appliance/base/netlink_socket.hpp"
#include "tests/netns/lab/equal_tables.hpp"
#include "tests/netns/lab/error.hpp"

namespace ftfw::lab {
namespace {

constexpr std::array kReplicatedProtocols{"tcp", "sctp", "dccp"};
constexpr std::array kAddressesOfThePair{"192.168.2.1",     "192.168.2.2",    "192.168.0.1",
                                         "192.168.0.2",     "192.168.2.100",  "192.168.0.100",
                                         "192.168.100.100", "192.168.100.200"};
constexpr int kShownDifferences = 8;

struct Tuple {
  std::map<std::string, std::string> part;  // src, dst, sport, dport, and what other protocols have

  std::string text() const {
    std::map<std::string, std::string> rest = part;
    const auto take = [&](const char* name) { return rest.extract(name); };
    std::string result;
    const auto add = [&](const char* address, const char* port) {
      if (auto node = take(address)) result += node.mapped();
      if (auto node = take(port)) result += ":" + node.mapped();
    };
    add("src", "sport");
    result += " > ";
    add("dst", "dport");
    for (const auto& [name, value] : rest) result += " " + name + "=" + value;
    return result;
  }
};

constexpr std::array kTupleParts{"src", "dst", "sport", "dport", "type", "code", "id", "srckey", "dstkey"};

// One line of `conntrack -L -o extended`: family, its number, protocol, its number, timeout, state, then
// name=value with every part of a tuple twice.
std::pair<std::string, Flow> parse_flow(const std::string& line) {
  std::istringstream words(line);
  std::string word;
  Flow flow;
  Tuple original;
  Tuple reply;
  for (int position = 0; words >> word; ++position) {
    const std::size_t equals = word.find('=');
    if (position == 2) flow.protocol = word;
    if (position < 4 || std::ranges::all_of(word, [](char c) { return c >= '0' && c <= '9'; })) continue;
    if (word.starts_with('[')) {
      flow.flags += word;
    } else if (equals == std::string::npos) {
      flow.state = word;
    } else {
      const std::string name = word.substr(0, equals);
      const std::string value = word.substr(equals + 1);
      if (std::ranges::find(kTupleParts, name) != kTupleParts.end()) {
        Tuple& tuple = original.part.contains(name) ? reply : original;
        tuple.part[name] = value;
      } else if (name == "mark") {
        flow.mark = value;
      } else if (name == "helper") {
        flow.helper = value;
      }
    }
  }
  flow.source = original.part["src"];
  flow.reply_source = reply.part["src"];
  flow.reply = reply.text();
  return {flow.protocol + " " + original.text(), std::move(flow)};
}

std::map<std::string, Flow> all_flows(Lab& lab, Node node, const std::vector<std::string>& filter) {
  std::vector<std::string> words{"conntrack", "-L", "-o", "extended"};
  words.insert(words.end(), filter.begin(), filter.end());
  std::istringstream lines(lab.run_well(node, words));
  std::map<std::string, Flow> flows;
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with("ipv")) flows.insert(parse_flow(line));
  }
  return flows;
}

bool is_replicated(const Flow& flow) {
  const auto of_the_pair = [](const std::string& address) {
    return std::ranges::find(kAddressesOfThePair, address) != kAddressesOfThePair.end();
  };
  return std::ranges::find(kReplicatedProtocols, flow.protocol) != kReplicatedProtocols.end() &&
         !of_the_pair(flow.source) && !of_the_pair(flow.reply_source);
}

using Conntrack = std::unique_ptr<nf_conntrack, decltype([](nf_conntrack* entry) { nfct_destroy(entry); })>;

std::string ipv4_text(const nf_conntrack* entry, nf_conntrack_attr which) {
  char text[INET_ADDRSTRLEN] = {};
  const std::uint32_t address = nfct_get_attr_u32(entry, which);
  return ::inet_ntop(AF_INET, &address, text, sizeof text) == nullptr ? "" : text;
}

// Sets the NAT bits of the flow that this message of a dump tells of.
void read_nat_bits(const nlmsghdr& message, std::map<std::string, Flow>& flows) {
  const Conntrack entry(nfct_new());
  if (nfct_nlmsg_parse(&message, entry.get()) < 0 || nfct_get_attr_u8(entry.get(), ATTR_L3PROTO) != AF_INET)
    return;
  const int protocol = nfct_get_attr_u8(entry.get(), ATTR_L4PROTO);
  const char* name = protocol == IPPROTO_TCP ? "tcp" : protocol == IPPROTO_SCTP ? "sctp" : "dccp";
  const auto port = [&](nf_conntrack_attr which) {
    return std::to_string(ntohs(nfct_get_attr_u16(entry.get(), which)));
  };
  const auto found =
      flows.find(name + (" " + ipv4_text(entry.get(), ATTR_ORIG_IPV4_SRC)) + ":" + port(ATTR_ORIG_PORT_SRC) +
                 " > " + ipv4_text(entry.get(), ATTR_ORIG_IPV4_DST) + ":" + port(ATTR_ORIG_PORT_DST));
  if (found == flows.end()) return;
  const std::uint32_t status = nfct_get_attr_u32(entry.get(), ATTR_STATUS);
  found->second.source_nat = (status & IPS_SRC_NAT) != 0;
  found->second.destination_nat = (status & IPS_DST_NAT) != 0;
}

void read_nat_bits(const NetNamespace& network, std::map<std::string, Flow>& flows) {
  auto socket = run_in(network, [] { return NetlinkSocket::open({.bus = NETLINK_NETFILTER}); });
  if (!socket) give_up(socket.error().text);
  std::array<std::uint8_t, 65536> buffer{};
  nlmsghdr* header = mnl_nlmsg_put_header(buffer.data());
  header->nlmsg_type = NFNL_SUBSYS_CTNETLINK << 8 | IPCTNL_MSG_CT_GET;
  header->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
  auto* family = static_cast<nfgenmsg*>(mnl_nlmsg_put_extra_header(header, sizeof(nfgenmsg)));
  family->nfgen_family = AF_INET;
  family->version = NFNETLINK_V0;
  if (auto sent = socket->send({buffer.data(), header->nlmsg_len}); !sent) give_up(sent.error().text);
  for (bool more = true; more;) {
    const auto got = socket->receive(buffer);
    if (!got) give_up(got.error().text);
    more = for_each_message({buffer.data(), *got}, [&](const nlmsghdr& message) {
      if (message.nlmsg_type == NLMSG_DONE || message.nlmsg_type == NLMSG_ERROR) return false;
      read_nat_bits(message, flows);
      return true;
    });
  }
}

std::set<std::string> expectations(Lab& lab, Node node) {
  std::istringstream lines(lab.run_well(node, {"conntrack", "-L", "expect"}));
  std::set<std::string> result;
  for (std::string line; std::getline(lines, line);) {
    // The first word is the timeout. The closing line of statistics has no "proto=".
    const std::size_t begin = line.find("proto=");
    if (begin != std::string::npos) result.insert("expectation " + line.substr(begin));
  }
  return result;
}

class DifferenceText {
 public:
  void add(const std::string& line) {
    if (++count_ <= kShownDifferences) text_ += "  " + line + "\n";
  }
  std::string text() const {
    if (count_ <= kShownDifferences) return text_;
    return text_ + "  and " + std::to_string(count_ - kShownDifferences) + " more differences\n";
  }

 private:
  int count_ = 0;
  std::string text_;
};

}  // namespace

std::string Flow::text() const {
  std::string result = state + ", reply " + reply + ", mark " + mark;
  if (!helper.empty()) result += ", helper " + helper;
  if (!flags.empty()) result += ", " + flags;
  if (source_nat) result += ", source NAT";
  if (destination_nat) result += ", destination NAT";
  return result;
}

FlowTable replicated_flows(Lab& lab, Node node) {
  FlowTable table{all_flows(lab, node, {}), expectations(lab, node)};
  std::erase_if(table.flows, [](const auto& entry) { return !is_replicated(entry.second); });
  read_nat_bits(lab.network(node), table.flows);
  return table;
}

std::optional<std::string> state_of_client_port(Lab& lab, Node node, std::uint16_t port) {
  const auto flows =
      all_flows(lab, node, {"-p", "tcp", "-s", kClientAddress, "--sport", std::to_string(port)});
  if (flows.empty()) return std::nullopt;
  return flows.begin()->second.state;
}

std::string difference(const FlowTable& first, const FlowTable& second) {
  DifferenceText text;
  for (const auto& [tuple, flow] : first.flows) {
    const auto other = second.flows.find(tuple);
    if (other == second.flows.end()) {
      text.add("only on the first: " + tuple + " " + flow.text());
    } else if (other->second.text() != flow.text()) {
      text.add(tuple + "\n    first:  " + flow.text() + "\n    second: " + other->second.text());
    }
  }
  for (const auto& [tuple, flow] : second.flows) {
    if (!first.flows.contains(tuple)) text.add("only on the second: " + tuple + " " + flow.text());
  }
  for (const std::string& one : first.expectations) {
    if (!second.expectations.contains(one)) text.add("only on the first: " + one);
  }
  for (const std::string& one : second.expectations) {
    if (!first.expectations.contains(one)) text.add("only on the second: " + one);
  }
  return text.text();
}

std::string wait_equal(Lab& lab, std::size_t at_least, Duration at_most) {
  return wait_equal_tables(at_least, at_most, [&](Node node) { return replicated_flows(lab, node); });
}

}  // namespace ftfw::lab
