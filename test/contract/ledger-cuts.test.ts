import { join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import type { LedgerBlock } from '../../src/ledger/format/block.ts'
import { type LedgerCheckpoint, publicKeyOf, signCheckpoint } from '../../src/ledger/format/checkpoint.ts'
import { decodeEntry, encodeEntry } from '../../src/ledger/format/encoding.ts'
import { type LedgerEntry, ledgerEntry } from '../../src/ledger/format/record.ts'
import { type LedgerVerifyOptions, verifyLedger } from '../../src/ledger/verify/verify-ledger.ts'
import { readLedgerHeads } from '../../src/storage/sqlite/ledger/heads.ts'
import { openLedgerDatabase } from '../../src/storage/sqlite/ledger/ledger-database.ts'
import { openLedgerBlocks } from '../../src/storage/sqlite/ledger/stored-blocks.ts'
import { createStreamWriter } from '../../src/storage/sqlite/ledger/stream-writer.ts'
import type { Committed, LedgerThreadCalls } from '../../src/storage/sqlite/ledger/threads.ts'
import { createWholeStreamWriter } from '../../src/storage/sqlite/ledger/whole-stream-writer.ts'
import { createLedgerForge, sealed, unsealed } from '../support/ledger-forge.ts'
import { startProcess } from './child-process.ts'
import { createSigningKey, ledgerBegin, requestOf } from './ledger.contract.ts'
import { createTemporaryFolder } from './temporary-folder.ts'

// Where the end of a ledger can be cut off, by each kind of process and each way it can end.

const now = ledgerBegin
const signingKey = createSigningKey()
const trustedKeys = [publicKeyOf(signingKey)]
const revoked = ledgerEntry({ at: now, event: 'key.revoked', keyId: '7Qm2xT0bKc9Z' })

type Writer = Pick<LedgerThreadCalls, 'open' | 'write' | 'close'>

function openWriter(file: string, streamPerCommit: boolean): Writer {
  const data = { role: 'writer', file, signingKey, checkpointRecords: 1e9, streamPerCommit } as const
  const writer = streamPerCommit ? createWholeStreamWriter(data) : createStreamWriter(data)
  onTestFinished(() => {
    writer.close({ now })
  })
  return writer
}

function write(writer: Writer, ...entries: readonly LedgerEntry[]): Committed {
  const parts = entries.map(encodeEntry).flatMap((entry) => {
    const length = Buffer.alloc(4)
    length.writeUInt32LE(entry.length)
    return [length, entry]
  })
  return writer.write({ entries: new Uint8Array(Buffer.concat(parts)), now })
}

/** Writes to a file, and leaves it as the process would. */
type Play = (file: string) => void

const server: Play = (file) => {
  const writer = openWriter(file, false)
  writer.open({ now })
  write(writer, requestOf(), requestOf())
  write(writer, requestOf())
}

const closedServer: Play = (file) => {
  const writer = openWriter(file, false)
  writer.open({ now })
  write(writer, requestOf(), requestOf())
  writer.close({ now })
}

const command: Play = (file) => {
  const writer = openWriter(file, true)
  writer.open({ now })
  write(writer, revoked)
  writer.close({ now })
}

/** Of several commits, the first of several blocks. Killed after them, it leaves no less. */
const longCommand: Play = (file) => {
  const writer = openWriter(file, true)
  write(writer, ...Array.from({ length: 130 }, () => revoked))
  write(writer, revoked, revoked)
}

/** As the version before wrote them, killed after one of its commits or not at all. */
const earlierCommand =
  (commits: 1 | 2 | 3): Play =>
  (file) => {
    const forge = createLedgerForge()
    const id = 'c0'.repeat(16)
    const detail = { version: '1', before: [], unclosed: [] }
    forge.write(id, ledgerEntry({ at: now, event: 'ledger.opened', detail }))
    forge.write(id, revoked)
    const signed = signCheckpoint({ ...forge.head(id), at: now }, signingKey)
    forge.write(
      id,
      ledgerEntry({ at: now, event: 'ledger.checkpoint', detail: { ...signed } }),
      ledgerEntry({ at: now, event: 'ledger.closed' }),
    )
    const database = openLedgerDatabase({ file, busyTimeoutMs: 1_000 })
    const { number } = database
      .prepare<{ number: number }>('INSERT INTO stream (id, opened_at) VALUES (?, ?) RETURNING number')
      .get(id, now) ?? { number: 0 }
    const insert = database.prepare(
      'INSERT INTO block (stream, first_seq, count, min_at, max_at, body) VALUES (?, ?, ?, ?, ?, ?)',
    )
    for (const { firstSeq, count, minAt, maxAt, body } of forge.blocks.slice(0, commits).map(sealed))
      insert.run(number, firstSeq, count, minAt, maxAt, body)
    database.close()
  }

const kinds: readonly {
  readonly kind: string
  readonly play: Play
  /** How many streams it leaves, and which of them a process that comes later says are open. */
  readonly streams: number
  readonly unclosed: number
  /** Whether a cut inside a stream is found without anything that was stored elsewhere. */
  readonly isWhole: boolean
}[] = [
  { kind: 'a server that was closed', play: closedServer, streams: 1, unclosed: 0, isWhole: false },
  { kind: 'a server that was killed or runs', play: server, streams: 1, unclosed: 1, isWhole: false },
  { kind: 'a command, closed or killed', play: command, streams: 1, unclosed: 0, isWhole: true },
  { kind: 'a command of several commits', play: longCommand, streams: 2, unclosed: 0, isWhole: true },
  ...([1, 2, 3] as const).map((commits) => ({
    kind: `a command of the version before, ended after ${commits} of its 3 commits`,
    play: earlierCommand(commits),
    streams: 1,
    unclosed: commits < 3 ? 1 : 0,
    isWhole: false,
  })),
]

interface Ledger {
  readonly blocks: readonly LedgerBlock[]
  readonly streams: readonly string[]
}

function readLedger(file: string): Ledger {
  const source = openLedgerBlocks(file)
  const blocks = [...source.blocks()].map((block) => ({ ...block, body: Buffer.from(block.body) }))
  const streams = source.streams().map(({ id }) => id)
  source.close()
  return { blocks, streams }
}

function kindOf({ blocks, streams }: Ledger, options: LedgerVerifyOptions = {}): string | undefined {
  return verifyLedger(blocks, { trustedKeys, streams, ...options }).firstBroken?.kind
}

/** The ledger with the first records of a stream only, its blocks made to fit. */
function cut(ledger: Ledger, stream: string, keep: number): Ledger {
  const blocks = ledger.blocks
    .map(unsealed)
    .map((block) => {
      if (block.stream !== stream) return block
      return { ...block, records: block.records.slice(0, Math.max(0, keep - block.firstSeq + 1)) }
    })
    .filter(({ records }) => records.length > 0)
    .map(sealed)
  return { ...ledger, blocks }
}

function withoutRow(ledger: Ledger, stream: string): Ledger {
  return { ...ledger, streams: ledger.streams.filter((id) => id !== stream) }
}

function lengthOf({ blocks }: Ledger, stream: string): number {
  return blocks.reduce((sum, block) => sum + (block.stream === stream ? block.count : 0), 0)
}

/** Every stream of the ledger, with each number of records that may be left of it. */
function* cutsOf(ledger: Ledger): Generator<readonly [string, number]> {
  for (const stream of ledger.streams) {
    const length = lengthOf(ledger, stream)
    for (let keep = 0; keep < length; keep += 1) yield [stream, keep]
  }
}

describe.each(kinds)('what $kind has written', ({ play, streams, unclosed, isWhole }) => {
  const played = (...plays: readonly Play[]): string => {
    const file = join(createTemporaryFolder(), 'ledger.db')
    for (const one of plays) one(file)
    return file
  }

  test('is in order', () => {
    const ledger = readLedger(played(play))
    expect([kindOf(ledger), ledger.streams.length]).toEqual([undefined, streams])
  })

  test('cut off anywhere: alone it is found in a stream of one commit, and where nothing is left', () => {
    const ledger = readLedger(played(play))
    for (const [stream, keep] of cutsOf(ledger)) {
      const left = cut(ledger, stream, keep)
      const found = isWhole || keep === 0 ? 'tail_missing' : undefined
      expect([keep, kindOf(left)]).toEqual([keep, found])
      // The streams before it state nothing of it, and its row is removed with it.
      const isLast = stream === ledger.streams.at(-1)
      if (keep === 0 && isLast) expect(kindOf(withoutRow(left, stream))).toBeUndefined()
    }
  })

  test('cut off anywhere, is found by a checkpoint that was stored elsewhere', () => {
    const file = played(play)
    const ledger = readLedger(file)
    const kept = readLedgerHeads(file).map(
      (head): LedgerCheckpoint => signCheckpoint({ ...head, at: now }, signingKey),
    )
    expect(kindOf(ledger, { checkpoints: kept })).toBeUndefined()
    for (const [stream, keep] of cutsOf(ledger)) {
      const left = withoutRow(cut(ledger, stream, keep), stream)
      expect([keep, kindOf(left, { checkpoints: kept })]).toEqual([keep, 'tail_missing'])
    }
  })

  test.each([
    ['a command', command],
    ['a server', server],
  ] as const)('cut off anywhere, is found by the stream of %s that came later', (_, later) => {
    const file = played(play)
    const { streams: before } = readLedger(file)
    later(file)
    const ledger = readLedger(file)
    expect(kindOf(ledger)).toBeUndefined()
    for (const [stream, keep] of cutsOf({ ...ledger, streams: before })) {
      const left = withoutRow(cut(ledger, stream, keep), stream)
      expect([keep, kindOf(left)]).toEqual([keep, 'tail_missing'])
    }
  })

  test('cut off together with the end of the command that vouches for it, is found', () => {
    const file = played(play)
    const [first = ''] = readLedger(file).streams
    command(file)
    const ledger = readLedger(file)
    const last = ledger.streams.at(-1) ?? ''
    for (let keep = 0; keep < lengthOf(ledger, first); keep += 1)
      expect(kindOf(cut(cut(ledger, first, keep), last, 1))).toBe('tail_missing')
  })

  test('is told by the next that begins, where it has no end', () => {
    for (const streamPerCommit of [true, false]) {
      const file = played(play)
      const ids = readLedger(file).streams
      const told = write(openWriter(file, streamPerCommit), revoked).unclosed
      expect(told).toEqual(unclosed === 0 ? [] : ids)
    }
  })

  test('is not what an older copy of it was: a checkpoint that was stored elsewhere tells', () => {
    const file = played(play)
    const older = readLedger(file)
    command(file)
    const kept = readLedgerHeads(file).map((head) => signCheckpoint({ ...head, at: now }, signingKey))
    expect(kindOf(older, { checkpoints: kept })).toBe('tail_missing')
  })
})

test('a server that goes on is vouched for by each command, however many there were since it began', () => {
  const file = join(createTemporaryFolder(), 'ledger.db')
  const writer = openWriter(file, false)
  writer.open({ now })
  for (let count = 0; count < 12; count += 1) command(file)
  write(writer, requestOf(), requestOf())
  command(file)
  const ledger = readLedger(file)
  const [first = ''] = ledger.streams
  const length = lengthOf(ledger, first)
  expect(kindOf(ledger)).toBeUndefined()
  for (let keep = 0; keep < length; keep += 1) expect(kindOf(cut(ledger, first, keep))).toBe('tail_missing')
})

test('a command tells a checkpoint that vouches for all of its stream, the end too', () => {
  const file = join(createTemporaryFolder(), 'ledger.db')
  const { seq, checkpoints } = write(openWriter(file, true), revoked)
  const ledger = readLedger(file)
  expect([seq, checkpoints.map((checkpoint) => checkpoint.seq)]).toEqual([2, [2]])
  expect(kindOf(ledger, { checkpoints })).toBeUndefined()
  for (const [stream, keep] of cutsOf(ledger))
    expect(kindOf(withoutRow(cut(ledger, stream, keep), stream), { checkpoints })).toBe('tail_missing')
})

test('kill -9 of a command at any moment: what it promised is there, and every stream is whole and signed', async () => {
  const file = join(createTemporaryFolder(), 'ledger.db')
  const promised: string[] = []
  for (const [round, lines] of [1, 40, 150].entries()) {
    const child = startProcess('append-records', file, `${round}`, 'Infinity', 'command')
    await child.waitForLines(lines)
    promised.push(...(await child.kill()).filter((line) => /^\d-\d+$/.test(line)))
  }
  const { blocks, streams } = readLedger(file)
  const records = blocks.flatMap((block) => unsealed(block).records.map(({ entry }) => decodeEntry(entry)))
  const kept = new Set(records.map(({ requestId }) => requestId))
  expect(promised.filter((id) => !kept.has(id))).toEqual([])
  const { firstBroken, notes } = verifyLedger(blocks, { streams })
  expect([firstBroken, notes.filter((note) => note.includes('not signed'))]).toEqual([undefined, []])
  expect(readLedgerHeads(file).filter(({ event }) => event !== 'ledger.closed')).toEqual([])
  expect(write(openWriter(file, false), revoked).unclosed).toEqual([])
})
