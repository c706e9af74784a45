import { generateKeyPairSync } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { firstHash } from '../../../test/support/ledger-blocks.ts'
import {
  createLedgerForge,
  type ForgedBlock,
  type ForgedRecord,
  type LedgerForge,
  rechained,
  requestEntry,
  sealed,
  signingKey,
  startedAt,
  streamId,
} from '../../../test/support/ledger-forge.ts'
import type { LedgerBlock } from '../format/block.ts'
import {
  type LedgerCheckpoint,
  publicKeyOf,
  signCheckpoint,
  signTruncationPoint,
  type TruncationPoint,
} from '../format/checkpoint.ts'
import { encodeEntry } from '../format/encoding.ts'
import { ledgerEntry } from '../format/record.ts'
import type { LedgerBreak } from './finding.ts'
import { recentHashesMax } from './recent-hashes.ts'
import type { StoredTruncationPoint } from './truncation-point.ts'
import { type LedgerVerifyOptions, verifyLedger } from './verify-ledger.ts'

const one = streamId(1)
const other = streamId(2)

/** Two streams, each of blocks of three records, in turns. */
function twoStreams(blocksOfEach = 4): LedgerForge {
  const forge = createLedgerForge()
  for (let block = 0; block < 2 * blocksOfEach; block += 1)
    forge.write(block % 2 === 0 ? one : other, ...[0, 1, 2].map((index) => requestEntry(3 * block + index)))
  return forge
}

function verify(blocks: readonly ForgedBlock[], options?: LedgerVerifyOptions) {
  return verifyLedger(blocks.map(sealed), options)
}

function kindOf(blocks: readonly ForgedBlock[], options?: LedgerVerifyOptions): LedgerBreak | undefined {
  return verify(blocks, options).firstBroken?.kind
}

/** The blocks with one stream's records replaced, cut as before, renumbered. */
function withRecords(
  blocks: readonly ForgedBlock[],
  stream: string,
  change: (records: readonly ForgedRecord[]) => readonly ForgedRecord[],
): readonly ForgedBlock[] {
  const left = [
    ...change(blocks.filter((block) => block.stream === stream).flatMap(({ records }) => records)),
  ]
  const last = blocks.findLast((block) => block.stream === stream)
  let seq = 1
  return blocks
    .map((block) => {
      if (block.stream !== stream) return block
      const records = left.splice(0, block === last ? left.length : block.records.length)
      const firstSeq = seq
      seq += records.length
      return { ...block, firstSeq, records }
    })
    .filter(({ records }) => records.length > 0)
}

function changedEntry(number: number): Uint8Array {
  return encodeEntry({ ...requestEntry(number), owner: 'somebody else' })
}

describe('a ledger that nobody touched', () => {
  test('is in order, and its records, blocks and streams are counted', () => {
    const { blocks } = twoStreams()
    expect(verify(blocks)).toMatchObject({ records: 24, blocks: 8, streams: 2, firstBroken: undefined })
  })

  test('is in order where it is empty', () => {
    expect(verify([])).toMatchObject({ records: 0, streams: 0, firstBroken: undefined, notes: [] })
  })

  test('is in order behind a base, when what comes before it was dropped', () => {
    const { point, rest } = dropped()
    expect(kindOf(rest, { truncationPoints: [stored(point)] })).toBeUndefined()
    expect(kindOf(rest)).toBe('start_removed')
    expect(kindOf(rest, { truncationPoints: [stored({ ...point, hash: 'ab'.repeat(32) })] })).toBe(
      'checkpoint_invalid',
    )
    expect(kindOf(rest, { truncationPoints: [stored(point)], trustedKeys: ['AAAA'] })).toBe('key_untrusted')
  })

  test('tells of a stream that was opened and has no record', () => {
    expect(kindOf(twoStreams().blocks, { streams: [one, other] })).toBeUndefined()
    expect(verify([], { streams: [one] }).firstBroken).toMatchObject({
      kind: 'tail_missing',
      stream: one,
      seq: 1,
    })
  })

  test('does not mind a clock that jumps back', () => {
    const forge = createLedgerForge()
    forge.write(one, requestEntry(9), requestEntry(2), requestEntry(5))
    expect(kindOf(forge.blocks)).toBeUndefined()
  })
})

/** A ledger whose first two records retention dropped, and what it put in front of the rest. */
function dropped(): { readonly point: TruncationPoint; readonly rest: readonly ForgedBlock[] } {
  const forge = createLedgerForge()
  forge.write(one, requestEntry(1), requestEntry(2))
  const point = signTruncationPoint({ ...forge.head(one), at: startedAt }, signingKey)
  forge.write(one, requestEntry(3))
  return { point, rest: forge.blocks.slice(1) }
}

