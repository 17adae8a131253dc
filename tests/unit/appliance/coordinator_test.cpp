#include "appliance/failover/coordinator.hpp"

#include <doctest/doctest.h>

#include <algorithm>

using namespace ftfw;
using namespace ftfw::failover;

namespace {

std::vector<Step> order_of(Transition transition) {
  std::vector<Step> steps;
  for (const PlannedStep& planned : steps_of(transition)) steps.push_back(planned.step);
  return steps;
}

std::vector<Step> without_routes(Transition transition) {
  std::vector<Step> steps = order_of(transition);
  std::erase(steps, Step::add_routes);
  std::erase(steps, Step::remove_routes);
  return steps;
}

// A coordinator whose steps are answered by hand, with a clock that starts somewhere.
struct Bench {
  Coordinator coordinator{
      Coordinator::Settings{.budgets = {}, .announcement_rounds = {1s, 5s}, .announcement_refresh = {}}};
  Instant now{Duration(1h)};
  std::vector<Output> seen;

  void collect() {
    for (Output& output : coordinator.take_outputs()) seen.push_back(std::move(output));
  }
  void change(Role to) {
    coordinator.on_role_change(now, {.to = to, .cause = "test", .at = now, .last_heard = now - 300ms});
    collect();
  }
  void answer(Step step, bool ok = true) {
    const auto run = last<RunStep>();
    REQUIRE(run);
    REQUIRE(run->step == step);
    coordinator.on_step_finished(now,
                                 {.plan = run->plan, .step = step, .ok = ok, .error = ok ? "" : "refused"});
    collect();
  }
  void pass(Duration time) {
    now += time;
    coordinator.on_timer(now);
    collect();
  }
  template <typename T>
  std::optional<T> last() const {
    for (auto it = seen.rbegin(); it != seen.rend(); ++it) {
      if (const T* found = std::get_if<T>(&*it)) return *found;
    }
    return std::nullopt;
  }
  template <typename T>
  std::size_t count() const {
    return static_cast<std::size_t>(
        std::ranges::count_if(seen, [](const Output& output) { return std::holds_alternative<T>(output); }));
  }
  void become_primary() {
    change(Role::primary);
    for (const Step step : without_routes(Transition::take_over)) answer(step);
  }
};

}  // namespace

TEST_CASE("the plans are pinned: rules, flows, addresses, announcement, source") {
  CHECK(order_of(Transition::take_over) == std::vector{Step::activate_rules, Step::commit,
                                                       Step::add_addresses, Step::add_routes, Step::announce,
                                                       Step::become_source, Step::lower_shield});
  CHECK(order_of(Transition::hand_over) == std::vector{Step::remove_addresses, Step::release_claim,
                                                       Step::await_peer, Step::standby_rules,
                                                       Step::remove_routes, Step::become_replica});
  CHECK(order_of(Transition::give_way) ==
        std::vector{Step::remove_addresses, Step::standby_rules, Step::remove_routes, Step::become_replica});
  CHECK(order_of(Transition::fault) == order_of(Transition::give_way));
  CHECK(order_of(Transition::stand_by) == std::vector{Step::standby_rules, Step::become_replica});
  CHECK(order_of(Transition::withdraw) == std::vector{Step::remove_addresses, Step::release_claim,
                                                      Step::standby_rules, Step::remove_routes,
                                                      Step::become_replica});
}

TEST_CASE("a takeover runs its steps one after another and reports the timeline") {
  Bench bench;
  bench.change(Role::primary);
  for (const Step step : without_routes(Transition::take_over)) {
    bench.now += 1ms;
    bench.answer(step);
  }
  const auto reached = bench.last<RoleReached>();
  REQUIRE(reached);
  CHECK(reached->timeline.role == Role::primary);
  CHECK(reached->timeline.total == 5ms);  // the shield is lowered after traffic flows
  CHECK(reached->timeline.to_string() ==
        "took over in 5.00 ms: detected 300.00 ms after the last advertisement, rules 1.00, commit 1.00, "
        "addresses 1.00, announced 1.00, source 1.00, shield lowered 1.00");
  CHECK(bench.coordinator.epoch() == 1);
}

