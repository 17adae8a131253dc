#include "appliance/flows/cache_source.hpp"

#include <utility>

#include "appliance/flows/kernel_source.hpp"

namespace ftfw {
namespace {

constexpr std::size_t kEntriesInPiece = 256;

}  // namespace

class CacheDesk::Source : public FlowSource {
 public:
  Source(CacheDesk& desk, FlowKind kind) : desk_(desk), read_{.kind = kind} {}

  Result<AnswerStream::Progress> next(FlowSink& sink) override {
    if (kernel_) return kernel_->next(sink);
    if (!answer_) {
      if (const Status asked = ask(); !asked) return std::unexpected(asked.error());
    }
    if (answer_->id == 0) return AnswerStream::Progress::waits;
    const CachePiece got = std::move(*std::exchange(answer_, nullptr));
    if (!got.cached && read_.first) {
      auto kernel = open_kernel_flows(read_.kind);
      if (!kernel) return std::unexpected(kernel.error());
      kernel_ = std::move(*kernel);
      return kernel_->next(sink);
    }
    if (!got.cached || got.piece.progress == sync::DumpPiece::Progress::interrupted) {
      return fail(Blame::peer, "the flows have moved meanwhile; ask again");
    }
    for (const sync::ConntrackEntry& entry : got.piece.entries) sink.take(entry);
    for (const sync::Expectation& expectation : got.piece.expectations) sink.take(expectation);
    if (got.piece.progress == sync::DumpPiece::Progress::finished) return AnswerStream::Progress::finished;
    read_.first = false;
    read_.after = got.end;
    return AnswerStream::Progress::more;
  }

 private:
  Status ask() {
    read_.id = ++desk_.last_id_;
    if (!desk_.reads_.try_post(read_)) return fail(Blame::system, "too many ask for flows");
    answer_ = std::make_shared<CachePiece>();
    desk_.waiting_[read_.id] = answer_;
    return {};
  }

  CacheDesk& desk_;
  CacheRead read_;
  std::shared_ptr<CachePiece> answer_;
  std::unique_ptr<FlowSource> kernel_;
};

Result<std::unique_ptr<FlowSource>> CacheDesk::open(FlowKind kind) {
  return std::make_unique<Source>(*this, kind);
}

void CacheDesk::read_pieces() {
  pieces_.clear_wakeups();
  while (auto piece = pieces_.take()) {
    const auto found = waiting_.find(piece->id);
    if (found == waiting_.end()) continue;
    if (const auto waiting = found->second.lock()) *waiting = std::move(*piece);
    waiting_.erase(found);
  }
}

void answer_reads(const sync::FlowTables& tables, CacheReads& reads, CachePieces& pieces) {
  reads.clear_wakeups();
  while (const auto read = reads.take()) {
    CachePiece answer{.id = read->id, .cached = tables.caching()};
    if (answer.cached) {
      answer.end = read->first ? tables.cache().begin() : read->after;
      switch (read->kind) {
        case FlowKind::entries:
          answer.piece = tables.cache().read(answer.end, kEntriesInPiece);
          answer.piece.expectations.clear();
          break;
        case FlowKind::expectations:
          answer.piece = tables.cache().read_expectations(answer.end, kEntriesInPiece);
          break;
      }
    }
    [[maybe_unused]] const bool posted = pieces.try_post(std::move(answer));
  }
}

}  // namespace ftfw
