import { processScheduler } from '../../../core/scheduler.ts'
import { SetupError } from '../../../core/setup-error.ts'
import { publicKeyOf } from '../../../ledger/format/checkpoint.ts'
import type { SigningKeys } from '../../../secrets/signing-key.ts'
import { compareSigningKey } from '../../keys/check-signing-key.ts'
import type { LedgerInspection } from '../../storage.ts'
import { createSettingTable } from '../keys/setting-table.ts'
import { openPostgres, type Postgres } from '../postgres.ts'
import { connectOnce } from './connect-once.ts'
import { readPostgresHeads } from './heads.ts'
import { createLedgerReader } from './reader.ts'
import { verifyPostgresLedger } from './verify.ts'

export interface InspectPostgresLedgerOptions {
  readonly url: string
  /** What messages call it: without a password. */
  readonly name: string
  /** The deployment's, which is never in the database; undefined where it is not given. */
  readonly signingKeys: SigningKeys | undefined
}

/** An inspection may take long, and no request waits for it. */
const deadlines = { queryTimeoutMs: 60_000, connectTimeoutMs: 5_000 }

/** Reads a ledger in PostgreSQL; each call opens what it needs, and writes nothing. */
export function inspectPostgresLedger({
  url,
  name,
  signingKeys,
}: InspectPostgresLedgerOptions): LedgerInspection {
  async function using<Result>(work: (postgres: Postgres) => Promise<Result>): Promise<Result> {
    const postgres = await openPostgres({
      url,
      fault: 'ledger_unavailable',
      connectionsMax: 1,
      ...deadlines,
    })
    try {
      return await work(postgres)
    } finally {
      await postgres.close()
    }
  }
  const exists = ({ query, schema }: Postgres): Promise<boolean> =>
    query<{ found: boolean }>(`SELECT to_regclass($1) IS NOT NULL AS found`, [`${schema}.block`]).then(
      ([row]) => row?.found === true,
    )
  return {
    name,
    exists: async () => {
      if (await using(exists)) return true
      throw new SetupError('data_missing', `${name}: there is no deployment in this schema`)
    },
    async openReader() {
      const { connect, close } = connectOnce({ url, connectionsMax: 2, ...deadlines })
      const reader = createLedgerReader({ connect, scheduler: processScheduler })
      return {
        ...reader,
        async close() {
          await reader.close()
          await close()
        },
      }
    },
    readHeads: () => using(readPostgresHeads),
    async signingKey() {
      if (signingKeys === undefined)
        throw new SetupError('config_invalid', 'the signing key is missing: set MODELWARD_SIGNING_KEY(_FILE)')
      await using(({ query, schema }) => compareSigningKey(createSettingTable(query, schema), signingKeys))
      return signingKeys.key
    },
    publicKeys: async () => (signingKeys ? [publicKeyOf(signingKeys.key), ...signingKeys.earlier] : []),
    verify: (trust) => using((postgres) => verifyPostgresLedger(postgres, trust)),
  }
}