function stored(value: TruncationPoint | LedgerCheckpoint): StoredTruncationPoint {
  return { stream: value.stream, text: JSON.stringify(value) }
}

describe('what stands in the place of a base', () => {
  const { point, rest } = dropped()
  const found = (text: string) => verify(rest, { truncationPoints: [{ stream: one, text }] }).firstBroken

  test('is found where it is a checkpoint, which anybody may have been given', () => {
    const forge = createLedgerForge()
    forge.write(one, requestEntry(1), requestEntry(2))
    const head = forge.head(one)
    const inLedger = forge.writeCheckpoint(one)
    forge.write(one, requestEntry(4))
    for (const checkpoint of [inLedger, signCheckpoint({ ...head, at: startedAt + 99 }, signingKey)])
      for (const blocks of [forge.blocks.slice(1), forge.blocks.slice(2)])
        expect(verify(blocks, { truncationPoints: [stored(checkpoint)] }).firstBroken).toMatchObject({
          kind: 'start_removed',
          stream: one,
          message: expect.stringContaining('in the place of a base stands a checkpoint of record 2'),
        })
  })

  test('is found where a checkpoint was given the type of a base: the type is signed', () => {
    const checkpoint = signCheckpoint(point, signingKey)
    expect(found(JSON.stringify({ ...checkpoint, type: point.type }))).toMatchObject({
      kind: 'checkpoint_invalid',
      message: expect.stringContaining('its signature does not fit'),
    })
  })

  test.each(['', 'x', 'null', '[]', '{}', '{"type":"modelward-base-1"}', '{"type":"modelward-base-1'])(
    'is found where it is %j',
    (text) => {
      expect(found(text)).toMatchObject({
        kind: 'checkpoint_invalid',
        stream: one,
        message: expect.stringContaining('states nothing that can be read'),
      })
    },
  )

  test('is found where it is the base of another stream', () => {
    expect(found(JSON.stringify(signTruncationPoint({ ...point, stream: other }, signingKey)))).toMatchObject(
      {
        kind: 'checkpoint_invalid',
        stream: one,
        message: expect.stringContaining(`it is of stream ${other}`),
      },
    )
  })

  test('is found where it says of its record something else than a checkpoint that was kept', () => {
    const elsewhere = signCheckpoint(point, signingKey)
    const truncationPoints = [stored(point)]
    expect(kindOf(rest, { truncationPoints, checkpoints: [elsewhere] })).toBeUndefined()
    expect(kindOf(rest, { truncationPoints, checkpoints: [{ ...elsewhere, hash: 'ab'.repeat(32) }] })).toBe(
      'history_rewritten',
    )
  })
})

describe('tampering in a stream, columns made to fit', () => {
  const cases = fc.record({ at: fc.integer({ min: 0, max: 9 }), blocks: fc.integer({ min: 4, max: 6 }) })
  const holds = (
    kind: LedgerBreak,
    tamper: (records: readonly ForgedRecord[], at: number) => readonly ForgedRecord[],
    seqOf: (at: number) => number,
  ): void =>
    fc.assert(
      fc.property(cases, ({ at, blocks }) => {
        const tampered = withRecords(twoStreams(blocks).blocks, one, (records) => tamper(records, at))
        const { firstBroken } = verify(tampered)
        expect(firstBroken).toMatchObject({ kind, stream: one, seq: seqOf(at) })
      }),
    )

  test('a changed record is found', () => {
    holds(
      'record_changed',
      (records, at) =>
        records.map((record, index) => (index === at ? { ...record, entry: changedEntry(at) } : record)),
      (at) => at + 1,
    )
  })

  test('a changed link is found', () => {
    holds(
      'record_changed',
      (records, at) =>
        records.map((record, index) =>
          index === at ? { ...record, chainHash: Buffer.alloc(32, at) } : record,
        ),
      (at) => at + 1,
    )
  })

  test('a record that was changed and linked anew is found at the one behind it', () => {
    holds(
      'record_changed',
      (records, at) => {
        const before = records[at - 1]?.chainHash ?? firstHash(one)
        const [forged] = rechained([{ entry: changedEntry(at), chainHash: before }], at + 1, before)
        return forged === undefined ? [] : records.with(at, forged)
      },
      (at) => at + 2,
    )
  })

  test('a removed record is found', () => {
    fc.assert(
      fc.property(cases, ({ at, blocks }) => {
        const { firstBroken } = verify(
          withRecords(twoStreams(blocks).blocks, one, (records) => records.toSpliced(at, 1)),
        )
        expect(firstBroken).toMatchObject({
          kind: at === 0 ? 'start_removed' : 'records_removed',
          stream: one,
          seq: at + 1,
        })
      }),
    )
  })

  test('two records that changed places are found', () => {
    holds(
      'records_reordered',
      (records, at) => {
        const [first, second] = records.slice(at, at + 2)
        return first && second ? records.toSpliced(at, 2, second, first) : records
      },
      (at) => at + 1,
    )
  })

  test('an inserted record is found', () => {
    holds(
      'record_inserted',
      (records, at) => records.toSpliced(at, 0, { entry: changedEntry(at), chainHash: Buffer.alloc(32, at) }),
      (at) => at + 1,
    )
  })

  test('an inserted record with a link that was made to fit is found', () => {
    holds(
      'record_inserted',
      (records, at) => {
        const before = records[at - 1]?.chainHash ?? firstHash(one)
        return records.toSpliced(
          at,
          0,
          ...rechained([{ entry: changedEntry(at), chainHash: before }], at + 1, before),
        )
      },
      (at) => at + 1,
    )
  })

  test('a duplicated record is found', () => {
    holds(
      'record_duplicated',
      (records, at) => records.toSpliced(at + 1, 0, ...records.slice(at, at + 1)),
      (at) => at + 2,
    )
  })

  test('a record that was copied to the front is found', () => {
    holds(
      'record_duplicated',
      (records, at) => records.toSpliced(at, 0, ...records.slice(at + 1, at + 2)),
      (at) => at + 1,
    )
  })
})

