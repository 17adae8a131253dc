#include <libnetfilter_conntrack/libnetfilter_conntrack.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <memory>
#include <span>

#include "tests/netns/lab/error.hpp"
#include "tests/netns/lab/flow_sample_table.hpp"
#include "tests/netns/lab/flow_samples.hpp"

namespace ftfw::lab {
namespace {

using Entry = std::unique_ptr<nf_conntrack, decltype([](nf_conntrack* entry) { nfct_destroy(entry); })>;

class Kernel {
 public:
  Kernel(const Lab& lab, Node node)
      : handle_(run_in(lab.network(node), [] { return nfct_open(CONNTRACK, 0); })) {
    if (handle_ == nullptr) give_up_errno("nfct_open");
  }
  ~Kernel() { nfct_close(handle_); }
  Kernel(const Kernel&) = delete;
  Kernel& operator=(const Kernel&) = delete;

  // 0 or errno.
  int query(nf_conntrack_query what, nf_conntrack* entry) {
    return nfct_query(handle_, what, entry) < 0 ? errno : 0;
  }
  Entry find(const Fill& names) {
    const Entry wanted(nfct_new());
    names(wanted.get());
    Entry found;
    const auto keep = [](nf_conntrack_msg_type, nf_conntrack* entry, void* out) -> int {
      static_cast<Entry*>(out)->reset(entry);
      return NFCT_CB_STOLEN;
    };
    nfct_callback_register(handle_, NFCT_T_ALL, keep, &found);
    nfct_query(handle_, NFCT_Q_GET, wanted.get());
    nfct_callback_unregister(handle_);
    return found;
  }

 private:
  nfct_handle* handle_;
};

constexpr std::array kOf32Bits{ATTR_MARK,
                               ATTR_SCTP_VTAG_ORIG,
                               ATTR_SCTP_VTAG_REPL,
                               ATTR_ORIG_NAT_SEQ_CORRECTION_POS,
                               ATTR_ORIG_NAT_SEQ_OFFSET_BEFORE,
                               ATTR_ORIG_NAT_SEQ_OFFSET_AFTER,
                               ATTR_REPL_NAT_SEQ_CORRECTION_POS,
                               ATTR_REPL_NAT_SEQ_OFFSET_BEFORE,
                               ATTR_REPL_NAT_SEQ_OFFSET_AFTER,
                               ATTR_SYNPROXY_ISN,
                               ATTR_SYNPROXY_ITS,
                               ATTR_SYNPROXY_TSOFF};
constexpr std::array kOf16Bits{ATTR_ORIG_PORT_SRC, ATTR_ORIG_PORT_DST, ATTR_MASTER_PORT_DST, ATTR_ICMP_ID,
                               ATTR_ZONE,          ATTR_ORIG_ZONE,     ATTR_REPL_ZONE};

bool contains(std::span<const nf_conntrack_attr> all, nf_conntrack_attr one) {
  return std::ranges::find(all, one) != all.end();
}

bool equal_labels(const nf_conntrack* wanted, const nf_conntrack* read) {
  const auto* here = static_cast<const nfct_bitmask*>(nfct_get_attr(wanted, ATTR_CONNLABELS));
  const auto* there = static_cast<const nfct_bitmask*>(nfct_get_attr(read, ATTR_CONNLABELS));
  for (unsigned bit = 0; bit < 128; ++bit) {
    if (nfct_bitmask_test_bit(here, bit) != nfct_bitmask_test_bit(there, bit)) return false;
  }
  return true;
}

bool equal_attribute(const nf_conntrack* wanted, const nf_conntrack* read, nf_conntrack_attr which) {
  if (nfct_attr_is_set(read, which) <= 0) return false;
  if (which == ATTR_CONNLABELS) return equal_labels(wanted, read);
  if (which == ATTR_HELPER_NAME) {
    return std::strcmp(static_cast<const char*>(nfct_get_attr(wanted, which)),
                       static_cast<const char*>(nfct_get_attr(read, which))) == 0;
  }
  if (which == ATTR_DCCP_HANDSHAKE_SEQ)
    return nfct_get_attr_u64(wanted, which) == nfct_get_attr_u64(read, which);
  if (contains(kOf32Bits, which)) return nfct_get_attr_u32(wanted, which) == nfct_get_attr_u32(read, which);
  if (contains(kOf16Bits, which)) return nfct_get_attr_u16(wanted, which) == nfct_get_attr_u16(read, which);
  return nfct_get_attr_u8(wanted, which) == nfct_get_attr_u8(read, which);
}

std::optional<std::string> make(Kernel& kernel, const Sample& sample) {
  const Entry entry(nfct_new());
  sample.names(entry.get());
  // The plain inverse: the kernel itself makes the translated reply tuple.
  nfct_setobjopt(entry.get(), NFCT_SOPT_SETUP_REPLY);
  nfct_set_attr_u32(entry.get(), ATTR_TIMEOUT, kSampleTimeoutSeconds);
  sample.content(entry.get());
  if (const int refused = kernel.query(NFCT_Q_CREATE, entry.get())) return std::strerror(refused);
  const Entry read = kernel.find(sample.names);
  if (!read) return "created, and not found";
  for (const nf_conntrack_attr proof : sample.proofs) {
    if (!equal_attribute(entry.get(), read.get(), proof))
      return "attribute " + std::to_string(proof) + " of libnetfilter_conntrack is not kept";
  }
  return std::nullopt;
}

}  // namespace

std::vector<MadeSample> make_samples(const Lab& lab, Node node) {
  Kernel kernel(lab, node);
  std::vector<MadeSample> made;
  for (const Sample& sample : all_samples()) made.push_back({sample.name, make(kernel, sample)});
  return made;
}

void change_samples(const Lab& lab, Node node) {
  Kernel kernel(lab, node);
  for (const Sample& sample : all_samples()) {
    const Entry entry(nfct_new());
    sample.names(entry.get());
    sample.change(entry.get());
    // Of a related entry EXPECTED must be said as it is.
    const Entry now = kernel.find(sample.names);
    if (!now) continue;
    const std::uint32_t status = nfct_get_attr_u32(now.get(), ATTR_STATUS) & IPS_EXPECTED;
    if (nfct_attr_is_set(entry.get(), ATTR_STATUS) > 0)
      nfct_set_attr_u32(entry.get(), ATTR_STATUS, nfct_get_attr_u32(entry.get(), ATTR_STATUS) | status);
    if (const int refused = kernel.query(NFCT_Q_UPDATE, entry.get()))
      give_up("change \"" + sample.name + "\": " + std::strerror(refused));
  }
}

void destroy_samples(const Lab& lab, Node node) {
  Kernel kernel(lab, node);
  for (const Sample& sample : all_samples()) {
    const Entry entry(nfct_new());
    sample.names(entry.get());
    kernel.query(NFCT_Q_DESTROY, entry.get());
  }
}

}  // namespace ftfw::lab
