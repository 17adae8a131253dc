// The verdict on one received advertisement that passed all checks of reception.hpp: what RFC 9568 6.4 says
// to do with it. Pure: it changes nothing and knows no time; the engine carries the verdict out for the
// group.
#pragma once

#include <cstdint>

#include "appliance/base/address.hpp"
#include "vrrp/state.hpp"

namespace ftfw::vrrp {

enum class Verdict : std::uint8_t {
  nothing,  // not electing (initialize, fault)
  // in backup
  await_skew,     // the Active router releases: whoever is first after the skew takes over
  follow,         // learn its interval, restart the down timer
  let_timer_run,  // a lower priority is Active: our timer runs on and then we preempt it
  // in active
  answer,        // somebody releases: advertise so that the others know who is here
  assert_claim,  // it loses against us: advertise at once
  step_down,     // it wins: become Backup
};

struct OwnClaim {
  State state = State::initialize;
  std::uint8_t priority = 0;
  IpAddress address;         // primary address, for the tie
  bool may_preempt = false;  // Preempt_Mode, and nothing else forbids it now
};

struct HeardClaim {
  std::uint8_t priority = 0;
  IpAddress address;  // source of the advertisement
};

Verdict judge(const OwnClaim& own, const HeardClaim& heard);

}  // namespace ftfw::vrrp
