#include "appliance/replication_figures.hpp"

namespace ftfw {

Figures rejected_by_reason(const sync::Counters& node, const sync::Counters& conversation) {
  return {// by this node's kernel
          {"reply_tuple_taken", node.reply_clash},
          {"table_full", node.table_full},
          {"helper_unknown", node.without_helper},
          {"master_missing", node.without_master},
          {"labels_without_rule", node.labels_refused},
          {"expectation_refused", node.expectation_refused},
          {"update_of_nothing", node.incomplete},
          {"other_kernel_refusal", node.other_refusals},
          // by this node's engine, of what this peer sent
          {"stale_epoch", node.stale_epoch},
          {"not_a_replica", node.refused_by_role},
          {"not_replicated_here", node.uncovered},
          {"malformed_frame", conversation.frames_malformed},
          {"foreign_frame", conversation.frames_foreign},
          {"duplicate_frame", conversation.frames_duplicate},
          {"frame_beyond_window", conversation.frames_beyond_window},
          {"hello_refused", conversation.hellos_refused},
          {"unknown_message", conversation.messages_unknown}};
}

ConversationStatus conversation_of(const sync::Progress& progress, std::size_t peer,
                                   const sync::Counters& node, const sync::Counters& conversation,
                                   Instant now, WallTime wall_now) {
  const sync::PeerProgress& with = progress.peers[peer];
  ConversationStatus status;
  status.lag = {.entries = with.lag_entries,
                .reconcile_due = with.reconcile_due || with.reconciling != sync::Reconciling::idle,
                .arriving = progress.source == peer ? progress.waiting_operations : 0,
                .young = with.young_flows};
  if (with.lag_since) status.lag.oldest = now - *with.lag_since;
  status.traffic = {{"entries sent",
                     conversation.entries_sent + conversation.destroys_sent + conversation.expectations_sent},
                    {"entries acknowledged", with.acknowledged_entries},
                    {"messages received", conversation.messages_received},
                    {"frames sent", conversation.frames_sent},
                    {"frames received", conversation.frames_received},
                    {"frames resent", conversation.frames_resent},
                    {"ended young", conversation.flows_ended_young}};
  status.rejected = rejected_by_reason(node, conversation);
  const sync::Reconciled& last = with.last_reconcile;
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
  if (with.reconciling != sync::Reconciling::idle) {
    status.progress = ProgressStatus{.what = std::string(sync::name_of(with.reconciling)),
                                     .elapsed = now - with.reading.since,
                                     .done = with.reading.done,
                                     .expected = with.reading.expected};
  }
  return status;
}

}  // namespace ftfw
