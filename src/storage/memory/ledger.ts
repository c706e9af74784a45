import { type KeyObject, randomBytes } from 'node:crypto'
import { Fault } from '../../core/fault.ts'
import type { Clock } from '../../core/time.ts'
import { firstLink, nextLink } from '../../ledger/format/chain.ts'
import { type LedgerCheckpoint, signCheckpoint } from '../../ledger/format/checkpoint.ts'
import { decodeEntry, encodeEntry } from '../../ledger/format/encoding.ts'
import { formatPosition, readPosition } from '../../ledger/format/position.ts'
import { type LedgerEntry, type LedgerRecord, ledgerEntry } from '../../ledger/format/record.ts'
import type { Ledger, LedgerPage, LedgerQuery } from '../../ledger/ledger.ts'
import { isMatch } from '../../ledger/query/filter.ts'
import { ledgerPageOf } from '../../ledger/query/ledger-page.ts'
import { createUsageSum } from '../../ledger/query/usage.ts'

export interface MemoryLedgerOptions {
  /** An Ed25519 private key; checkpoints are signed with it. */
  readonly signingKey: KeyObject
  /** Milliseconds since the epoch. @default Date.now */
  readonly clock?: Clock
}

/** Keeps the ledger in memory, without a bound: for tests and for trying out. It ends with the process, so nothing in it is durable. */
export function createMemoryLedger({ signingKey, clock = Date.now }: MemoryLedgerOptions): Ledger {
  const stream = randomBytes(16).toString('hex')
  const records: LedgerRecord[] = []
  let link = firstLink(stream)
  let isOpen = true

  function write(entry: LedgerEntry): void {
    const bytes = encodeEntry(entry)
    const seq = records.length + 1
    link = nextLink(link, seq, bytes)
    const position = formatPosition({ block: seq, index: 0 })
    records.push({ ...decodeEntry(bytes), position, stream, seq, hash: link.toString('hex') })
  }

  function writeCheckpoint(): LedgerCheckpoint {
    const at = Math.floor(clock())
    const checkpoint = signCheckpoint(
      { stream, seq: records.length, hash: link.toString('hex'), at },
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
        for (const record of records) if (isMatch(record, query)) sum.add(record)
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
