import { generateKeyPairSync } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import {
  createLedgerForge,
  type LedgerForge,
  rechained,
  requestEntry,
  sealed,
  signingKey,
  startedAt,
  streamId,
} from '../../../test/support/ledger-forge.ts'
import {
  type PriorHeads,
  publicKeyOf,
  type SignedStatement,
  type StreamEnd,
  signCheckpoint,
  signStreamEnd,
  signTruncationPoint,
} from '../format/checkpoint.ts'
import { encodeEntry } from '../format/encoding.ts'
import { type LedgerEntry, ledgerEntry } from '../format/record.ts'
import { type LedgerVerifyOptions, verifyLedger } from './verify-ledger.ts'

// A command writes what it did and a signed end in one commit. What an attacker can leave of it who
// writes the file and knows this program, without the signing key.

const server = streamId(1)
const command = streamId(2)
const at = startedAt
const trusted: LedgerVerifyOptions = { trustedKeys: [publicKeyOf(signingKey)] }
const change = ledgerEntry({ at, event: 'key.revoked', keyId: '7Qm2xT0bKc9Z' })
const opened = ledgerEntry({ at, event: 'ledger.opened', detail: { version: '1', before: [] } })

function closed(detail: SignedStatement | object | null): LedgerEntry {
  return ledgerEntry({ at, event: 'ledger.closed', detail: detail === null ? null : { ...detail } })
}

function headOf(forge: LedgerForge, stream: string): string {
  const { seq, hash } = forge.head(stream)
  return `${stream}:${seq}:${hash}`
}

function endOf(
  forge: LedgerForge,
  stream: string,
  prior: Partial<PriorHeads> = {},
  key = signingKey,
): StreamEnd {
  return signStreamEnd({ ...forge.head(stream), at, before: [], unclosed: [], ...prior }, key)
}

/** A server's stream, still open, and behind it a command's, which states how far that had come. */
function commandBeside(): LedgerForge {
  const forge = createLedgerForge()
  forge.write(server, opened, requestEntry(1), requestEntry(2))
  forge.write(server, requestEntry(3))
  const prior = { before: [headOf(forge, server)], unclosed: [server] }
  const end = commandEnd(prior)
  forge.write(command, change, closed(end))
  return forge
}

/** The end of a command's stream that has one record. */
function commandEnd(prior: Partial<PriorHeads>): StreamEnd {
  const forge = createLedgerForge()
  forge.write(command, change)
  return endOf(forge, command, prior)
}

function verify(forge: LedgerForge, options: LedgerVerifyOptions = trusted) {
  return verifyLedger(forge.blocks.map(sealed), options)
}

/** A ledger of one command's stream: its record, and the given ones. */
function ending(...entries: readonly LedgerEntry[]): LedgerForge {
  const forge = createLedgerForge()
  forge.write(command, change, ...entries)
  return forge
}

describe('a stream that ends with a signed record', () => {
  test('is signed up to its end, and its end counts as a checkpoint', () => {
    const forge = commandBeside()
    const result = verify({ ...forge, blocks: forge.blocks.slice(2) }, trusted)
    expect(result.firstBroken).toMatchObject({ kind: 'tail_missing', stream: server })
    expect(verify(forge)).toMatchObject({
      records: 6,
      checkpoints: 1,
      lastCheckpoint: { stream: command, seq: 1 },
      keys: trusted.trustedKeys,
      firstBroken: undefined,
      notes: ['4 records come after the last checkpoint in their stream: chained, but not signed.'],
    })
  })

  test('betrays a record that was written anew, links and all', () => {
    const forge = commandBeside()
    const [block] = forge.blocks.splice(2)
    if (block === undefined) throw new Error('there are three blocks')
    const [, end] = block.records
    const forged = [{ entry: encodeEntry({ ...change, keyId: 'AAAAAAAAAAAA' }), chainHash: Buffer.alloc(32) }]
    const before = Buffer.from(createLedgerForge().head(command).hash, 'hex')
    const records = rechained(end === undefined ? [] : [...forged, end], 1, before)
    forge.blocks.push({ ...block, records })
    expect(verify(forge).firstBroken).toMatchObject({ kind: 'history_rewritten', stream: command, seq: 1 })
  })

  test('vouches for what other streams had: their end cut off, written anew or removed is found', () => {
    const { blocks } = commandBeside()
    const cut = verifyLedger(blocks.toSpliced(1, 1).map(sealed), trusted)
    expect(cut.firstBroken).toMatchObject({ kind: 'tail_missing', stream: server, seq: 4 })
    const gone = verifyLedger(blocks.slice(2).map(sealed), trusted)
    expect(gone.firstBroken).toMatchObject({ kind: 'tail_missing', stream: server, seq: 1 })
    const forge = createLedgerForge()
    forge.write(server, opened, requestEntry(1), requestEntry(2))
    forge.write(server, requestEntry(666))
    const [, , honest] = blocks
    if (honest !== undefined) forge.blocks.push(honest)
    expect(verify(forge).firstBroken).toMatchObject({ kind: 'history_rewritten', stream: server, seq: 4 })
  })

  test('vouches for them even where its end is cut off as well: that is found first', () => {
    const [first, , end] = commandBeside().blocks
    if (first === undefined || end === undefined) throw new Error('there are three blocks')
    const cut = [first, { ...end, records: end.records.slice(0, 1) }]
    expect(verifyLedger(cut.map(sealed), trusted).firstBroken).toMatchObject({
      kind: 'tail_missing',
      stream: command,
      seq: 2,
    })
  })

  test('is in order behind a base, when what comes before it was dropped', () => {
    const forge = createLedgerForge()
    forge.write(command, change)
    const point = signTruncationPoint({ ...forge.head(command), at }, signingKey)
    forge.write(command, change)
    forge.write(command, closed(endOf(forge, command)))
    const truncationPoints = [{ stream: command, text: JSON.stringify(point) }]
    const found = verifyLedger(forge.blocks.slice(1).map(sealed), { ...trusted, truncationPoints })
    expect(found).toMatchObject({ firstBroken: undefined, notes: [] })
  })
})

