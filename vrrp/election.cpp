#include "vrrp/election.hpp"

#include "vrrp/advertisement.hpp"

namespace ftfw::vrrp {
namespace {

// RFC 9568 6.4.2, Backup, on an ADVERTISEMENT:
//   priority 0                                        set Active_Down_Timer to Skew_Time
//   Preempt_Mode is false, or priority >= own         learn the interval, reset Active_Down_Timer
//   otherwise                                         discard
Verdict judge_as_backup(const OwnClaim& own, const HeardClaim& heard) {
  if (heard.priority == kPriorityRelease) return Verdict::await_skew;
  if (!own.may_preempt || heard.priority >= own.priority) return Verdict::follow;
  return Verdict::let_timer_run;
}

// RFC 9568 6.4.3, Active, on an ADVERTISEMENT:
//   priority 0                                        send an ADVERTISEMENT, reset Adver_Timer
//   priority > own, or equal from a greater address   learn the interval, become Backup
//   otherwise                                         discard, send an ADVERTISEMENT immediately
Verdict judge_as_active(const OwnClaim& own, const HeardClaim& heard) {
  if (heard.priority == kPriorityRelease) return Verdict::answer;
  if (heard.priority > own.priority) return Verdict::step_down;
  if (heard.priority == own.priority && heard.address > own.address) return Verdict::step_down;
  return Verdict::assert_claim;
}

}  // namespace

Verdict judge(const OwnClaim& own, const HeardClaim& heard) {
  switch (own.state) {
    case State::initialize:
    case State::fault:
      return Verdict::nothing;
    case State::backup:
      return judge_as_backup(own, heard);
    case State::active:
      return judge_as_active(own, heard);
  }
  return Verdict::nothing;
}

}  // namespace ftfw::vrrp
