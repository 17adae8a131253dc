#include "sync/linux/conntrack_table.hpp"

#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "sync/linux/conntrack_codec.hpp"
#include "sync/linux/expectation_codec.hpp"

namespace ftfw::sync {

namespace {

// 16 to 64 messages per sendmsg is where the rate stops growing (measured: 158,000 creates per second).
constexpr std::size_t kMessagesPerSend = 64;
// The kernel fills dump datagrams up to 32 KiB if the reader has shown such a buffer.
constexpr std::size_t kReceiveBytes = 64 << 10;

template <class... Ts>
struct Overloaded : Ts... {
  using Ts::operator()...;
};

NetlinkSocket::Options dump_options() {
  return {.bus = NETLINK_NETFILTER, .blocking = false};
}

// The errno of an NLMSG_ERROR or NLMSG_DONE message: 0 for an acknowledgement.
int answer_code(const nlmsghdr& header) {
  std::int32_t code = 0;
  if (header.nlmsg_len < sizeof header + sizeof code) return EPROTO;
  std::memcpy(&code, reinterpret_cast<const std::uint8_t*>(&header) + sizeof header, sizeof code);
  return -code;
}

}  // namespace

// Messages of one sendmsg and the operation each belongs to, by nlmsg_seq - first_sequence.
struct ConntrackTable::Batch {
  std::uint32_t first_sequence = 0;
  ByteVector bytes;
  std::vector<std::uint64_t> operation_ids;

  void clear(std::uint32_t next_sequence) {
    first_sequence = next_sequence;
    bytes.clear();
    operation_ids.clear();
  }

  RequestHead next(std::uint64_t operation_id, bool acknowledge) {
    operation_ids.push_back(operation_id);
    return {.sequence = first_sequence + static_cast<std::uint32_t>(operation_ids.size()) - 1,
            .acknowledge = acknowledge};
  }