TEST_CASE("the epoch of a takeover is greater than any that the peer has shown") {
  Bench bench;
  bench.coordinator.on_peer(bench.now, 0, {.alive = true, .primary = true, .epoch = 41});
  bench.become_primary();
  CHECK(bench.coordinator.epoch() == 42);
}

TEST_CASE("the epoch is also greater than the one that the peer obeys, and equal to it nothing is raised") {
  Bench bench;
  bench.coordinator.on_peer(bench.now, 0, {.alive = true, .primary = false, .epoch = 0, .obeyed = 5});
  bench.become_primary();
  CHECK(bench.coordinator.epoch() == 6);
  bench.coordinator.on_peer(bench.now, 0, {.alive = true, .primary = false, .epoch = 0, .obeyed = 6});
  bench.collect();
  CHECK(bench.count<RaiseEpoch>() == 0);
  bench.coordinator.on_peer(bench.now, 0, {.alive = true, .primary = false, .epoch = 0, .obeyed = 9});
  bench.collect();
  REQUIRE(bench.last<RaiseEpoch>());
  CHECK(bench.last<RaiseEpoch>()->epoch == 10);
}

TEST_CASE("addresses that a former run left stay while nobody is Active, and go as soon as somebody is") {
  Bench bench;
  bench.change(Role::backup);
  bench.answer(Step::standby_rules);
  bench.answer(Step::become_replica);
  bench.coordinator.on_active_peer_heard(bench.now);
  bench.collect();
  bench.answer(Step::remove_addresses);
  bench.answer(Step::standby_rules);
  bench.answer(Step::become_replica);
  bench.coordinator.on_active_peer_heard(bench.now);
  bench.collect();
  CHECK_FALSE(bench.coordinator.plan_under_way());
}

TEST_CASE("a primary whose peer knows a newer epoch without being primary takes a newer one") {
  Bench bench;
  bench.become_primary();
  bench.coordinator.on_peer(bench.now, 0, {.alive = true, .primary = false, .epoch = 7});
  bench.collect();
  REQUIRE(bench.last<RaiseEpoch>());
  CHECK(bench.last<RaiseEpoch>()->epoch == 8);
}

TEST_CASE("of several nodes every one is asked for its epoch, and any one alive is enough") {
  Coordinator coordinator({.peers = 3});
  CHECK_FALSE(coordinator.any_peer_alive());
  coordinator.on_peer({}, 1, {.alive = true, .epoch = 4, .obeyed = 9});
  coordinator.on_peer({}, 2, {.alive = false, .epoch = 11});
  CHECK(coordinator.any_peer_alive());
  coordinator.on_role_change({}, {.to = Role::primary});
  CHECK(coordinator.epoch() == 12);
}

TEST_CASE("a primary does not outbid a source that a third node hears: the election settles that") {
  Bench bench;
  bench.become_primary();
  bench.coordinator.on_peer(bench.now, 0, {.alive = true, .obeyed = 9, .hears_source = true});
  bench.collect();
  CHECK(bench.count<RaiseEpoch>() == 0);
  bench.coordinator.on_peer(bench.now, 0, {.alive = true, .obeyed = 9, .hears_source = false});
  bench.collect();
  REQUIRE(bench.last<RaiseEpoch>());
  CHECK(bench.last<RaiseEpoch>()->epoch == 10);
}

