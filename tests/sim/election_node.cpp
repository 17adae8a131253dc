#include "tests/sim/election_node.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <utility>
#include <variant>

namespace ftfw::sim {
namespace {

// Between the deadline and the turn of the process.
constexpr Duration kMaxTimerDelay = 50us;
// Shorter than any skew of a node that is not the owner: nobody can have told it anything by then.
constexpr Duration kAtOnce = 30us;

// How long the others wait at most for one who is Active.
Duration longest_patience(const vrrp::Settings& settings) {
  const Duration skew = settings.version == 2 ? Duration(1s) : settings.advertisement_interval;
  return settings.missed_advertisements * settings.advertisement_interval + skew;
}

}  // namespace

ElectionNode::ElectionNode(EventQueue& queue, Random& random, vrrp::Settings settings,
                           std::vector<IpAddress> addresses, Hooks hooks)
    : queue_(queue),
      random_(random),
      settings_(std::move(settings)),
      addresses_(std::move(addresses)),
      hooks_(std::move(hooks)),
      links_(addresses_.size(), true) {}

void ElectionNode::start() {
  if (engine_) return;
  released_ = false;
  engine_.emplace(settings_);
  input([this](vrrp::Engine& engine, Instant now) {
    for (std::size_t i = 0; i < links_.size(); ++i) engine.on_link(now, i, links_[i], addresses_[i]);
    told_adjustment_ = adjustment_;
    engine.set_priority_adjustment(now, adjustment_);
    engine.start(now);
  });
}

void ElectionNode::crash() {
  engine_.reset();
  held_back_.clear();
  ++timer_;
}

void ElectionNode::stall() {
  halt(Halt::stalled);
}

void ElectionNode::resume() {
  if (halt_ == Halt::stalled) go_on(false);
}

void ElectionNode::suspend() {
  halt(Halt::suspended);
}

void ElectionNode::wake(bool clock_stood_still) {
  if (halt_ == Halt::suspended) go_on(clock_stood_still);
}

void ElectionNode::halt(Halt how) {
  if (halt_ != Halt::none) return;
  halt_ = how;
  halted_at_ = queue_.now();
}

void ElectionNode::go_on(bool clock_stood_still) {
  const Duration halted = queue_.now() - halted_at_;
  if (halt_ == Halt::suspended) last_suspension_ = clock_stood_still ? Duration::zero() : halted;
  halt_ = Halt::none;
  if (woken_) awake_before_ = halted_at_ - *woken_;
  woken_ = queue_.now();
  if (clock_stood_still) stood_still_ += halted;
  const bool owner = settings_.priority == vrrp::kPriorityOwner;
  slept_while_active_ = active() && !owner && !clock_stood_still && halted > longest_patience(settings_);
  for (const Input& run : std::exchange(held_back_, {})) input(run);
  if (engine_) arm_timer();
}

void ElectionNode::set_link(std::size_t leg, bool up) {
  links_.at(leg) = up;
  input([leg, up, address = addresses_.at(leg)](vrrp::Engine& engine, Instant now) {
    engine.on_link(now, leg, up, address);
  });
}

void ElectionNode::adjust_priority(int adjustment) {
  adjustment_ = adjustment;
  input([this, adjustment](vrrp::Engine& engine, Instant now) {
    told_adjustment_ = adjustment;
    engine.set_priority_adjustment(now, adjustment);
  });
}

void ElectionNode::set_in_sync(bool in_sync) {
  input([in_sync](vrrp::Engine& engine, Instant now) { engine.set_in_sync(now, in_sync); });
}

void ElectionNode::release() {
  input([this](vrrp::Engine& engine, Instant now) {
    released_ = true;
    engine.release(now);
  });
}

void ElectionNode::reclaim() {
  input([this](vrrp::Engine& engine, Instant now) {
    released_ = false;
    engine.reclaim(now);
  });
}

void ElectionNode::receive(std::size_t leg, const IpAddress& source, const IpAddress& destination,
                           const ByteVector& packet) {
  const auto decoded = vrrp::decode(packet, source, destination);
  if (decoded && decoded->advertisement.priority == vrrp::kPriorityRelease) heard_release_ = queue_.now();
  if (!links_.at(leg) || halt_ == Halt::suspended) return;
  input([leg, source, destination, packet](vrrp::Engine& engine, Instant now) {
    engine.on_packet(now, leg,
                     {.source = source, .destination = destination, .ttl = vrrp::kTtl, .payload = packet});
  });
}

std::uint8_t ElectionNode::expected_priority() const {
  if (settings_.priority == vrrp::kPriorityOwner) return settings_.priority;
  return static_cast<std::uint8_t>(std::clamp(settings_.priority + told_adjustment_, 1, 254));
}

void ElectionNode::input(Input run) {
  if (!engine_) return;
  if (halt_ != Halt::none) {
    held_back_.push_back(std::move(run));
    return;
  }
  const vrrp::State before = engine_->state();
  run(*engine_, clock());
  pump(before);
}

void ElectionNode::pump(vrrp::State before) {
  const std::vector<vrrp::Output> outputs = engine_->take_outputs();
  judge(outputs, before);
  for (const vrrp::Output& output : outputs) {
    if (const auto* send = std::get_if<vrrp::SendAdvertisement>(&output)) {
      if (links_.at(send->router)) hooks_.send(*send);
    } else if (const auto* changed = std::get_if<vrrp::StateChanged>(&output)) {
      hooks_.changed(*changed);
    }
  }
  arm_timer();
}

// The outputs of one input, in their order: the state at each of them is the one that the next StateChanged
// begins or, behind the last one, the one that is left.
void ElectionNode::judge(const std::vector<vrrp::Output>& outputs, vrrp::State before) {
  using vrrp::State;
  State state = before;
  // Since the last change.
  std::set<std::uint8_t> said;
  std::set<std::size_t> legs_heard_of;
  for (auto output = outputs.begin(); output != outputs.end(); ++output) {
    if (const auto* changed = std::get_if<vrrp::StateChanged>(&*output)) {
      if (changed->from != state) hooks_.violated("StateChanged does not follow the last one");
      if (changed->to == State::active && released_) hooks_.violated("Active although released");
      const bool claims_or_gives_up =
          changed->to == State::active || changed->cause.kind == vrrp::Cause::Kind::released;
      if (claims_or_gives_up && legs_heard_of.size() != addresses_.size())
        hooks_.violated("a change of Active that not every leg was told of");
      state = changed->to;
      said.clear();
      legs_heard_of.clear();
      continue;
    }
    const auto* send = std::get_if<vrrp::SendAdvertisement>(&*output);
    if (send == nullptr) continue;
    const auto next = std::ranges::find_if(output, outputs.end(), [](const vrrp::Output& one) {
      return std::holds_alternative<vrrp::StateChanged>(one);
    });
    const State to = next == outputs.end() ? state : std::get<vrrp::StateChanged>(*next).to;
    const auto decoded = vrrp::decode(send->packet, addresses_.at(send->router), send->destination);
    if (!decoded) {
      hooks_.violated("an advertisement that nobody can read");
      continue;
    }
    const std::uint8_t priority = decoded->advertisement.priority;
    said.insert(priority);
    if (said.size() > 1) hooks_.violated("two priorities in one instant: the legs disagree");
    legs_heard_of.insert(send->router);
    if (priority > 0 && to != State::active)
      hooks_.violated(fmt::format("priority {} advertised while not Active", priority));
    if (priority > 0 && slept_while_active_ && queue_.now() - *woken_ < kAtOnce)
      hooks_.violated("advertised at once after a sleep longer than the others' patience");
    if (priority > 0 && released_) hooks_.violated("priority above 0 advertised although released");
    if (priority == 0 && !(state == State::active && to != State::active))
      hooks_.violated("priority 0 advertised without leaving Active");
    if (priority > 0 && priority != expected_priority())
      hooks_.violated(fmt::format("priority {} advertised, {} is ours", priority, int{expected_priority()}));
  }
  if (state != engine_->state()) hooks_.violated("the state changed without a StateChanged");
}

void ElectionNode::arm_timer() {
  const std::uint64_t timer = ++timer_;
  const auto deadline = engine_->next_deadline();
  if (!deadline) return;
  queue_.at(*deadline + stood_still_ + between(random_, 0us, kMaxTimerDelay), [this, timer] {
    if (timer != timer_ || !running()) return;
    input([](vrrp::Engine& engine, Instant now) { engine.on_timer(now); });
  });
}

}  // namespace ftfw::sim
