#include "appliance/control/orders.hpp"

#include <utility>

namespace ftfw {

class OrderDesk::OrderAnswer : public AnswerStream {
 public:
  explicit OrderAnswer(std::shared_ptr<ControlAnswer> answer) : answer_(std::move(answer)) {}

  Result<Progress> next(std::string& out) override {
    if (answer_->id == 0) return Progress::waits;
    if (!answer_->report.empty()) {
      out += std::exchange(answer_->report, {});
      return Progress::more;
    }
    if (!answer_->done) return fail(answer_->invalid ? Blame::configuration : Blame::peer, answer_->text);
    out += answer_->text;
    return Progress::finished;
  }

 private:
  std::shared_ptr<ControlAnswer> answer_;
};

Answer OrderDesk::post(Order order) {
  const std::uint64_t id = ++last_id_;
  if (!orders_.try_post({.id = id, .what = std::move(order)})) {
    return fail(Blame::system, "too many orders wait for the daemon");
  }
  auto answer = std::make_shared<ControlAnswer>();
  waiting_[id] = answer;
  return std::make_unique<OrderAnswer>(std::move(answer));
}

void OrderDesk::read_answers() {
  answers_.clear_wakeups();
  while (auto answer = answers_.take()) {
    const auto found = waiting_.find(answer->id);
    if (found == waiting_.end()) continue;
    if (const auto waiting = found->second.lock()) *waiting = std::move(*answer);
    waiting_.erase(found);
  }
}

}  // namespace ftfw
