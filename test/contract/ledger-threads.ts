import { join } from 'node:path'
import { onTestFinished } from 'vitest'
import { encodeEntry } from '../../src/ledger/format/encoding.ts'
import type { LedgerEntry } from '../../src/ledger/format/record.ts'
import type { LedgerPage, LedgerQuery, UsageQuery, UsageRow } from '../../src/ledger/ledger.ts'
import { openLedgerDatabaseToRead } from '../../src/storage/sqlite/ledger/ledger-database.ts'
import { createMaintenance } from '../../src/storage/sqlite/ledger/maintenance.ts'
import { createLedgerSearch } from '../../src/storage/sqlite/ledger/search.ts'
import { createStreamWriter } from '../../src/storage/sqlite/ledger/stream-writer.ts'
import type { LedgerRetention, LedgerThreadCalls } from '../../src/storage/sqlite/ledger/threads.ts'
import { fillUsage } from '../../src/storage/sqlite/ledger/usage/fill-usage.ts'
import type { HeldRows } from '../../src/storage/sqlite/ledger/usage/held-usage.ts'
import { openUsageDatabase } from '../../src/storage/sqlite/ledger/usage/usage-database.ts'
import { createSigningKey, ledgerBegin, requestOf } from './ledger.contract.ts'
import { createTemporaryFolder } from './temporary-folder.ts'

const signingKey = createSigningKey()
/** Of maintenance: what it has to do is one turn's on a busy machine too. */
const turnMs = 60_000

export interface OpenedThreads {
  readonly file: string
  readonly write: (entries: readonly LedgerEntry[]) => void
  /** Sums up all usage, however many turns that would take. */
  readonly sumUp: () => void
  readonly maintain: (now?: number) => ReturnType<LedgerThreadCalls['maintain']>
  readonly heldUsage: LedgerThreadCalls['heldUsage']
  readonly endMaintenance: () => void
  readonly query: (query: Partial<LedgerQuery>) => LedgerPage
  /** As a process reads it that has summed up no more than what is given. */
  readonly usage: (query: UsageQuery, held?: HeldRows) => readonly UsageRow[]
  /** As the process reads it that sums up usage. */
  readonly usageBeside: (query: UsageQuery) => readonly UsageRow[]
  /** Writes as another process does: a stream of its own. */
  readonly writeBeside: (entries: readonly LedgerEntry[]) => void
}

/** The work of the ledger's threads, without the threads. */
export function openThreads(retention: LedgerRetention = {}): OpenedThreads {
  const file = join(createTemporaryFolder(), 'ledger.db')
  const data = { role: 'writer', file, signingKey, checkpointRecords: 1e9, streamPerCommit: false } as const
  const writer = createStreamWriter(data)
  const maintenance = createMaintenance({ role: 'maintenance', file, signingKey, retention }, turnMs)
  const other = createStreamWriter(data)
  const search = createLedgerSearch({ role: 'reader', file })
  onTestFinished(() => {
    for (const thread of [search, maintenance, writer, other]) thread.close({ now: ledgerBegin })
  })
  writer.open({ now: ledgerBegin })
  return {
    file,
    write: (entries) => writer.write({ entries: joined(entries), now: ledgerBegin }),
    sumUp: () => sumUpAll(file),
    maintain: (now = ledgerBegin) => maintenance.maintain({ now }),
    heldUsage: (query) => maintenance.heldUsage(query),
    endMaintenance: () => maintenance.close({ now: ledgerBegin }),
    usage: (query, held) => search.usage({ query, held }),
    usageBeside: (query) => search.usage({ query, held: maintenance.heldUsage(query) }),
    writeBeside: (entries) => other.write({ entries: joined(entries), now: ledgerBegin }),
    query: (query) => search.query({ limit: 1_000, order: 'newest', ...query }),
  }
}

function sumUpAll(file: string): void {
  const ledger = openLedgerDatabaseToRead(file)
  const usage = openUsageDatabase(file, 100)
  while (fillUsage(usage, ledger));
  usage.close()
  ledger.close()
}

/** One turn of maintenance, by a process that opens the file anew. */
export function maintainAnew(file: string): void {
  const maintenance = createMaintenance({ role: 'maintenance', file, signingKey, retention: {} }, turnMs)
  maintenance.maintain({ now: ledgerBegin })
  maintenance.close({ now: ledgerBegin })
}

function joined(entries: readonly LedgerEntry[]): Uint8Array<ArrayBuffer> {
  return new Uint8Array(
    Buffer.concat(
      entries.flatMap((entry) => {
        const bytes = encodeEntry(entry)
        const length = Buffer.alloc(4)
        length.writeUInt32LE(bytes.length)
        return [length, bytes]
      }),
    ),
  )
}

/** Requests of 977 keys and five owners, one a millisecond. */
export function manyOf(count: number, first = 0): LedgerEntry[] {
  return Array.from({ length: count }, (_, index) => {
    const number = first + index
    return requestOf({
      at: ledgerBegin + number,
      requestId: `r${number}`,
      keyId: `key_${number % 977}`,
      owner: `owner ${number % 5}`,
      code: number % 10_000 === 0 ? 'rate_limited' : null,
    })
  })
}
