import {
  chmodSync,
  copyFileSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { afterAll, describe, expect, test } from 'vitest'
import type { LedgerBlock } from '../../src/ledger/format/block.ts'
import {
  type LedgerCheckpoint,
  publicKeyOf,
  signCheckpoint,
  signTruncationPoint,
} from '../../src/ledger/format/checkpoint.ts'
import { decodeEntry, encodeEntry } from '../../src/ledger/format/encoding.ts'
import { openLedgerDatabase } from '../../src/storage/sqlite/ledger/ledger-database.ts'
import {
  createLedgerForge,
  type ForgedRecord,
  rechained,
  requestEntry,
  sealed,
  signingKey,
  startedAt,
  streamId,
  unsealed,
} from '../support/ledger-forge.ts'
import { runCli, runJson, temporaryFolder } from './run-cli.ts'

const folder = temporaryFolder()
afterAll(() => folder[Symbol.dispose]())

const stream = streamId(1)
const original = join(folder.path, 'original', 'ledger.db')
const kept = join(folder.path, 'kept.jsonl')
const publicKey = publicKeyOf(signingKey)

/**
 * Two blocks of three requests, a checkpoint, and a block of three more: numbers 1 to 3, 4 to 6, 7,
 * 8 to 10.
 */
function writeOriginal(): void {
  const forge = createLedgerForge()
  forge.write(stream, requestEntry(1), requestEntry(2), requestEntry(3))
  forge.write(stream, requestEntry(4), requestEntry(5), requestEntry(6))
  forge.writeCheckpoint(stream)
  forge.write(stream, requestEntry(8), requestEntry(9), requestEntry(10))
  mkdirSync(join(folder.path, 'original'), { mode: 0o700 })
  const database = openLedgerDatabase({ file: original, busyTimeoutMs: 1_000 })
  database.prepare('INSERT INTO stream VALUES (1, ?, ?)').run(stream, startedAt)
  for (const block of forge.blocks.map(sealed)) insert(database, block)
  database.close()
  writeFileSync(
    join(folder.path, 'original', 'signing-key'),
    signingKey.export({ type: 'pkcs8', format: 'pem' }),
    {
      mode: 0o600,
    },
  )
  const checkpoint = signCheckpoint({ ...forge.head(stream), at: startedAt }, signingKey)
  writeFileSync(kept, `${JSON.stringify(checkpoint)}\n`)
}

type Writable = Pick<DatabaseSync, 'prepare'> | ReturnType<typeof openLedgerDatabase>

function insert(database: Writable, block: LedgerBlock): void {
  const { id, firstSeq, count, minAt, maxAt, body } = block
  database
    .prepare('INSERT INTO block VALUES (?, 1, ?, ?, ?, ?, ?)')
    .run(id, firstSeq, count, minAt, maxAt, body)
}

writeOriginal()
let copies = 0

/** A copy of the ledger with something done to it by SQL. */
function tampered(tamper: (database: DatabaseSync) => void): string {
  copies += 1
  const file = join(folder.path, `copy-${copies}.db`)
  copyFileSync(original, file)
  const database = new DatabaseSync(file)
  tamper(database)
  database.close()
  return file
}

function readBlock(database: DatabaseSync, id: number): LedgerBlock {
  const row = database
    .prepare(
      'SELECT id, first_seq AS firstSeq, count, min_at AS minAt, max_at AS maxAt, body FROM block WHERE id = ?',
    )
    .get(id)
  return { ...(row as unknown as LedgerBlock), stream }
}

/** Writes the records of a block anew, and its columns as they are then. */
function rewrite(id: number, change: (records: readonly ForgedRecord[]) => readonly ForgedRecord[]) {
  return (database: DatabaseSync): void => {
    const block = unsealed(readBlock(database, id))
    database.prepare('DELETE FROM block WHERE id = ?').run(id)
    insert(database, sealed({ ...block, records: change(block.records) }))
  }
}

/**
 * Puts a text where retention puts the base of the stream, and removes the blocks before this one.
 */
function putBase(text: string, firstBlock: number) {
  return (database: DatabaseSync): void => {
    database.prepare('INSERT INTO base VALUES (1, ?)').run(text)
    database.prepare('DELETE FROM block WHERE id < ?').run(firstBlock)
  }
}

/** What the signed checkpoint that is record 7 says, of record 6. */
function checkpointInLedger(): string {
  const database = new DatabaseSync(original, { readOnly: true })
  const [record] = unsealed(readBlock(database, 3)).records
  database.close()
  return JSON.stringify(decodeEntry(record?.entry ?? new Uint8Array()).detail)
}

const forgedEntry = encodeEntry({ ...requestEntry(5), owner: 'somebody else' })

const tamperings: Readonly<Record<string, readonly [(database: DatabaseSync) => void, string, RegExp]>> = {
  'a changed record': [
    rewrite(2, (records) =>
      records.map((record, index) => (index === 1 ? { ...record, entry: forgedEntry } : record)),
    ),
    'record_changed',
    /record 5 was changed/,
  ],
  'a removed record': [
    rewrite(2, (records) => records.toSpliced(1, 1)),
    'records_removed',
    /record 5 is missing/,
  ],
  'a removed block': [
    (database) => database.exec('DELETE FROM block WHERE id = 2'),
    'records_removed',
    /records 4 to 6 are missing between record 3 and record 7/,
  ],
  'a removed start': [
    (database) => database.exec('DELETE FROM block WHERE id = 1'),
    'start_removed',
    /does not begin at its start: records 1 to 3 are missing/,
  ],
  'reordered records': [
    rewrite(2, (records) => records.toReversed()),
    'records_reordered',
    /record 4 stands at 2\.2/,
  ],
  'reordered blocks': [
    (database) => database.exec('UPDATE block SET id = 9 WHERE id = 1; UPDATE block SET id = 1 WHERE id = 2'),
    'records_reordered',
    /record 1 stands at 9\.0/,
  ],
  'an inserted record': [
    rewrite(2, (records) => records.toSpliced(1, 0, { entry: forgedEntry, chainHash: Buffer.alloc(32) })),
    'record_inserted',
    /a record was inserted before record 5/,
  ],
  'a duplicated record': [
    rewrite(2, (records) => records.toSpliced(1, 0, ...records.slice(0, 1))),
    'record_duplicated',
    /record 4 stands a second time where record 5 belongs/,
  ],
  'a history that was written anew': [
    (database) => {
      const before = unsealed(readBlock(database, 1)).records.at(-1)?.chainHash ?? Buffer.alloc(32)
      rewrite(2, (records) =>
        rechained(records.with(1, { entry: forgedEntry, chainHash: before }), 4, before),
      )(database)
      const chainHash = unsealed(readBlock(database, 2)).records.at(-1)?.chainHash ?? before
      rewrite(3, (records) => rechained(records, 7, chainHash))(database)
    },
    'history_rewritten',
    /the history up to record 6 was rewritten/,
  ],
  'bytes that are no records': [
    (database) => database.exec("UPDATE block SET body = x'ffffffff' WHERE id = 2"),
    'undecodable',
    /the bytes of block 2 are no records/,
  ],
  'a changed column': [
    (database) => database.exec('UPDATE block SET max_at = max_at + 1 WHERE id = 2'),
    'block_changed',
    /block 2 was changed around its records/,
  ],
  'a start removed behind a checkpoint of the ledger itself': [
    putBase(checkpointInLedger(), 3),
    'start_removed',
    /in the place of a base stands a checkpoint of record 6/,
  ],
  'a start removed behind a checkpoint that was kept elsewhere': [
    putBase(readFileSync(kept, 'utf8'), 5),
    'start_removed',
    /in the place of a base stands a checkpoint of record 10/,
  ],
  'a start removed behind a checkpoint that is called a base': [
    putBase(checkpointInLedger().replace('modelward-checkpoint-1', 'modelward-base-1'), 3),
    'checkpoint_invalid',
    /the base that stands for the records up to 6 is not right: its signature does not fit/,
  ],
  'a base that is not JSON': [
    putBase('{"type":"modelward-base-1"', 1),
    'checkpoint_invalid',
    /the base that stands for dropped records is not right: it states nothing that can be read/,
  ],
  'all records removed': [
    (database) => database.exec('DELETE FROM block'),
    'tail_missing',
    /all records of the stream are missing/,
  ],
}

describe('modelward ledger verify', () => {
  test('passes the original, and says what it is and who signed it', async () => {
    const { code, stdout, stderr } = await runCli([
      'ledger',
      'verify',
      '--data',
      join(folder.path, 'original'),
    ])
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
    expect(stdout).toMatch(/in order\n.*records +10\n.*blocks +4\n.*streams +1\n/s)
    expect(stdout).toContain(publicKey)
  })

  test('answers as JSON', async () => {
    const file = tampered(() => {})
    const answer = await runJson(['ledger', 'verify', file])
    expect(answer).toMatchObject({
      ok: true,
      records: 10,
      blocks: 4,
      streams: 1,
      checkpoints: 1,
      last_checkpoint: { stream, seq: 6, key: publicKey },
      keys: [publicKey],
      broken: null,
      notes: [
        expect.stringContaining('whose keys those are is not known'),
        expect.stringContaining('3 records come after the last checkpoint'),
        expect.stringContaining('-usage.db: usage is read from the records'),
      ],
    })
  })

  test.each(Object.entries(tamperings))('%s is found and told', async (_, [tamper, kind, message]) => {
    const file = tampered(tamper)
    const { code, stdout } = await runCli(['ledger', 'verify', file, '--json'])
    expect({ code, ...JSON.parse(stdout) }).toMatchObject({
      code: 1,
      ok: false,
      broken: { kind, stream, message: expect.stringMatching(message) },
    })
    expect((await runCli(['ledger', 'verify', file])).stdout).toMatch(message)
  })

  test('finds an end that was cut off with a checkpoint that was kept, and not without', async () => {
    const file = tampered((database) => database.exec('DELETE FROM block WHERE id = 4'))
    expect((await runCli(['ledger', 'verify', file])).code).toBe(0)
    const { code, stdout } = await runCli(['ledger', 'verify', file, '--checkpoint', kept])
    expect(code).toBe(1)
    expect(stdout).toMatch(
      /the end of the stream was cut off: records 8 to 10 are missing.* \(tail_missing\)/,
    )
    expect((await runCli(['ledger', 'verify', original, '--checkpoint', kept])).code).toBe(0)
  })

  test('trusts the keys that it is told to, and no other', async () => {
    const file = tampered(() => {})
    expect((await runCli(['ledger', 'verify', file, '--public-key', publicKey])).code).toBe(0)
    const { code, stdout } = await runCli(['ledger', 'verify', file, '--public-key', 'A'.repeat(43)])
    expect(code).toBe(1)
    expect(stdout).toMatch(/key_untrusted/)
  })

  test('reads a file where nothing may be written, and leaves nothing beside it', async () => {
    const closed = join(folder.path, 'closed')
    mkdirSync(closed)
    copyFileSync(original, join(closed, 'ledger.db'))
    chmodSync(closed, 0o500)
    expect((await runCli(['ledger', 'verify', join(closed, 'ledger.db')])).code).toBe(0)
    expect(readdirSync(closed)).toEqual(['ledger.db'])
    chmodSync(closed, 0o700)
  })

  test('reads what is still in the log beside the file', async () => {
    const file = tampered(() => {})
    const database = new DatabaseSync(file)
    database.exec('PRAGMA wal_autocheckpoint = 0; DELETE FROM block WHERE id = 2')
    const { code } = await runCli(['ledger', 'verify', file])
    database.close()
    expect(code).toBe(1)
  })
})

describe('what cannot be read is neither in order nor broken', () => {
  const torn = tampered(() => {})
  truncateSync(torn, 5_000)
  const noCheckpoint = join(folder.path, 'no-checkpoint.jsonl')
  writeFileSync(noCheckpoint, '{"type":"modelward-checkpoint-1"}\n')
  const base = join(folder.path, 'base.jsonl')
  writeFileSync(
    base,
    JSON.stringify(signTruncationPoint({ stream, seq: 1, hash: 'ab'.repeat(32), at: 1 }, signingKey)),
  )
  const forged = join(folder.path, 'forged.jsonl')
  const checkpoint: LedgerCheckpoint = signCheckpoint(
    { stream, seq: 1, hash: 'ab'.repeat(32), at: 1 },
    signingKey,
  )
  writeFileSync(forged, JSON.stringify({ ...checkpoint, seq: 2 }))
  const otherProgram = join(folder.path, 'other.db')
  new DatabaseSync(otherProgram).exec('CREATE TABLE t (a)')

  test.each([
    { what: 'no file', args: [join(folder.path, 'none.db')], code: 'data_missing' },
    { what: 'no folder', args: ['--data', join(folder.path, 'none')], code: 'data_missing' },
    { what: 'a torn file', args: [torn], code: 'data_corrupt' },
    { what: 'no database', args: [kept], code: 'data_corrupt' },
    { what: 'another program’s database', args: [otherProgram], code: 'data_corrupt' },
    { what: 'no checkpoint', args: [original, '--checkpoint', noCheckpoint], code: 'input_invalid' },
    { what: 'a base as a checkpoint', args: [original, '--checkpoint', base], code: 'input_invalid' },
    { what: 'a forged checkpoint', args: [original, '--checkpoint', forged], code: 'input_invalid' },
    { what: 'no checkpoint file', args: [original, '--checkpoint', folder.path], code: 'input_invalid' },
    { what: 'no key', args: [original, '--public-key', 'short'], code: 'usage_invalid' },
    { what: 'a file and a folder', args: [original, '--data', folder.path], code: 'usage_invalid' },
  ])('$what', async ({ args, code }) => {
    const run = await runCli(['ledger', 'verify', ...args, '--json'])
    expect({ exit: run.code, stdout: run.stdout }).toEqual({ exit: 2, stdout: '' })
    expect(JSON.parse(run.stderr)).toMatchObject({ error: { code } })
  })
})
