import pg from 'pg'
import { onTestFinished } from 'vitest'
import { inspectPostgresLedger } from '../../src/storage/postgres/ledger/inspect.ts'
import {
  openPostgresLedger,
  type PostgresLedger,
  type PostgresLedgerOptions,
} from '../../src/storage/postgres/ledger/ledger.ts'
import type { LedgerInspection } from '../../src/storage/storage.ts'
import { openTestSchema, unhurried } from '../support/services.ts'
import { createSigningKey } from './ledger.contract.ts'

export const signingKey = createSigningKey()

/** A schema of a test's own, and what a test does with its ledger. */
export interface LedgerSchema {
  readonly url: string
  readonly schema: string
  /** A statement as the database's owner gives it, past the ledger. */
  readonly sql: (text: string, values?: readonly unknown[]) => Promise<readonly Record<string, unknown>[]>
  /** Another connection, closed when the test ends. */
  readonly connect: () => Promise<pg.Client>
  readonly open: (options?: Partial<PostgresLedgerOptions>) => Promise<PostgresLedger>
  readonly inspect: LedgerInspection
}

/**
 * The same in a database that is there already, such as one to be killed.
 *
 * @param usual what each ledger has unless a test says otherwise
 */
export function ledgerIn(url: string, usual: Partial<PostgresLedgerOptions> = {}): LedgerSchema {
  const plain = new URL(url)
  const schema = plain.searchParams.get('schema') ?? 'modelward'
  plain.searchParams.delete('schema')
  async function connect(): Promise<pg.Client> {
    const client = new pg.Client({ connectionString: plain.href })
    client.on('error', () => {})
    await client.connect()
    onTestFinished(() => client.end())
    return client
  }
  let owner: Promise<pg.Client> | undefined
  return {
    url,
    schema,
    connect,
    async sql(text, values = []) {
      owner ??= connect()
      return (await (await owner).query(text.replaceAll('$schema', schema), [...values])).rows
    },
    async open(options = {}) {
      const ledger = await openPostgresLedger({ url, signingKey, node: 'one', ...usual, ...options })
      onTestFinished(() => ledger.close())
      return ledger
    },
    inspect: inspectPostgresLedger({ url, name: schema, signingKeys: { key: signingKey, earlier: [] } }),
  }
}

export async function openLedgerSchema(): Promise<LedgerSchema> {
  const { url, drop } = await openTestSchema()
  // Registered first, so that it runs last.
  onTestFinished(drop)
  return ledgerIn(url, { connectTimeoutMs: unhurried.connectTimeoutMs })
}
