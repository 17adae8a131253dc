#include "sync/operations.hpp"

#include <netinet/in.h>

#include <cerrno>
#include <utility>

namespace ftfw::sync {
namespace {

void mask_flags(ConntrackEntry& entry) {
  if (!entry.tcp) return;
  entry.tcp->flags_original &= kCarriedTcpFlags;
  entry.tcp->flags_reply &= kCarriedTcpFlags;
}

FollowUp again(Upsert& upsert, Upsert::Step step) {
  upsert.step = step;
  return {.verdict = Verdict::again};
}

FollowUp create_without_master(Upsert& upsert) {
  upsert.entry.master.reset();
  upsert.entry.status = upsert.entry.status.value_or(0) & ~status::kExpected;
  upsert.step = Upsert::Step::create;
  return {.verdict = Verdict::again, .dropped_master = true};
}

}  // namespace

bool wants_liberal(const EntryKey& key) {
  return key.original.protocol == IPPROTO_TCP;
}

bool creatable(const ConntrackEntry& entry) {
  return entry.is_complete() && ((entry.status.value_or(0) & status::kExpected) == 0 || entry.master);
}

void shape_for_create(ConntrackEntry& entry, std::uint32_t timeout_s) {
  entry.status = (entry.status.value_or(0) & status::kCarried & ~status::kExpected) | status::kConfirmed;
  entry.timeout_s = timeout_s;
  mask_flags(entry);
}

CreateConntrack shape_create(ConntrackEntry entry, std::uint32_t timeout_s) {
  shape_for_create(entry, timeout_s);
  return {std::move(entry)};
}

UpdateConntrack shape_update(const ConntrackEntry& entry, std::uint32_t parked_s, bool has_master) {
  UpdateConntrack update{entry};
  if (entry.status) {
    update.entry.status = (*entry.status & status::kCarried & ~status::kExpected) | status::kConfirmed |
                          (has_master ? status::kExpected : 0U);
  }
  update.entry.timeout_s = parked_s;
  if (has_master) update.entry.helper.clear();  // no helper of their own to set
  update.entry.master.reset();
  mask_flags(update.entry);
  return update;
}

UpdateConntrack shape_liberal(const ConntrackEntry& entry, std::uint32_t parked_s) {
  UpdateConntrack update;
  update.entry.key = entry.key;
  update.entry.reply = entry.reply;
  update.entry.timeout_s = parked_s;
  update.entry.tcp = entry.tcp;
  // Read a while ago: the flow may have gone on, or closed, since.
  if (update.entry.tcp) update.entry.tcp->state = TcpState::none;
  // The same helper again makes the kernel pick its sequence tracking up anew (from_nlattr): without that,
  // the helper of a former primary compares with what it saw before the move and overlooks the first command
  // after it. The entry is equal on both sides, so nothing else would update it.
  if (!entry.master) update.entry.helper = entry.helper;
  mask_flags(update.entry);
  return update;
}

UpdateConntrack shape_timeout(const EntryKey& key, const Tuple& reply, std::uint32_t timeout_s) {
  UpdateConntrack update;
  update.entry.key = key;
  update.entry.reply = reply;
  update.entry.timeout_s = timeout_s;
  return update;
}

FollowUp after_create(Upsert& upsert, int error, bool master_is_retried) {
  upsert.tried_create = true;
  switch (error) {
    case 0:
      return {};
    case EEXIST:
      if (upsert.only_if_absent) return {};
      // Of the original tuple: update it. If that is not there either, another flow has the reply tuple.
      if (upsert.tried_update) return {.verdict = Verdict::reply_clash};
      return again(upsert, Upsert::Step::update);
    case ENOENT:
      if (!upsert.entry.master) return {.verdict = Verdict::failed};
      if (master_is_retried && !upsert.waited_for_master) {
        upsert.waited_for_master = true;
        return again(upsert, Upsert::Step::create);
      }
      return create_without_master(upsert);
    case EOPNOTSUPP: {
      if (upsert.entry.helper.empty()) return {.verdict = Verdict::failed};
      upsert.entry.helper.clear();
      FollowUp next = again(upsert, Upsert::Step::create);
      next.dropped_helper = true;
      return next;
    }
    case ENOMEM:
    case ENOSPC:
      return {.verdict = Verdict::table_full};
    default:
      return {.verdict = Verdict::failed};
  }
}

FollowUp after_update(Upsert& upsert, int error) {
  upsert.tried_update = true;
  switch (error) {
    case 0:
      return {};
    case ENOENT:
      if (upsert.tried_create) return {.verdict = Verdict::reply_clash};
      if (!creatable(upsert.entry)) return {.verdict = Verdict::incomplete};
      return again(upsert, Upsert::Step::create);
    case EBUSY:
      // It has a status bit that cannot be taken back: it is an older flow of the same tuple.
      if (!upsert.entry.is_complete()) return {.verdict = Verdict::incomplete};
      if (upsert.tried_replace) return {.verdict = Verdict::failed};
      upsert.tried_replace = true;
      if (!creatable(upsert.entry)) {
        FollowUp next = create_without_master(upsert);
        upsert.step = Upsert::Step::replace;
        return next;
      }
      return again(upsert, Upsert::Step::replace);
    case EOPNOTSUPP: {
      // The kernel's entry has no helper, or the kernel has none of this name.
      if (upsert.entry.helper.empty()) return {.verdict = Verdict::failed};
      upsert.entry.helper.clear();
      FollowUp next = again(upsert, Upsert::Step::update);
      next.dropped_helper = true;
      return next;
    }
    case ENOSPC:
      return {.verdict = upsert.entry.labels.empty() ? Verdict::table_full : Verdict::labels_refused};
    case ENOMEM:
      return {.verdict = Verdict::table_full};
    default:
      return {.verdict = Verdict::failed};
  }
}

}  // namespace ftfw::sync
