import type { WebhookSecret } from '../../../webhooks/outbox.ts'
import type { SqliteDatabase } from '../database.ts'
import type { JobReads, JobWrites, SyncCalls } from './job-calls.ts'
import { DamagedRow, sumOf, unlessDamaged } from './row-sums.ts'

/** Adds sealed secrets of webhooks. */
export function createSecretWriter(database: SqliteDatabase): SyncCalls<JobWrites>['addWebhookSecret'] {
  const removeOlder = database.prepare(
    `DELETE FROM webhook_secrets WHERE owner = ?1 AND place <>
      (SELECT place FROM webhook_secrets WHERE owner = ?1 ORDER BY place DESC LIMIT 1)`,
  )
  const select = database.prepare<StoredSecret>(
    `SELECT ${secretColumns} FROM webhook_secrets WHERE owner = ?`,
  )
  const end = database.prepare('UPDATE webhook_secrets SET ends_at = ?, sum = ? WHERE place = ?')
  const remove = database.prepare('DELETE FROM webhook_secrets WHERE place = ?')
  const insert = database.prepare(
    'INSERT INTO webhook_secrets (owner, sealed, created_at, ends_at, sum) VALUES (?, ?, ?, ?, ?)',
  )
  return (secret, overlapUntil) => {
    removeOlder.run(secret.owner)
    for (const row of select.all(secret.owner)) {
      const before = unlessDamaged(() => readSecret(row))
      if (before === undefined) {
        remove.run(row.place)
        continue
      }
      const signsUntil = Math.min(before.signsUntil ?? overlapUntil, overlapUntil)
      end.run(signsUntil, sumOfSecret({ ...before, signsUntil }), row.place)
    }
    const { owner, sealed, createdAt, signsUntil } = secret
    insert.run(owner, sealed, createdAt, signsUntil, sumOfSecret(secret))
  }
}

/** Columns of `webhook_secrets`. */
export const secretColumns: string =
  'place, owner, sealed, created_at AS createdAt, ends_at AS signsUntil, sum'

export interface StoredSecret extends WebhookSecret {
  readonly place: number
  readonly sum: number
}

export function sumOfSecret({ owner, sealed, createdAt, signsUntil }: WebhookSecret): number {
  return sumOf([owner, createdAt, signsUntil], sealed)
}

/** @throws DamagedRow */
function readSecret({ place: _, sum, ...secret }: StoredSecret): WebhookSecret {
  if (sum !== sumOfSecret(secret)) throw new DamagedRow(`a webhook secret of ${secret.owner}`)
  return secret
}

/** Finds those that may sign. */
export function createSecretFinder(database: SqliteDatabase): SyncCalls<JobReads>['findWebhookSecrets'] {
  const select = database.prepare<StoredSecret>(
    `SELECT ${secretColumns} FROM webhook_secrets WHERE owner = ? ORDER BY place DESC`,
  )
  return (owner, now) =>
    select
      .all(owner)
      .map(readSecret)
      .filter(({ signsUntil }) => signsUntil === null || signsUntil > now)
}
