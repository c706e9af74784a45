/** Outages by the event that begins them and is said again each minute; the other one ends them. */
export const outages = {
  'store.unreachable': 'store.back',
  'keys.sync_failed': 'keys.sync_back',
  'keys.changes_not_heard': 'keys.changes_heard',
  'keys.uses_not_written': 'keys.uses_written',
  'node.not_seen': 'node.seen',
  'limiter.unreachable': 'limiter.back',
  'limiter.not_persisted': 'limiter.persisted_again',
  'ledger.unreachable': 'ledger.back',
  'disk.low': 'disk.back',
  'jobs.unclaimable': 'jobs.claimable',
  'jobs.leases_not_renewed': 'jobs.leases_renewed',
  'jobs.hints_not_heard': 'jobs.hints_heard',
  'traces.not_exported': 'traces.exported',
  'webhook.outbox_unreadable': 'webhook.outbox_readable',
} as const

export type OutageName = keyof typeof outages