  void add(const Operation& operation, bool last) {
    const auto head = [&](bool last_of_operation) { return next(operation.id, last && last_of_operation); };
    std::visit(Overloaded{
                   [&](const CreateConntrack& action) {
                     append_create(bytes, head(true), action.entry, operation.be_liberal);
                   },
                   [&](const UpdateConntrack& action) {
                     append_update(bytes, head(true), action.entry, operation.be_liberal);
                   },
                   [&](const DeleteConntrack& action) { append_delete(bytes, head(true), action.key); },
                   [&](const CreateExpectation& action) {
                     append_expectation_create(bytes, head(false), action.expectation);
                     append_expectation_timeout(bytes, head(true), action.expectation);
                   },
                   [&](const DeleteExpectation& action) {
                     append_expectation_delete(bytes, head(true), action.key);
                   },
               },
               operation.action);
  }
};

ConntrackTable::ConntrackTable(NetlinkSocket inject, NetlinkSocket dump)
    : inject_(std::move(inject)),
      dump_(std::move(dump)),
      batch_(std::make_unique<Batch>()),
      receive_buffer_(kReceiveBytes) {}

ConntrackTable::ConntrackTable(ConntrackTable&&) noexcept = default;
ConntrackTable& ConntrackTable::operator=(ConntrackTable&&) noexcept = default;
ConntrackTable::~ConntrackTable() = default;

Result<ConntrackTable> ConntrackTable::open(int answer_buffer_bytes) {
  auto inject = NetlinkSocket::open(
      {.bus = NETLINK_NETFILTER, .receive_buffer_bytes = answer_buffer_bytes, .blocking = false});
  if (!inject && inject.error().code == EPERM) {
    return fail(Blame::system, "writing the conntrack table is not permitted: it needs CAP_NET_ADMIN", EPERM);
  }
  if (!inject) return std::unexpected(inject.error());
  auto dump = NetlinkSocket::open(dump_options());
  if (!dump) return std::unexpected(dump.error());
  return ConntrackTable(std::move(*inject), std::move(*dump));
}

Result<std::vector<Refusal>> ConntrackTable::apply(std::span<const Operation> operations) {
  std::vector<Refusal> refusals;
  Batch& batch = *batch_;
  while (!operations.empty()) {
    batch.clear(sequence_ + 1);
    const std::size_t count = std::min(operations.size(), kMessagesPerSend);
    for (std::size_t i = 0; i < count; ++i) batch.add(operations[i], i + 1 == count);
    sequence_ += static_cast<std::uint32_t>(batch.operation_ids.size());
    if (auto done = finish(batch, refusals); !done) return std::unexpected(done.error());
    operations = operations.subspan(count);
  }
  return refusals;
}

// Sends the batch and collects its errors up to the acknowledgement of the last message. The kernel works on
// a batch inside sendmsg, so all answers are already there; if the end is not, answers were lost.
Status ConntrackTable::finish(Batch& batch, std::vector<Refusal>& refusals) {
  if (auto sent = inject_.send(batch.bytes); !sent) return sent;
  counters_.messages_sent += batch.operation_ids.size();
  const std::size_t known_before = refusals.size();
  const auto last = static_cast<std::uint32_t>(batch.operation_ids.size()) - 1;
  bool ended = false;
  bool lost = false;
  while (!ended) {
    const auto got = inject_.receive(receive_buffer_);
    if (!got && got.error().code != ENOBUFS) return std::unexpected(got.error());
    if (!got) {
      lost = true;
      continue;
    }
    if (*got == 0) break;
    for_each_message(ByteSpan(receive_buffer_).first(*got), [&](const nlmsghdr& header) {
      const std::uint32_t index = header.nlmsg_seq - batch.first_sequence;
      if (header.nlmsg_type != NLMSG_ERROR || index > last) return true;
      ended = ended || index == last;
      const int code = answer_code(header);
      const bool repeated =
          refusals.size() > known_before && refusals.back().id == batch.operation_ids[index];
      if (code != 0 && !repeated) refusals.push_back({.id = batch.operation_ids[index], .error = code});
      return true;
    });
  }
  if (lost || !ended) {
    refusals.resize(known_before);
    for (const std::uint64_t id : batch.operation_ids) {
      const bool repeated = refusals.size() > known_before && refusals.back().id == id;
      if (!repeated) refusals.push_back({.id = id, .error = kResultUnknown});
    }
    counters_.unknown_results += refusals.size() - known_before;
    return {};
  }
  counters_.refusals += refusals.size() - known_before;
  return {};
}

Status ConntrackTable::begin_dump() {
  if (phase_ != Phase::idle) {
    auto fresh = NetlinkSocket::open(dump_options());
    if (!fresh) return std::unexpected(fresh.error());
    dump_ = std::move(*fresh);
  }
  phase_ = Phase::entries;
  return request_dump();
}

Status ConntrackTable::request_dump() {
  ByteVector request;
  ++dump_sequence_;
  if (phase_ == Phase::entries) append_conntrack_dump(request, dump_sequence_);
  if (phase_ == Phase::expectations) append_expectation_dump(request, dump_sequence_);
  return dump_.send(request);
}

Result<DumpPiece> ConntrackTable::next_dump_piece() {
  DumpPiece piece;
  if (phase_ == Phase::idle) return fail(Blame::kernel, "no dump was begun");
  const auto got = dump_.receive(receive_buffer_);
  if (!got) return std::unexpected(got.error());
  Status status;
  for_each_message(ByteSpan(receive_buffer_).first(*got), [&](const nlmsghdr& header) {
    if (header.nlmsg_seq != dump_sequence_) return true;
    if ((header.nlmsg_flags & NLM_F_DUMP_INTR) != 0) {
      ++counters_.dumps_interrupted;
      piece.progress = DumpPiece::Progress::interrupted;
      return false;
    }
    status = take(header, piece);
    return status.has_value();
  });
  if (!status) return std::unexpected(status.error());
  return piece;
}

Status ConntrackTable::take(const nlmsghdr& header, DumpPiece& piece) {
  if (header.nlmsg_type == NLMSG_ERROR || header.nlmsg_type == NLMSG_DONE) return end_phase(header, piece);
  if (header.nlmsg_type >> 8 == NFNL_SUBSYS_CTNETLINK) {
    if (auto entry = parse_conntrack(header)) {
      piece.entries.push_back(std::move(*entry));
      return {};
    }
  } else if (header.nlmsg_type >> 8 == NFNL_SUBSYS_CTNETLINK_EXP) {
    if (auto expectation = parse_expectation(header)) {
      piece.expectations.push_back(std::move(*expectation));
      return {};
    }
  }
  ++counters_.unparsable;
  return {};
}

Status ConntrackTable::end_phase(const nlmsghdr& header, DumpPiece& piece) {
  if (const int code = answer_code(header); code != 0) {
    return fail_errno("the kernel refuses to dump its table", code, Blame::kernel);
  }
  if (phase_ == Phase::entries) {
    phase_ = Phase::expectations;
    return request_dump();
  }
  phase_ = Phase::idle;
  piece.progress = DumpPiece::Progress::finished;
  return {};
}

}  // namespace ftfw::sync
