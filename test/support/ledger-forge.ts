import { generateKeyPairSync, type KeyObject } from 'node:crypto'
import type { LedgerBlock } from '../../src/ledger/format/block.ts'
import { type LedgerCheckpoint, signCheckpoint } from '../../src/ledger/format/checkpoint.ts'
import { decodeEntry, encodeEntry } from '../../src/ledger/format/encoding.ts'
import { type LedgerEntry, ledgerEntry } from '../../src/ledger/format/record.ts'
import { type BlockRecord, encodeBlock, firstHash, nextHash, recordsOf } from './ledger-blocks.ts'

/** A record of a ledger that is being made or tampered with. */
export type ForgedRecord = BlockRecord

/** A block before it is encoded. */
export interface ForgedBlock {
  readonly id: number
  readonly stream: string
  readonly firstSeq: number
  readonly records: readonly ForgedRecord[]
}

export const signingKey: KeyObject = generateKeyPairSync('ed25519').privateKey
export const startedAt = Date.UTC(2026, 10, 24)

export function streamId(number: number): string {
  return number.toString(16).padStart(32, '0')
}

/** Writes streams as a writer does: each stream's records chained, cut into blocks as they come. */
export interface LedgerForge {
  readonly blocks: ForgedBlock[]
  /** Adds a block of entries to a stream. */
  readonly write: (stream: string, ...entries: readonly LedgerEntry[]) => void
  readonly head: (stream: string) => { readonly stream: string; readonly seq: number; readonly hash: string }
  /** Adds a block that holds a checkpoint of what is there of the stream. */
  readonly writeCheckpoint: (stream: string, key?: KeyObject) => LedgerCheckpoint
}

export function createLedgerForge(): LedgerForge {
  const heads = new Map<string, { seq: number; chainHash: Uint8Array }>()
  const blocks: ForgedBlock[] = []
  const headOf = (stream: string): { seq: number; chainHash: Uint8Array } => {
    const found = heads.get(stream) ?? { seq: 0, chainHash: firstHash(stream) }
    heads.set(stream, found)
    return found
  }
  const forge: LedgerForge = {
    blocks,
    write: (stream, ...entries) => {
      const head = headOf(stream)
      const firstSeq = head.seq + 1
      const records = entries.map((written) => {
        const entry = encodeEntry(written)
        head.seq += 1
        head.chainHash = nextHash(head.chainHash, head.seq, entry)
        return { entry, chainHash: head.chainHash }
      })
      blocks.push({ id: blocks.length + 1, stream, firstSeq, records })
    },
    head: (stream) => {
      const { seq, chainHash } = headOf(stream)
      return { stream, seq, hash: Buffer.from(chainHash).toString('hex') }
    },
    writeCheckpoint: (stream, key = signingKey) => {
      const at = startedAt + headOf(stream).seq
      const checkpoint = signCheckpoint({ ...forge.head(stream), at }, key)
      forge.write(stream, ledgerEntry({ at, event: 'ledger.checkpoint', detail: { ...checkpoint } }))
      return checkpoint
    },
  }
  return forge
}

/** A request's entry; `number` tells one from the others. */
export function requestEntry(number: number): LedgerEntry {
  return ledgerEntry({
    at: startedAt + number,
    event: 'request.admitted',
    requestId: `request-${number}`,
    keyId: '7Qm2xT0bKc9Z',
    status: 200,
    measures: { requests: 1 },
  })
}

/** Encodes a block, with the columns that its records have. */
export function sealed({ id, stream, firstSeq, records }: ForgedBlock): LedgerBlock {
  const times = records.map(({ entry }) => decodeEntry(entry).at)
  return {
    id,
    stream,
    firstSeq,
    count: records.length,
    minAt: Math.min(...times),
    maxAt: Math.max(...times),
    body: encodeBlock(records),
  }
}

/** Undoes `sealed`. */
export function unsealed({ id, stream, firstSeq, body }: LedgerBlock): ForgedBlock {
  return { id, stream, firstSeq, records: [...recordsOf(body)] }
}

/** The chain of a stream's records made anew from one of them on, as anyone with the file can. */
export function rechained(
  records: readonly ForgedRecord[],
  from: number,
  before: Uint8Array,
): readonly ForgedRecord[] {
  let chainHash = before
  return records.map(({ entry }, index) => {
    chainHash = nextHash(chainHash, from + index, entry)
    return { entry, chainHash }
  })
}
