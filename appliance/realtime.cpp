#include "appliance/realtime.hpp"

#include <pthread.h>
#include <sched.h>
#include <sys/mman.h>

#include <cerrno>

namespace ftfw {

Status use_realtime_scheduling(int priority) {
  const sched_param parameter{.sched_priority = priority};
  const int error = ::pthread_setschedparam(::pthread_self(), SCHED_FIFO | SCHED_RESET_ON_FORK, &parameter);
  // glibc knows only the bare policies; the kernel's call takes the flag.
  if (error == EINVAL && ::sched_setscheduler(0, SCHED_FIFO | SCHED_RESET_ON_FORK, &parameter) == 0)
    return {};
  if (error != 0) return fail_errno("real-time scheduling", error == EINVAL ? errno : error);
  return {};
}

Status lock_memory() {
  if (::mlockall(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT) != 0) return fail_errno("locked memory", errno);
  return {};
}

void name_this_thread(const char* name) {
  ::pthread_setname_np(::pthread_self(), name);
}

}  // namespace ftfw