TEST_CASE("a commit over its budget lets the plan go on, and the shield waits for it") {
  Bench bench;
  bench.change(Role::primary);
  bench.answer(Step::activate_rules);
  const auto commit = bench.last<RunStep>();
  bench.pass(200ms);
  CHECK(bench.count<Alarm>() == 1);
  bench.answer(Step::add_addresses);
  bench.answer(Step::announce);
  bench.answer(Step::become_source);
  CHECK(bench.last<RunStep>()->step == Step::become_source);  // the shield stays up

  bench.coordinator.on_step_finished(bench.now, {.plan = commit->plan, .step = Step::commit});
  bench.collect();
  CHECK(bench.last<RunStep>()->step == Step::lower_shield);
  bench.answer(Step::lower_shield);
  CHECK(bench.count<RoleReached>() == 1);
}

TEST_CASE("a commit that never finishes holds the shield for its limit and no longer") {
  Bench bench;
  bench.change(Role::primary);
  bench.answer(Step::activate_rules);
  bench.pass(200ms);
  bench.answer(Step::add_addresses);
  bench.answer(Step::announce);
  bench.answer(Step::become_source);
  bench.pass(5s);
  CHECK(bench.last<RunStep>()->step == Step::lower_shield);
}

TEST_CASE("a newer plan cancels the older one, whose late answer is counted and dropped") {
  Bench bench;
  bench.change(Role::primary);
  const auto old = bench.last<RunStep>();
  bench.change(Role::backup);
  CHECK(bench.last<RunStep>()->step == Step::remove_addresses);
  bench.coordinator.on_step_finished(bench.now, {.plan = old->plan, .step = old->step});
  bench.collect();
  CHECK(bench.coordinator.late_answers() == 1);
  CHECK(bench.last<RunStep>()->step == Step::remove_addresses);
}

TEST_CASE("rules that cannot be activated withdraw the claim and try again later") {
  Bench bench;
  bench.change(Role::primary);
  bench.answer(Step::activate_rules, false);
  bench.answer(Step::remove_addresses);
  bench.answer(Step::release_claim);
  bench.change(Role::backup);  // the election reports the release; the plan goes on
  bench.answer(Step::standby_rules);
  bench.answer(Step::become_replica);
  CHECK(bench.coordinator.role() == Role::backup);
  CHECK(bench.count<ResumeClaims>() == 0);
  bench.pass(10s);
  CHECK(bench.count<ResumeClaims>() == 1);
}

TEST_CASE(
    "each withdrawal in a row doubles the pause before the next claim, a takeover that succeeds ends the "
    "row") {
  Bench bench;
  const auto withdraw_once = [&bench] {
    bench.change(Role::primary);
    bench.answer(Step::activate_rules, false);
    for (const Step step : without_routes(Transition::withdraw)) bench.answer(step);
  };
  withdraw_once();
  bench.pass(10s);
  CHECK(bench.count<ResumeClaims>() == 1);
  withdraw_once();
  bench.pass(19s);
  CHECK(bench.count<ResumeClaims>() == 1);
  bench.pass(1s);
  CHECK(bench.count<ResumeClaims>() == 2);
  bench.become_primary();
  withdraw_once();
  bench.pass(10s);
  CHECK(bench.count<ResumeClaims>() == 3);
}

TEST_CASE("a stop hands over: forwarding goes on until the peer is heard, then it closes and exits") {
  Bench bench;
  bench.become_primary();
  bench.coordinator.request_stop(bench.now);
  bench.collect();
  bench.answer(Step::remove_addresses);
  bench.answer(Step::release_claim);
  bench.change(Role::backup);
  CHECK(bench.last<RunStep>()->step == Step::release_claim);  // nothing closes yet
  bench.coordinator.on_active_peer_heard(bench.now);
  bench.collect();
  bench.answer(Step::standby_rules);
  CHECK(bench.count<ReadyToExit>() == 0);
  bench.answer(Step::become_replica);
  CHECK(bench.count<ReadyToExit>() == 1);
}