describe('tampering with whole blocks', () => {
  const { blocks } = twoStreams()

  test.each([2, 3, 4, 5])('block %i removed is a gap in its stream', (index) => {
    expect(kindOf(blocks.toSpliced(index, 1))).toBe('records_removed')
  })

  test('the first block of a stream removed is a start that is missing', () => {
    expect(kindOf(blocks.slice(1))).toBe('start_removed')
  })

  test('two blocks of a stream that changed places are reordered', () => {
    const [, , third, , fifth] = blocks
    if (third === undefined || fifth === undefined) throw new Error('there are eight blocks')
    const swapped = blocks.with(2, { ...fifth, id: third.id }).with(4, { ...third, id: fifth.id })
    expect(kindOf(swapped)).toBe('records_reordered')
  })

  test('a block that is there twice is duplicated', () => {
    expect(kindOf(blocks.toSpliced(3, 0, ...blocks.slice(2, 3)))).toBe('record_duplicated')
    expect(kindOf([...blocks, ...blocks.slice(0, 1)])).toBe('record_duplicated')
  })

  test('a block that was given to another stream is not of that stream', () => {
    const [first] = blocks
    if (first === undefined) throw new Error('there are eight blocks')
    expect(kindOf(blocks.with(0, { ...first, stream: other }))).toBe('record_inserted')
  })

  test('only a checkpoint that was stored elsewhere reveals a missing last block of a stream', () => {
    const forge = twoStreams()
    const elsewhere = signCheckpoint({ ...forge.head(other), at: startedAt }, signingKey)
    const cut = forge.blocks.slice(0, -1)
    expect(kindOf(cut)).toBeUndefined()
    expect(verify(cut, { checkpoints: [elsewhere] }).firstBroken).toMatchObject({
      kind: 'tail_missing',
      stream: other,
      seq: 10,
      position: null,
    })
    expect(kindOf(forge.blocks, { checkpoints: [elsewhere] })).toBeUndefined()
    expect(kindOf([], { checkpoints: [elsewhere] })).toBe('tail_missing')
  })
})

test.each(['firstSeq', 'count', 'minAt', 'maxAt'] as const)('a changed column %s is found', (column) => {
  const blocks = twoStreams().blocks.map(sealed)
  for (const [index, block] of blocks.entries())
    for (const by of [-1, 1]) {
      const changed = blocks.with(index, { ...block, [column]: block[column] + by })
      expect(verifyLedger(changed).firstBroken).toMatchObject({ kind: 'block_changed', stream: block.stream })
    }
})

test('records that were cut off a block whose columns still count them are removed', () => {
  const blocks = twoStreams().blocks
  const [first] = blocks
  if (first === undefined) throw new Error('there are eight blocks')
  const cut = { ...sealed(first), body: sealed({ ...first, records: first.records.slice(0, 2) }).body }
  expect(verifyLedger(blocks.map(sealed).with(0, cut)).firstBroken).toMatchObject({
    kind: 'records_removed',
    seq: 3,
  })
})

