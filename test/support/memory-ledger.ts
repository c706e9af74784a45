import { type KeyObject, randomBytes } from 'node:crypto'
import { Fault } from '../../src/core/fault.ts'
import type { Clock } from '../../src/core/time.ts'
import { type LedgerCheckpoint, signCheckpoint } from '../../src/ledger/format/checkpoint.ts'
import { decodeEntry, encodeEntry } from '../../src/ledger/format/encoding.ts'
import { formatPosition, readPosition } from '../../src/ledger/format/position.ts'
import { type LedgerEntry, type LedgerRecord, ledgerEntry } from '../../src/ledger/format/record.ts'
import type { Ledger, LedgerFilter, LedgerPage, LedgerQuery } from '../../src/ledger/ledger.ts'
import { ledgerPageOf } from '../../src/ledger/query/filter.ts'
import { createUsageSum } from '../../src/ledger/query/usage.ts'
import { usageEntryOf } from '../../src/ledger/query/usage-entry.ts'
import { firstHash, nextHash } from './ledger-blocks.ts'

export interface MemoryLedgerOptions {
  /** An Ed25519 private key; checkpoints are signed with it. */
  readonly signingKey: KeyObject
  /** Milliseconds since the epoch. @default Date.now */
  readonly clock?: Clock
}

/** A ledger in memory, without a bound, for tests: none of it is durable. */
export function createMemoryLedger({ signingKey, clock = Date.now }: MemoryLedgerOptions): Ledger {
  const stream = randomBytes(16).toString('hex')
  const records: LedgerRecord[] = []
  let chainHash = firstHash(stream)
  let isOpen = true

  function write(entry: LedgerEntry): void {
    const bytes = encodeEntry(entry)
    const seq = records.length + 1
    chainHash = nextHash(chainHash, seq, bytes)
    const position = formatPosition({ block: seq, index: 0 })
    records.push({ ...decodeEntry(bytes), position, stream, seq, hash: chainHash.toString('hex') })
  }

  function writeCheckpoint(): LedgerCheckpoint {
    const at = Math.floor(clock())
    const checkpoint = signCheckpoint(
      { stream, seq: records.length, hash: chainHash.toString('hex'), at },
      signingKey,
    )
    write(ledgerEntry({ at, event: 'ledger.checkpoint', detail: { ...checkpoint } }))
    return checkpoint
  }

  async function run<T>(work: () => T): Promise<T> {
    if (!isOpen) throw new Fault('ledger_unavailable', 'ledger: it is closed')
    return work()
  }

  write(
    ledgerEntry({
      at: Math.floor(clock()),
      event: 'ledger.opened',
      detail: { version: '1', before: [], unclosed: [] },
    }),
  )
  writeCheckpoint()

  return {
    append: (entry) => run(() => write(entry)),
    checkpoint: () => run(writeCheckpoint),
    query: (query) => run(() => pageOf(records, query)),
    usage: (query) =>
      run(() => {
        const sum = createUsageSum(query)
        for (const record of records) {
          const entry = isMatch(record, query) ? usageEntryOf(record) : undefined
          if (entry !== undefined) sum.add(entry)
        }
        return sum.rows()
      }),
    async close() {
      if (!isOpen) return
      writeCheckpoint()
      write(ledgerEntry({ at: Math.floor(clock()), event: 'ledger.closed' }))
      isOpen = false
    },
  }
}

function pageOf(records: readonly LedgerRecord[], query: LedgerQuery): LedgerPage {
  const { limit, order, after } = query
  const border = after === undefined ? undefined : readPosition(after).block
  const isBehind = ({ seq }: LedgerRecord): boolean =>
    border === undefined || (order === 'oldest' ? seq > border : seq < border)
  const inOrder = order === 'oldest' ? records : records.toReversed()
  const found = inOrder.filter((record) => isBehind(record) && isMatch(record, query)).slice(0, limit + 1)
  return ledgerPageOf(found, query)
}

function isMatch(entry: LedgerEntry, filter: LedgerFilter): boolean {
  return (
    entry.at >= (filter.since ?? Number.NEGATIVE_INFINITY) &&
    entry.at < (filter.until ?? Number.POSITIVE_INFINITY) &&
    isWanted(entry.keyId, filter.keyId) &&
    isWanted(entry.owner, filter.owner) &&
    isWanted(entry.code, filter.code) &&
    isWanted(entry.event, filter.event) &&
    (filter.events === undefined || filter.events.includes(entry.event)) &&
    isWanted(entry.route, filter.route) &&
    isWanted(entry.requestId, filter.requestId)
  )
}

function isWanted(value: string | null, wanted: string | undefined): boolean {
  return wanted === undefined || value === wanted
}
