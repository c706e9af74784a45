import type { RowMacs } from '../../../../secrets/row-macs.ts'
import type { WebhookOutbox, WebhookSecret } from '../../../../webhooks/outbox.ts'
import { macedSecret } from '../../../job-row-macs.ts'
import type { Postgres } from '../../postgres.ts'
import { isStorable } from '../../storable-text.ts'
import { DamagedRow } from '../damaged-row.ts'

interface SecretRow extends WebhookSecret {
  readonly place: number
  readonly mac: Uint8Array
}

/** Sealed secrets that sign webhooks. */
export function createSecretCalls(
  postgres: Postgres,
  macs: RowMacs,
): Pick<WebhookOutbox, 'findWebhookSecrets' | 'addWebhookSecret'> {
  const { query, schema, name } = postgres
  const isWhole = ({ mac, ...secret }: SecretRow): boolean => macs.isOf(...macedSecret(secret), mac)

  return {
    async findWebhookSecrets(owner, now) {
      if (!isStorable(owner)) return []
      const rows = await selectSecrets(postgres, owner)
      if (!rows.every(isWhole)) throw new DamagedRow(`a webhook secret of ${owner}`, name)
      return rows
        .filter(({ signsUntil }) => signsUntil === null || signsUntil > now)
        .map(({ place: _, mac: __, ...secret }) => secret)
    },
    async addWebhookSecret(secret, overlapUntil) {
      const { owner, sealed, createdAt, signsUntil } = secret
      // The new one takes the place of those that were damaged.
      const damaged = (await selectSecrets(postgres, owner)).filter((row) => !isWhole(row))
      await query(
        `SELECT ${schema}.add_webhook_secret($1, $2::bytea, $3::bigint, $4::bigint, $5::bigint, $6::bytea,
          $7::bigint[])`,
        [
          ...[owner, Buffer.from(sealed), createdAt, signsUntil, overlapUntil],
          ...[macs.of(...macedSecret(secret)), damaged.map(({ place }) => place)],
        ],
      )
    },
  }
}

function selectSecrets({ query, schema }: Postgres, owner: string): Promise<readonly SecretRow[]> {
  return query<SecretRow>(
    `SELECT place, owner, sealed, created_at AS "createdAt", signs_until AS "signsUntil", mac
      FROM ${schema}.webhook_secrets WHERE owner = $1 ORDER BY place DESC`,
    [owner],
  )
}
