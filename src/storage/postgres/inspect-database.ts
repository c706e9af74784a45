import { SetupError } from '../../core/setup-error.ts'
import type { KeyStore } from '../../keys/store/key-store.ts'
import { parsePeppers } from '../../secrets/peppers.ts'
import type { SigningKeys } from '../../secrets/signing-key.ts'
import { fail, messageOf, ok, warn } from '../finding.ts'
import { compareSigningKey } from '../keys/check-signing-key.ts'
import type { FleetNode, StorageFinding, StorageInspection } from '../storage.ts'
import { parseDatabaseUrl } from './database-url.ts'
import { findServer } from './findings/server-findings.ts'
import { inspectKeys } from './keys/inspect-keys.ts'
import { createSettingTable } from './keys/setting-table.ts'
import { inspectPostgresLedger } from './ledger/inspect.ts'
import { listNodes } from './nodes.ts'
import { commandDeadlines, openPostgres, type Postgres } from './postgres.ts'
import { prepareSchema } from './schema.ts'

export interface InspectDatabaseOptions {
  readonly url: string
  readonly signingKeys: SigningKeys | undefined
}

/** Reads a fleet's database; each call opens what it needs, and writes nothing. */
export function inspectDatabase({ url, signingKeys }: InspectDatabaseOptions): StorageInspection {
  const { name } = parseDatabaseUrl(url)
  const openKeys = async (pepper: string | undefined): Promise<Pick<KeyStore, 'findKey' | 'close'>> => {
    await prepareSchema(url, 'never')
    const postgres = await open(url, 2)
    try {
      const peppers = parsePeppers(pepper ?? '', 'the environment')
      return { ...(await inspectKeys(postgres, peppers)), close: postgres.close }
    } catch (error) {
      await postgres.close()
      throw error
    }
  }
  const nodes = async (): Promise<readonly FleetNode[]> => {
    await prepareSchema(url, 'never')
    const postgres = await open(url, 1)
    try {
      return await listNodes(postgres)
    } finally {
      await postgres.close()
    }
  }
  return {
    async findings({ pepper }) {
      const found = await findServer(url)
      const isThere = found.every(({ status }) => status !== 'fail')
      if (!isThere) return found
      const keys = await checkKeys(() => openKeys(pepper))
      return [...found, keys, ...(await checkSigner(url, signingKeys)), checkNodes(await nodes())]
    },
    openKeys: ({ pepper }) => openKeys(pepper),
    ledger: inspectPostgresLedger({ url, name, signingKeys }),
    nodes,
  }
}

function open(url: string, connectionsMax: number): Promise<Postgres> {
  return openPostgres({ ...commandDeadlines, url, fault: 'store_unavailable', connectionsMax })
}

/** Whether the keys are those of this pepper, and none is missing or older than it should be. */
async function checkKeys(openKeys: () => Promise<Pick<KeyStore, 'close'>>): Promise<StorageFinding> {
  try {
    await (await openKeys()).close()
    return ok('keys', 'as they were written, under the pepper that is given')
  } catch (error) {
    const isOfPepper = error instanceof SetupError && error.code.startsWith('pepper_')
    const todo = isOfPepper ? 'give every node the pepper that the keys were made with' : undefined
    return fail('keys', messageOf(error), todo)
  }
}

/** Whether nodes sign with this key. */
async function checkSigner(url: string, keys: SigningKeys | undefined): Promise<readonly StorageFinding[]> {
  if (keys === undefined) return []
  const check = 'signing key'
  const postgres = await open(url, 1)
  try {
    const state = await compareSigningKey(createSettingTable(postgres.query, postgres.schema), keys)
    if (state === 'previous')
      return [warn(check, 'the one before the deployment’s', 'give every node and command the new one')]
    return [ok(check, state === 'next' ? 'new: nodes that start sign with it' : 'the deployment’s')]
  } catch (error) {
    return [fail(check, messageOf(error), 'give every node and command the same')]
  } finally {
    await postgres.close()
  }
}

function checkNodes(nodes: readonly FleetNode[]): StorageFinding {
  const live = nodes.filter(({ isLive }) => isLive).length
  return ok('nodes', live === 0 ? 'none is live' : `${live} live`)
}
