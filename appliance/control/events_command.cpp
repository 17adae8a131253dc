#include "appliance/control/events_command.hpp"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <charconv>
#include <chrono>
#include <iterator>
#include <memory>
#include <nlohmann/json.hpp>
#include <utility>

namespace ftfw {
namespace {

// "2026-11-02 10:14:03.123 UTC  warning  text"
void append_text(const HappenedEvent& event, std::string& out) {
  const auto seconds = std::chrono::floor<std::chrono::seconds>(event.at);
  const auto milliseconds = std::chrono::duration_cast<std::chrono::milliseconds>(event.at - seconds).count();
  fmt::format_to(std::back_inserter(out), "{:%Y-%m-%d %H:%M:%S}.{:03} UTC  {:7}  {}\n",
                 fmt::gmtime(std::chrono::system_clock::to_time_t(seconds)), milliseconds,
                 log::name_of(event.level), event.text);
}

// An object a line, so that a program can follow too.
void append_json(const HappenedEvent& event, std::string& out) {
  nlohmann::ordered_json object = {{"schema", 1},
                                   {"number", event.number},
                                   {"at", std::chrono::duration<double>(event.at.time_since_epoch()).count()},
                                   {"level", log::name_of(event.level)},
                                   {"text", event.text}};
  for (const auto& [key, value] : event.fields) object[key] = value;
  out += object.dump() + "\n";
}

class EventStream : public AnswerStream {
 public:
  EventStream(EventLog& events, std::uint64_t after, bool json, std::shared_ptr<int> follower)
      : events_(events), after_(after), json_(json), follower_(std::move(follower)) {}

  Result<Progress> next(std::string& out) override {
    const std::vector<HappenedEvent> piece = events_.after(after_);
    for (const HappenedEvent& event : piece) json_ ? append_json(event, out) : append_text(event, out);
    if (!piece.empty()) {
      after_ = piece.back().number;
      return Progress::more;
    }
    return follower_ ? Progress::idles : Progress::finished;
  }

 private:
  EventLog& events_;
  std::uint64_t after_;
  bool json_;
  std::shared_ptr<int> follower_;  // none: what is there is all
};

Answer open_stream(EventLog& events, const std::shared_ptr<int>& followers, Words words) {
  const bool json = words.take_flag("--json");
  const bool follow = words.take_flag("--follow");
  const auto last = words.take_value("--last");
  if (const Status finished = words.finish(); !finished) return std::unexpected(finished.error());
  std::uint64_t after = 0;
  if (last) {
    std::uint64_t count = 0;
    const auto [end, error] = std::from_chars(last->data(), last->data() + last->size(), count);
    if (error != std::errc() || end != last->data() + last->size()) {
      return fail(Blame::peer, "--last takes a number, not \"" + *last + "\"");
    }
    after = events.newest() - std::min(count, events.newest());
  }
  if (follow && followers.use_count() > static_cast<long>(kMaxFollowers)) {
    return fail(Blame::peer, fmt::format("{} clients follow the events already", kMaxFollowers));
  }
  return std::make_unique<EventStream>(events, after, json, follow ? followers : nullptr);
}

}  // namespace

ControlCommand events_command(EventLog& events) {
  return {.name = "events",
          .arguments = "[--json] [--last N] [--follow]",
          .help = "what happened since the start: changes of role and their causes, peers, alarms",
          .handle = [&events, followers = std::make_shared<int>()](Words words) {
            return open_stream(events, followers, std::move(words));
          }};
}

}  // namespace ftfw