test('any one bit of any body that is not as it was written is found', () => {
  const blocks = twoStreams(2).blocks.map(sealed)
  for (const [index, block] of blocks.entries())
    for (let at = 0; at < block.body.length; at += 1)
      for (let bit = 0; bit < 8; bit += 1) {
        const body = Buffer.from(block.body)
        body[at] = (body[at] ?? 0) ^ (1 << bit)
        const { firstBroken } = verifyLedger(blocks.with(index, { ...block, body }))
        expect(['record_changed', 'undecodable', 'records_removed']).toContain(firstBroken?.kind)
        expect(firstBroken?.stream).toBe(block.stream)
      }
})

test('any cut of any body is found', () => {
  const blocks = twoStreams(2).blocks.map(sealed)
  for (const [index, block] of blocks.entries())
    for (let length = 0; length < block.body.length; length += 1) {
      const cut = blocks.with(index, { ...block, body: block.body.subarray(0, length) })
      expect(verifyLedger(cut).firstBroken?.stream).toBe(block.stream)
    }
})

describe('checkpoints in the ledger', () => {
  function signed(key = signingKey): LedgerForge {
    const forge = createLedgerForge()
    forge.write(one, requestEntry(1), requestEntry(2))
    forge.writeCheckpoint(one, key)
    forge.write(one, requestEntry(3))
    return forge
  }

  test('are counted, and who signed is told', () => {
    const result = verify(signed().blocks, { trustedKeys: [publicKeyOf(signingKey)] })
    expect(result).toMatchObject({ checkpoints: 1, firstBroken: undefined, keys: [publicKeyOf(signingKey)] })
    expect(result.lastCheckpoint).toMatchObject({ stream: one, seq: 2 })
    expect(result.notes).toEqual([expect.stringContaining('1 record comes after the last checkpoint')])
  })

  test('betray a history that was written anew, links and all', () => {
    const rewritten = withRecords(signed().blocks, one, (records) =>
      rechained(
        records.map((record, index) => (index === 0 ? { ...record, entry: changedEntry(1) } : record)),
        1,
        firstHash(one),
      ),
    )
    expect(verify(rewritten).firstBroken).toMatchObject({ kind: 'history_rewritten', seq: 2 })
  })

  test('must be signed by their key', () => {
    const forge = createLedgerForge()
    forge.write(one, requestEntry(1))
    const { signature } = signCheckpoint({ ...forge.head(one), at: 1 }, signingKey)
    const checkpoint = { ...signCheckpoint({ ...forge.head(one), at: 2 }, signingKey), signature }
    forge.write(one, ledgerEntry({ at: 2, event: 'ledger.checkpoint', detail: checkpoint }))
    forge.write(other, ledgerEntry({ at: 2, event: 'ledger.checkpoint', detail: { cut: true } }))
    expect(verify(forge.blocks).firstBroken).toMatchObject({ kind: 'checkpoint_invalid', stream: one })
    expect(verify(forge.blocks.slice(2)).firstBroken).toMatchObject({
      kind: 'checkpoint_invalid',
      stream: other,
    })
  })

  test('must be checkpoints: a base in their place is told', () => {
    const forge = createLedgerForge()
    forge.write(one, requestEntry(1))
    const point = signTruncationPoint({ ...forge.head(one), at: 1 }, signingKey)
    forge.write(one, ledgerEntry({ at: 2, event: 'ledger.checkpoint', detail: { ...point } }))
    expect(verify(forge.blocks).firstBroken).toMatchObject({
      kind: 'checkpoint_invalid',
      message: expect.stringContaining('it is a base'),
    })
  })

  test('must be signed by a key that is trusted, where it is known which are', () => {
    const { blocks } = signed(generateKeyPairSync('ed25519').privateKey)
    expect(kindOf(blocks, { trustedKeys: [publicKeyOf(signingKey)] })).toBe('key_untrusted')
    expect(verify(blocks).notes[0]).toContain('whose keys those are is not known')
  })

  test('must be of the records right before them: an old one proves nothing of what was put in since', () => {
    const forge = createLedgerForge()
    forge.write(one, requestEntry(1))
    const old = signCheckpoint({ ...forge.head(one), at: 1 }, signingKey)
    forge.write(one, ...Array.from({ length: recentHashesMax }, (_, index) => requestEntry(index)))
    forge.write(one, ledgerEntry({ at: 2, event: 'ledger.checkpoint', detail: { ...old } }))
    expect(kindOf(forge.blocks)).toBe('checkpoint_invalid')
  })

  test('that were kept elsewhere betray a history that was written anew', () => {
    const elsewhere = signCheckpoint(
      { ...twoStreams().head(one), seq: 5, hash: 'ab'.repeat(32), at: 1 },
      signingKey,
    )
    expect(verify(twoStreams().blocks, { checkpoints: [elsewhere] }).firstBroken).toMatchObject({
      kind: 'history_rewritten',
      seq: 5,
    })
  })
})