describe('an end that was not signed as it stands', () => {
  const genuine = commandEnd({ before: [`${server}:4:${'ab'.repeat(32)}`], unclosed: [server] })
  const elsewhere = createLedgerForge()
  elsewhere.write(command, change)
  const head = { ...elsewhere.head(command), at }
  const beyond = createLedgerForge()
  beyond.write(command, change, change)

  test.each<readonly [string, object]>([
    ['says less of another stream', { ...genuine, before: [`${server}:3:${'ab'.repeat(32)}`] }],
    ['says nothing of another stream any more', { ...genuine, before: [] }],
    ['says of none that it was open', { ...genuine, unclosed: [] }],
    ['has another time', { ...genuine, at: at + 1 }],
    ['is a checkpoint, which anybody may have been given', signCheckpoint(head, signingKey)],
    [
      'is a checkpoint with the type of an end',
      { ...genuine, ...signCheckpoint(head, signingKey), type: genuine.type },
    ],
    ['is a base', signTruncationPoint(head, signingKey)],
    ['is of another stream', signStreamEnd({ ...genuine, stream: server }, signingKey)],
    ['is of a record to come', signStreamEnd({ ...genuine, seq: 2 }, signingKey)],
    ['is of no record', signStreamEnd({ ...genuine, seq: 0 }, signingKey)],
    ['was too large to be written', { cut: true }],
    ['has no streams', { ...genuine, before: undefined }],
    ['has streams that cannot be read', { ...genuine, before: [`${server}:4:${'ab'.repeat(32)}\n`] }],
    ['has streams that are no texts', { ...genuine, unclosed: [7] }],
  ])('is found where it %s', (_, detail) => {
    const { firstBroken } = verify(ending(closed(detail)))
    expect(firstBroken).toMatchObject({ kind: 'checkpoint_invalid', stream: command, seq: 2 })
  })

  test('is found where records were put in front of it', () => {
    const forge = createLedgerForge()
    forge.write(command, change)
    const end = endOf(forge, command)
    forge.write(command, change, closed(end))
    expect(verify(forge).firstBroken).toMatchObject({ kind: 'checkpoint_invalid', stream: command, seq: 3 })
  })

  test('is found where its history is not the one that is there', () => {
    const forge = ending(closed(signStreamEnd({ ...genuine, hash: 'ab'.repeat(32), before: [] }, signingKey)))
    expect(verify(forge).firstBroken).toMatchObject({ kind: 'history_rewritten', stream: command, seq: 1 })
  })

  test('is found where its key is not trusted', () => {
    const { privateKey } = generateKeyPairSync('ed25519')
    const forge = ending(closed(endOf(elsewhere, command, {}, privateKey)))
    expect(verify(forge).firstBroken).toMatchObject({ kind: 'key_untrusted', stream: command, seq: 2 })
  })

  test('is neither a checkpoint nor a base', () => {
    const asCheckpoint = ledgerEntry({ at, event: 'ledger.checkpoint', detail: { ...genuine } })
    expect(verify(ending(asCheckpoint)).firstBroken).toMatchObject({ kind: 'checkpoint_invalid', seq: 2 })
    const truncationPoints = [{ stream: command, text: JSON.stringify(genuine) }]
    const found = verifyLedger(beyond.blocks.map(sealed), { ...trusted, truncationPoints })
    expect(found.firstBroken).toMatchObject({ kind: 'checkpoint_invalid', stream: command })
  })

  test.each<readonly [string, readonly LedgerEntry[]]>([
    ['is missing', []],
    ['is missing behind more than one record', [change, change]],
    ['was replaced by an unsigned one', [closed(null)]],
  ])('is found where it %s', (_, entries) => {
    expect(verify(ending(...entries)).firstBroken).toMatchObject({
      kind: 'tail_missing',
      stream: command,
      seq: entries.length + 2,
      position: null,
    })
  })
})

describe('a record behind the end of its stream', () => {
  const behind = (forge: LedgerForge, stream: string, ...entries: readonly LedgerEntry[]) => {
    const seq = forge.head(stream).seq + 1
    forge.write(stream, ...entries)
    expect(verify(forge).firstBroken).toMatchObject({
      kind: 'record_inserted',
      stream,
      seq,
      message: expect.stringContaining(`record ${seq - 1} ended it`),
    })
  }

  test.each<readonly [string, LedgerEntry]>([
    ['a request', requestEntry(9)],
    ['a change', change],
    ['another end', closed(null)],
    ['another opening', opened],
  ])('is found where it is %s', (_, entry) => {
    const forge = createLedgerForge()
    forge.write(server, opened, requestEntry(1))
    forge.writeCheckpoint(server)
    forge.write(server, closed(null))
    expect(verify(forge).firstBroken).toBeUndefined()
    behind(forge, server, entry, requestEntry(10))
    behind(commandBeside(), command, entry)
  })

  test('is found where it is a checkpoint that was signed of an earlier end', () => {
    const forge = createLedgerForge()
    forge.write(server, opened, closed(null))
    const signed = signCheckpoint({ ...forge.head(server), at }, signingKey)
    behind(forge, server, ledgerEntry({ at, event: 'ledger.checkpoint', detail: { ...signed } }))
  })
})
