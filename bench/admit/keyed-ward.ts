import { join } from 'node:path'
import type { RequestHead } from '../../src/core/request-head.ts'
import { processScheduler } from '../../src/core/scheduler.ts'
import { apiKeyHeader } from '../../src/guard/scheme.ts'
import type { KeyFormat } from '../../src/keys/record/key-text.ts'
import { createInProcessLimiter } from '../../src/limits/in-process/in-process-limiter.ts'
import { drawPepper, type Peppers, parsePeppers } from '../../src/secrets/peppers.ts'
import { openSqliteKeyStore } from '../../src/storage/sqlite/keys/key-file.ts'
import { gatherStorage } from '../../src/ward/test-ward.ts'
import { createWard, type Ward } from '../../src/ward/ward.ts'
import { createTemporaryFolder } from '../leftovers.ts'
import { createNumberedKeys, type NumberedKeys } from './numbered-keys.ts'

/** A guard that tells how often it has asked its store for a key. */
export interface CountedWard extends Ward {
  readonly lookUps: () => number
}

/** A guard over an SQLite store that holds the keys number 0 and up. */
export interface KeyedWard {
  readonly keys: NumberedKeys
  /** Another guard over the same store, with an empty cache. */
  readonly openWard: (cachedKeysMax: number, limits?: readonly string[]) => Promise<CountedWard>
  /** How long it took to add the keys, in seconds. */
  readonly loadSeconds: number
  readonly remove: () => void
}

const format: KeyFormat = { prefix: 'mw', environment: 'live' }
const batchSize = 20_000

export async function createKeyedWard(count: number): Promise<KeyedWard> {
  const folder = createTemporaryFolder()
  const file = join(folder.path, 'modelward.db')
  const peppers = parsePeppers(drawPepper(1), 'the benchmark')
  const keys = createNumberedKeys(format, peppers)
  const openWard: KeyedWard['openWard'] = (cachedKeysMax, limits = []) =>
    openCounted(file, peppers, cachedKeysMax, limits)
  const ward = await openWard(2)
  const startedAt = performance.now()
  for (let first = 0; first < count; first += batchSize) {
    const numbers = Array.from({ length: Math.min(batchSize, count - first) }, (_, index) => first + index)
    const { outcome } = await ward.store.addKeys(numbers.map(keys.record))
    if (outcome !== 'added') throw new Error(`the keys from number ${first} on were not added: ${outcome}`)
  }
  const loadSeconds = (performance.now() - startedAt) / 1_000
  await ward.close()
  return { keys, openWard, loadSeconds, remove: folder.remove }
}

async function openCounted(
  file: string,
  peppers: Peppers,
  cachedKeysMax: number,
  limitDefault: readonly string[],
): Promise<CountedWard> {
  const store = openSqliteKeyStore({ peppers, file })
  let lookUps = 0
  const counted: typeof store = {
    ...store,
    findKey(id) {
      lookUps += 1
      return store.findKey(id)
    },
  }
  const storage = gatherStorage({
    keys: counted,
    ledger: undefined,
    jobs: undefined,
    limiter: createInProcessLimiter({ scheduler: processScheduler }),
    secrets: { peppers },
  })
  const ward = await createWard(storage, {
    schemes: [apiKeyHeader({ name: 'X-API-Key' })],
    format,
    cachedKeysMax,
    limitDefault,
  })
  return { ...ward, lookUps: () => lookUps }
}

/** The head of a request with this key, as an adapter would give it. */
export function headOf(key: string): RequestHead {
  return {
    headerValues: (name) => (name === 'x-api-key' ? [key] : []),
    queryValues: () => [],
    address: '127.0.0.1',
  }
}