describe('a stream that was opened later', () => {
  function opened(before: string | readonly string[]): LedgerForge {
    const forge = createLedgerForge()
    forge.write(one, requestEntry(1))
    forge.write(one, requestEntry(2))
    forge.write(other, ledgerEntry({ at: 3, event: 'ledger.opened', detail: { before } }))
    return forge
  }
  const { hash } = opened('').head(one)

  test.each([[`${one}:2:${hash}`], [[`${one}:2:${hash}`]]])(
    'vouches for the end of those before it',
    (before) => {
      const { blocks } = opened(before)
      expect(kindOf(blocks)).toBeUndefined()
      expect(verify(blocks.toSpliced(1, 1)).firstBroken).toMatchObject({
        kind: 'tail_missing',
        stream: one,
        seq: 2,
      })
      expect(verify(blocks.slice(2)).firstBroken).toMatchObject({ kind: 'tail_missing', stream: one, seq: 1 })
    },
  )

  test('betrays that their end was written anew', () => {
    expect(kindOf(opened(`${one}:2:${'ab'.repeat(32)}`).blocks)).toBe('history_rewritten')
  })
})

describe('any ledger of several streams', () => {
  const written = fc.array(
    fc.record({ stream: fc.integer({ min: 1, max: 4 }), size: fc.integer({ min: 1, max: 5 }) }),
    {
      minLength: 1,
      maxLength: 12,
    },
  )
  const tampered = fc.record({
    written,
    pick: fc.nat(),
    byte: fc.nat(),
    mask: fc.integer({ min: 1, max: 255 }),
  })

  function write(
    blocks: readonly { readonly stream: number; readonly size: number }[],
  ): readonly LedgerBlock[] {
    const forge = createLedgerForge()
    for (const [index, { stream, size }] of blocks.entries())
      forge.write(streamId(stream), ...Array.from({ length: size }, (_, at) => requestEntry(10 * index + at)))
    return forge.blocks.map(sealed)
  }

  test('is in order as it was written', () => {
    fc.assert(
      fc.property(written, (blocks) => {
        const ledger = write(blocks)
        const records = ledger.reduce((sum, { count }) => sum + count, 0)
        expect(verifyLedger(ledger)).toMatchObject({ records, firstBroken: undefined })
      }),
    )
  })

  test('is broken by any byte of a body that is another', () => {
    fc.assert(
      fc.property(tampered, ({ written: blocks, pick, byte, mask }) => {
        const ledger = write(blocks)
        const index = pick % ledger.length
        const block = ledger[index]
        if (block === undefined) return
        const body = Buffer.from(block.body)
        const at = byte % body.length
        body[at] = (body[at] ?? 0) ^ mask
        expect(verifyLedger(ledger.with(index, { ...block, body })).firstBroken?.stream).toBe(block.stream)
      }),
    )
  })

  test('is broken by a block that is there twice, or is missing before others of its stream', () => {
    fc.assert(
      fc.property(tampered, ({ written: blocks, pick }) => {
        const ledger = write(blocks)
        const index = pick % ledger.length
        const { stream, firstSeq } = ledger[index] ?? { stream: '', firstSeq: 0 }
        const twice = ledger.toSpliced(index + 1, 0, ...ledger.slice(index, index + 1))
        expect(verifyLedger(twice).firstBroken).toMatchObject({ kind: 'record_duplicated', stream })
        const isLast = !ledger.slice(index + 1).some((block) => block.stream === stream)
        const kind = firstSeq === 1 ? 'start_removed' : 'records_removed'
        const { firstBroken } = verifyLedger(ledger.toSpliced(index, 1))
        if (isLast) expect(firstBroken).toBeUndefined()
        else expect(firstBroken).toMatchObject({ kind, stream, seq: firstSeq })
      }),
    )
  })
})

test('takes the blocks one at a time, and holds none of them', () => {
  let taken = 0
  function* blocks(): Generator<LedgerBlock> {
    const forge = createLedgerForge()
    for (let block = 0; block < 100; block += 1) {
      forge.write(one, requestEntry(block))
      taken += 1
      yield* forge.blocks
        .splice(0)
        .map(sealed)
        .map((sealedBlock) => ({ ...sealedBlock, id: block + 1 }))
    }
  }
  expect(verifyLedger(blocks())).toMatchObject({ records: 100, firstBroken: undefined })
  expect(taken).toBe(100)
})
