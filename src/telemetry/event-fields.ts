/**
 * What an event carries beside its name: the fields of its log line, and later a metric's labels.
 */
export interface EventFields {
  readonly 'guard.address_unknown': NoFields
  readonly 'server.proxy_untrusted': NoFields
  readonly 'server.failed': NoFields
  readonly 'server.stores_awaited': NoFields
  readonly 'server.worker_lost': { readonly ended_by: string }
  readonly 'server.runner_gone': NoFields
  readonly 'server.requests_not_logged': { readonly lines: number }
  readonly 'forward_auth.untrusted': { readonly peer: string; readonly requests: number }
  readonly 'keys.sync_failed': NoFields
  readonly 'keys.sync_back': NoFields
  readonly 'keys.refresh_failed': NoFields
  readonly 'keys.upgrade_failed': NoFields
  readonly 'keys.row_damaged': { readonly row: string }
  readonly 'keys.changes_not_heard': NoFields
  readonly 'keys.changes_heard': NoFields
  readonly 'keys.uses_not_written': NoFields
  readonly 'keys.uses_written': NoFields
  readonly 'node.not_seen': NoFields
  readonly 'node.seen': NoFields
  readonly 'node.clock_off': { readonly milliseconds: number }
  readonly 'node.clock_right': NoFields
  readonly 'limiter.not_persisted': NoFields
  readonly 'limiter.persisted_again': NoFields
  readonly 'limiter.not_shared': NoFields
  readonly 'limiter.settle_failed': NoFields
  readonly 'limiter.unreachable': NoFields
  readonly 'limiter.back': NoFields
  readonly 'limiter.forgot': NoFields
  readonly 'limiter.may_forget': { readonly policy: string }
  readonly 'limiter.shadow_refused': { readonly limit: string }
  readonly 'ledger.unreachable': NoFields
  readonly 'ledger.back': NoFields
  readonly 'ledger.not_closed': { readonly records: number }
  readonly 'ledger.record_lost': NoFields
  readonly 'ledger.summary_late': { readonly requests: number }
  readonly 'ledger.sink_failed': NoFields
  readonly 'ledger.thread_restarted': { readonly thread: string }
  readonly 'ledger.unclean_start': { readonly streams: readonly string[] }
  readonly 'ledger.signing_key_new': { readonly public_key: string }
  readonly 'ledger.checkpoint_failed': NoFields
  readonly 'ledger.maintenance_failed': NoFields
  readonly 'ledger.log_held': { readonly bytes: number }
  readonly 'ledger.clock_jumped': { readonly seconds: number }
  readonly 'disk.low': { readonly free_bytes: number }
  readonly 'disk.full': { readonly free_bytes: number }
  readonly 'disk.back': { readonly free_bytes: number }
  readonly 'jobs.thread_restarted': { readonly thread: string }
  readonly 'jobs.hints_not_heard': NoFields
  readonly 'jobs.hints_heard': NoFields
  readonly 'jobs.unclaimable': NoFields
  readonly 'jobs.leases_not_renewed': NoFields
  readonly 'jobs.sweep_failed': { readonly task: string }
  readonly 'jobs.ends_unknown': NoFields
  readonly 'job.attempt_failed': { readonly job: string; readonly attempt: number }
  readonly 'job.damaged': { readonly job: string }
  readonly 'job.not_begun': { readonly job: string }
  readonly 'job.not_ended': { readonly job: string }
  readonly 'job.not_recorded': { readonly job: string }
  readonly 'job.not_cancelled': { readonly job: string }
  readonly 'job.handback_failed': { readonly job: string }
  readonly 'webhook.secret_unreadable': NoFields
  readonly 'webhook.outbox_unreadable': NoFields
  readonly 'webhook.not_settled': NoFields
  readonly 'webhook.not_recorded': NoFields
  readonly 'idempotency.release_failed': NoFields
  readonly 'model.thread_lost': { readonly model: string }
  readonly 'model.process_lost': { readonly model: string }
  readonly 'model.call_stuck': { readonly model: string }
}

type NoFields = Readonly<Record<never, never>>
