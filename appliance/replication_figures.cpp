#include "appliance/replication_figures.hpp"

namespace ftfw {

Figures rejected_by_reason(const sync::Counters& counters) {
  return {// by this node's kernel
          {"reply_tuple_taken", counters.reply_clash},
          {"table_full", counters.table_full},
          {"helper_unknown", counters.without_helper},
          {"master_missing", counters.without_master},
          {"labels_without_rule", counters.labels_refused},
          {"expectation_refused", counters.expectation_refused},
          {"update_of_nothing", counters.incomplete},
          {"other_kernel_refusal", counters.other_refusals},
          // by this node's engine
          {"stale_epoch", counters.stale_epoch},
          {"not_a_replica", counters.refused_by_role},
          {"not_replicated_here", counters.uncovered},
          {"malformed_frame", counters.frames_malformed},
          {"foreign_frame", counters.frames_foreign},
          {"duplicate_frame", counters.frames_duplicate},
          {"frame_beyond_window", counters.frames_beyond_window},
          {"hello_refused", counters.hellos_refused},
          {"unknown_message", counters.messages_unknown}};
}

ConversationStatus conversation_of(const sync::Progress& progress, const sync::Counters& counters,
                                   Instant now, WallTime wall_now) {
  ConversationStatus status;
  status.lag = {.entries = progress.lag_entries,
                .reconcile_due = progress.reconcile_due || progress.reconciling != sync::Reconciling::idle,
                .arriving = progress.waiting_operations,
                .young = progress.young_flows};
  if (progress.lag_since) status.lag.oldest = now - *progress.lag_since;
  status.traffic = {
      {"entries sent", counters.entries_sent + counters.destroys_sent + counters.expectations_sent},
      {"entries acknowledged", progress.acknowledged_entries},
      {"messages received", counters.messages_received},
      {"frames sent", counters.frames_sent},
      {"frames received", counters.frames_received},
      {"frames resent", counters.frames_resent},
      {"ended young", counters.flows_ended_young}};
  status.rejected = rejected_by_reason(counters);
  const sync::Reconciled& last = progress.last_reconcile;
  if (last.finished) {
    status.last_reconcile = ReconcileStatus{
        .why = std::string(sync::name_of(last.cause)),
        .finished = wall_now - std::chrono::duration_cast<WallTime::duration>(now - *last.finished),
        .took = last.took,
        .entries = last.entries,
        .ranges = last.ranges,
        .differing = last.differing,
        .repaired = last.sent};
  }
  if (progress.reconciling != sync::Reconciling::idle) {
    status.progress = ProgressStatus{.what = std::string(sync::name_of(progress.reconciling)),
                                     .elapsed = now - progress.reading.since,
                                     .done = progress.reading.done,
                                     .expected = progress.reading.expected};
  }
  return status;
}

}  // namespace ftfw
