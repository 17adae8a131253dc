#include "appliance/flows/command.hpp"

#include <fmt/format.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>

#include <iterator>
#include <nlohmann/json.hpp>
#include <utility>

#include "appliance/flows/filter.hpp"
#include "appliance/flows/lines.hpp"
#include "appliance/flows/objects.hpp"
#include "sync/linux/conntrack_codec.hpp"
#include "sync/linux/expectation_codec.hpp"

namespace ftfw {
namespace {

struct Wish {
  FlowKind kind = FlowKind::entries;
  bool json = false;
  bool count = false;
  LineFormat format = LineFormat::plain;
  FlowFilter filter;
};

// Writes what the filter lets through, one line each.
class Listing : public FlowSink {
 public:
  explicit Listing(Wish wish) : wish_(std::move(wish)) {}

  void write_to(std::string* out) { out_ = out; }

  void take(const nlmsghdr& message) override {
    if (message.nlmsg_type >> 8 == NFNL_SUBSYS_CTNETLINK_EXP) {
      take(message, sync::parse_expectation(message));
    } else {
      take(message, sync::parse_conntrack(message));
    }
  }
  void take(const sync::ConntrackEntry& entry) override { take_value(entry); }
  void take(const sync::Expectation& expectation) override { take_value(expectation); }

  void begin() {
    if (wish_.json && !wish_.count) *out_ += "{\"schema\": 1, \"flows\": [";
  }

  void end() {
    auto out = std::back_inserter(*out_);
    if (wish_.count) {
      fmt::format_to(out, fmt::runtime(wish_.json ? "{{\"schema\": 1, \"count\": {}}}\n" : "{}\n"), count_);
    } else if (wish_.json) {
      fmt::format_to(out, "{}], \"count\": {}}}\n", count_ > 0 ? "\n" : "", count_);
    }
  }

 private:
  // As conntrack(8) writes it; what our own codec does not know (a zone of one direction) is shown where
  // nothing has to be known about it.
  template <typename Parsed>
  void take(const nlmsghdr& message, const Parsed& parsed) {
    if (parsed ? !wish_.filter.matches(*parsed) : wish_.filter.any() || (wish_.json && !wish_.count)) return;
    ++count_;
    if (wish_.count) return;
    if (wish_.json) {
      add_object(object_of(*parsed));
    } else {
      append_line(*out_, message, wish_.format);
    }
  }

  template <typename Value>
  void take_value(const Value& value) {
    if (!wish_.filter.matches(value)) return;
    ++count_;
    if (wish_.count) return;
    if (wish_.json) {
      add_object(object_of(value));
    } else {
      append_line(*out_, value, wish_.format);
    }
  }

  void add_object(const nlohmann::ordered_json& object) {
    *out_ += count_ == 1 ? "\n" : ",\n";
    *out_ += object.dump();
  }

  Wish wish_;
  std::string* out_ = nullptr;
  std::uint64_t count_ = 0;
};

class FlowsAnswer : public AnswerStream {
 public:
  FlowsAnswer(Wish wish, std::unique_ptr<FlowSource> source)
      : listing_(std::move(wish)), source_(std::move(source)) {}

  Result<Progress> next(std::string& out) override {
    listing_.write_to(&out);
    if (!std::exchange(begun_, true)) listing_.begin();
    const auto progress = source_->next(listing_);
    if (progress == Progress::finished) listing_.end();
    return progress;
  }

 private:
  Listing listing_;
  std::unique_ptr<FlowSource> source_;
  bool begun_ = false;
};

Result<Wish> read_wish(Words& words) {
  Wish wish;
  auto filter = FlowFilter::take_from(words);
  if (!filter) return std::unexpected(filter.error());
  wish.filter = std::move(*filter);
  if (words.take_flag("--expectations")) wish.kind = FlowKind::expectations;
  wish.json = words.take_flag("--json");
  wish.count = words.take_flag("--count");
  if (const auto format = words.take_value("--output")) {
    if (*format != "extended")
      return fail(Blame::configuration, "--output " + *format + ": expected extended");
    wish.format = LineFormat::extended;
  }
  if (const Status finished = words.finish(); !finished) return std::unexpected(finished.error());
  return wish;
}

}  // namespace

ControlCommand flows_command(OpenFlowSource open_source) {
  return {.name = "flows",
          .arguments = fmt::format("[--expectations] [--json] [--count] [--output extended] {}",
                                   FlowFilter::arguments()),
          .help = "the flows that this node holds, in the words of conntrack(8)",
          .handle = [open_source = std::move(open_source)](Words words) -> Answer {
            auto wish = read_wish(words);
            if (!wish) return std::unexpected(wish.error());
            auto source = open_source(wish->kind);
            if (!source) return std::unexpected(source.error());
            return std::make_unique<FlowsAnswer>(std::move(*wish), std::move(*source));
          }};
}

}  // namespace ftfw
