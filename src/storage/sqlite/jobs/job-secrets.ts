import type { SqliteDatabase } from '../database.ts'
import type { JobReads, JobWrites, SyncCalls } from './job-calls.ts'

/** Adds sealed secrets of webhooks. */
export function createSecretWriter(database: SqliteDatabase): SyncCalls<JobWrites>['addWebhookSecret'] {
  const removeOlder = database.prepare(
    `DELETE FROM webhook_secrets WHERE owner = ?1 AND place <>
      (SELECT place FROM webhook_secrets WHERE owner = ?1 ORDER BY place DESC LIMIT 1)`,
  )
  const end = database.prepare(
    'UPDATE webhook_secrets SET signs_until = min(coalesce(signs_until, ?1), ?1) WHERE owner = ?2',
  )
  const insert = database.prepare(
    'INSERT INTO webhook_secrets (owner, sealed, created_at, signs_until) VALUES (?, ?, ?, ?)',
  )
  return ({ owner, sealed, createdAt, signsUntil }, overlapUntil) => {
    removeOlder.run(owner)
    end.run(overlapUntil, owner)
    insert.run(owner, sealed, createdAt, signsUntil)
  }
}

interface SecretRow {
  readonly owner: string
  readonly sealed: Uint8Array
  readonly createdAt: number
  readonly signsUntil: number | null
}

/** Finds those that may sign. */
export function createSecretFinder(database: SqliteDatabase): SyncCalls<JobReads>['findWebhookSecrets'] {
  const select = database.prepare<SecretRow>(
    `SELECT owner, sealed, created_at AS createdAt, signs_until AS signsUntil FROM webhook_secrets
      WHERE owner = ? AND (signs_until IS NULL OR signs_until > ?) ORDER BY place DESC`,
  )
  return (owner, now) => select.all(owner, now).map((row) => ({ ...row }))
}