TEST_CASE("a stop without a peer closes after its limit") {
  Bench bench;
  bench.become_primary();
  bench.coordinator.request_stop(bench.now);
  bench.collect();
  bench.answer(Step::remove_addresses);
  bench.answer(Step::release_claim);
  bench.pass(4s);
  bench.answer(Step::standby_rules);
  bench.answer(Step::become_replica);
  CHECK(bench.count<ReadyToExit>() == 1);
}

TEST_CASE("a second stop does not wait for anybody") {
  Bench bench;
  bench.become_primary();
  bench.coordinator.request_stop(bench.now);
  bench.coordinator.request_stop(bench.now);
  bench.collect();
  CHECK(bench.count<ReadyToExit>() == 1);
}

TEST_CASE("a claim that crosses the order to stop is not followed") {
  Bench bench;
  bench.change(Role::backup);
  bench.coordinator.request_stop(bench.now);
  bench.collect();
  bench.change(Role::primary);
  CHECK(bench.coordinator.role() == Role::backup);
  CHECK(bench.last<RunStep>()->step == Step::remove_addresses);
}

TEST_CASE("a lapsed lease gives the claim up and listens again at once") {
  Bench bench;
  bench.become_primary();
  bench.coordinator.on_lease_lapsed(bench.now);
  bench.collect();
  for (const Step step : without_routes(Transition::withdraw)) bench.answer(step);
  bench.pass(0ms);
  CHECK(bench.count<ResumeClaims>() == 1);
}

TEST_CASE("addresses are announced again in rounds while primary, and not after") {
  Bench bench;
  bench.become_primary();
  bench.pass(1s);
  CHECK(bench.count<AnnounceRound>() == 1);
  bench.pass(4s);
  CHECK(bench.count<AnnounceRound>() == 2);
  bench.coordinator.on_announce_again(bench.now);
  bench.collect();
  CHECK(bench.count<AnnounceRound>() == 3);
  bench.change(Role::backup);
  bench.pass(1min);
  CHECK(bench.count<AnnounceRound>() == 3);
}

TEST_CASE("a node that wakes up late does not send the announcements it has missed") {
  Bench bench;
  bench.become_primary();
  bench.pass(1600ms);
  CHECK(bench.count<AnnounceRound>() == 0);
}

TEST_CASE("where virtual routes are configured the plans take them along") {
  Bench bench;
  bench.coordinator = Coordinator({.budgets = {}, .announcement_rounds = {}, .virtual_routes = true});
  bench.change(Role::primary);
  for (const Step step : order_of(Transition::take_over)) bench.answer(step);
  REQUIRE(bench.last<RoleReached>());
  CHECK(bench.last<RoleReached>()->timeline.to_string().contains("addresses 0.00, routes 0.00, announced"));
  bench.change(Role::backup);
  for (const Step step : order_of(Transition::give_way)) bench.answer(step);
  CHECK(bench.last<RoleReached>()->timeline.to_string().contains("routes removed 0.00"));
}

TEST_CASE("a primary announces its addresses again every refresh, a backup never") {
  Bench bench;
  bench.coordinator = Coordinator({.budgets = {}, .announcement_rounds = {}, .announcement_refresh = 60s});
  bench.become_primary();
  bench.pass(59s);
  CHECK(bench.count<AnnounceRound>() == 0);
  bench.pass(1s);
  CHECK(bench.count<AnnounceRound>() == 1);
  bench.pass(60s);
  CHECK(bench.count<AnnounceRound>() == 2);
  bench.change(Role::backup);
  bench.pass(120s);
  CHECK(bench.count<AnnounceRound>() == 2);
}

TEST_CASE("a refresh that comes late is left out: another node may be primary by now") {
  Bench bench;
  bench.coordinator = Coordinator({.budgets = {}, .announcement_rounds = {}, .announcement_refresh = 60s});
  bench.become_primary();
  bench.pass(70s);
  CHECK(bench.count<AnnounceRound>() == 0);
  bench.pass(60s);
  CHECK(bench.count<AnnounceRound>() == 1);
}
