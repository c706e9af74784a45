/**
 * What an event carries beside its name: the fields of its log line, and later a metric's labels.
 */
export interface EventFields {
  readonly 'guard.address_unknown': NoFields
  readonly 'server.proxy_untrusted': NoFields
  readonly 'server.started': { readonly address: string; readonly version: string }
  readonly 'server.stopping': { readonly in_flight: number }
  readonly 'server.stopped': NoFields
  readonly 'server.failed': NoFields
  readonly 'server.stores_awaited': NoFields
  readonly 'server.worker_lost': { readonly ended_by: string }
  readonly 'server.runner_gone': NoFields
  readonly 'server.requests_not_logged': { readonly lines: number }
  readonly 'forward_auth.untrusted': { readonly peer: string; readonly requests: number }
  readonly 'config.pepper_readable': { readonly path: string }
  readonly 'config.first_keys_left': { readonly path: string }
  readonly 'refusals.flood': {
    readonly address: string | null
    readonly key_id: string | null
    readonly code: string
    readonly count: number
  }
  readonly 'store.unreachable': StoreFields
  readonly 'store.back': StoreFields
  readonly 'keys.sync_failed': OutageFields
  readonly 'keys.sync_back': OutageFields
  readonly 'keys.refresh_failed': NoFields
  readonly 'keys.upgrade_failed': BriefFields
  readonly 'keys.row_damaged': { readonly row: string }
  readonly 'keys.changes_not_heard': OutageFields
  readonly 'keys.changes_heard': OutageFields
  readonly 'keys.uses_not_written': OutageFields
  readonly 'keys.uses_written': OutageFields
  readonly 'node.not_seen': OutageFields
  readonly 'node.seen': OutageFields
  readonly 'node.clock_off': { readonly milliseconds: number }
  readonly 'node.clock_right': NoFields
  readonly 'limiter.not_persisted': OutageFields
  readonly 'limiter.persisted_again': OutageFields
  readonly 'limiter.not_shared': NoFields
  readonly 'limiter.settle_failed': BriefFields
  readonly 'limiter.unreachable': OutageFields
  readonly 'limiter.back': OutageFields & { readonly forgot: boolean }
  readonly 'limiter.forgot': NoFields
  readonly 'limiter.may_forget': { readonly policy: string }
  readonly 'limiter.shadow_refused': { readonly limit: string }
  readonly 'ledger.unreachable': OutageFields
  readonly 'ledger.back': OutageFields
  readonly 'ledger.not_closed': { readonly records: number }
  readonly 'ledger.record_lost': BriefFields
  readonly 'ledger.summary_late': { readonly requests: number }
  readonly 'ledger.sink_failed': BriefFields
  readonly 'ledger.thread_restarted': { readonly thread: string }
  readonly 'ledger.unclean_start': { readonly streams: readonly string[] }
  readonly 'ledger.signing_key_new': { readonly public_key: string }
  readonly 'ledger.checkpoint': { readonly stream: string; readonly seq: number }
  readonly 'ledger.checkpoint_failed': NoFields
  readonly 'ledger.dropped': { readonly records: number }
  readonly 'ledger.maintenance_failed': NoFields
  readonly 'ledger.log_held': { readonly bytes: number }
  readonly 'ledger.clock_jumped': { readonly seconds: number }
  readonly 'disk.low': { readonly free_bytes: number }
  readonly 'disk.full': { readonly free_bytes: number }
  readonly 'disk.back': { readonly free_bytes: number }
  readonly 'jobs.thread_restarted': { readonly thread: string }
  readonly 'jobs.hints_not_heard': OutageFields
  readonly 'jobs.hints_heard': OutageFields
  readonly 'jobs.unclaimable': OutageFields
  readonly 'jobs.claimable': OutageFields
  readonly 'jobs.leases_not_renewed': OutageFields
  readonly 'jobs.leases_renewed': OutageFields
  readonly 'jobs.sweep_failed': BriefFields & { readonly task: string }
  readonly 'jobs.ends_unknown': NoFields
  readonly 'jobs.unserved': { readonly jobs: number; readonly models: readonly string[] }
  readonly 'job.attempt_failed': { readonly job: string; readonly attempt: number }
  readonly 'job.dead': { readonly job: string; readonly attempts: number; readonly code: string }
  readonly 'job.damaged': { readonly job: string }
  readonly 'job.not_begun': { readonly job: string }
  readonly 'job.not_ended': { readonly job: string }
  readonly 'job.not_recorded': { readonly job: string }
  readonly 'job.not_cancelled': { readonly job: string }
  readonly 'job.handback_failed': { readonly job: string }
  readonly 'job.lease_lost': { readonly job: string; readonly attempt: number }
  readonly 'webhook.gave_up': {
    readonly delivery: string
    readonly attempts: number
    readonly reason: string
  }
  readonly 'webhook.secret_unreadable': BriefFields
  readonly 'webhook.outbox_unreadable': OutageFields
  readonly 'webhook.outbox_readable': OutageFields
  readonly 'webhook.not_settled': BriefFields
  readonly 'webhook.not_recorded': BriefFields
  readonly 'idempotency.release_failed': BriefFields
  readonly 'model.thread_lost': { readonly model: string }
  readonly 'model.process_lost': { readonly model: string }
  readonly 'model.call_stuck': { readonly model: string }
  readonly 'upstream.opened': UpstreamFields
  readonly 'upstream.closed': UpstreamFields
  readonly 'upstream.refused_credential': UpstreamFields & BriefFields
  readonly 'upstream.credential_unread': UpstreamFields & BriefFields
  readonly 'upstream.list_failed': UpstreamFields & BriefFields
  readonly 'upstream.calls_left': { readonly calls: number }
  readonly 'upstream.ends_unknown': NoFields
  readonly 'model.failed': BriefFields & { readonly model: string }
  readonly 'model.timed_out': BriefFields & { readonly model: string }
  readonly 'traces.not_exported': OutageFields
  readonly 'traces.exported': OutageFields
}

/** Events that one request can cause: each says which, where one did. */
export type RequestEventName =
  | `job.${'attempt_failed' | 'dead' | 'not_begun' | 'not_ended' | 'not_recorded'}`
  | `job.${'not_cancelled' | 'handback_failed' | 'lease_lost'}`
  | `webhook.${'gave_up' | 'not_recorded' | 'not_settled' | 'secret_unreadable'}`
  | `limiter.${'settle_failed' | 'shadow_refused'}`
  | `ledger.${'record_lost' | 'sink_failed'}`
  | 'guard.address_unknown'
  | 'server.proxy_untrusted'
  | 'keys.upgrade_failed'
  | 'idempotency.release_failed'

type NoFields = Readonly<Record<never, never>>

/** Of an outage, at its beginning, each minute, and at its end. */
interface OutageFields {
  readonly since: string
  readonly attempts: number
}

/** Of an outage of a whole store. */
interface StoreFields extends OutageFields {
  readonly store: string
}

/** Of what is said once a minute at most. */
interface BriefFields {
  readonly times: number
}

/** Of a model server that calls are forwarded to: its name in the configuration. */
interface UpstreamFields {
  readonly upstream: string
}
