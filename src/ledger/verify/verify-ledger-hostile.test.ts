import { describe, expect, test } from 'vitest'
import {
  createLedgerForge,
  type LedgerForge,
  requestEntry,
  sealed,
  signingKey,
  streamId,
} from '../../../test/support/ledger-forge.ts'
import type { LedgerBlock } from '../format/block.ts'
import { publicKeyOf, signCheckpoint, signTruncationPoint } from '../format/checkpoint.ts'
import { ledgerEntry } from '../format/record.ts'
import { recentHashesMax } from './recent-hashes.ts'
import { verifyLedger } from './verify-ledger.ts'

// What an attacker can leave who writes the file and knows this program, without the signing key.

const one = streamId(1)
const trustedKeys = [publicKeyOf(signingKey)]

function checkpointEntry(detail: object): ReturnType<typeof ledgerEntry> {
  return ledgerEntry({ at: 2, event: 'ledger.checkpoint', detail: { ...detail } })
}

function verify(blocks: readonly LedgerBlock[]) {
  return verifyLedger(blocks, { trustedKeys })
}

function sealedOf(forge: LedgerForge): readonly LedgerBlock[] {
  return forge.blocks.map(sealed)
}

describe('a signed history that was written anew', () => {
  test('is found where blocks of many other streams are put between it and its checkpoint', () => {
    const forge = createLedgerForge()
    forge.write(one, requestEntry(1))
    const genuine = signCheckpoint({ ...forge.head(one), at: 1 }, signingKey)
    const forged = createLedgerForge()
    forged.write(one, requestEntry(666))
    forged.write(one, requestEntry(2))
    for (let stream = 2; stream < 40; stream += 1) forged.write(streamId(stream), requestEntry(stream))
    forged.write(one, checkpointEntry(genuine))
    expect(verify(sealedOf(forged)).firstBroken).toMatchObject({
      kind: 'checkpoint_invalid',
      stream: one,
      seq: 3,
    })
  })

  test.each([recentHashesMax, recentHashesMax - 1, 1])(
    'is found %i records before its checkpoint',
    (distance) => {
      const forge = createLedgerForge()
      forge.write(one, requestEntry(1))
      const wrong = signCheckpoint({ ...forge.head(one), hash: 'ab'.repeat(32), at: 1 }, signingKey)
      for (let record = 1; record < distance; record += 1) forge.write(one, requestEntry(record))
      forge.write(one, checkpointEntry(wrong))
      expect(verify(sealedOf(forge)).firstBroken).toMatchObject({ kind: 'history_rewritten', stream: one })
    },
  )

  test('is found by any of several checkpoints that were kept of one record, behind a base too', () => {
    const forge = createLedgerForge()
    forge.write(one, requestEntry(1))
    forge.write(one, requestEntry(2))
    const stated = { ...forge.head(one), seq: 1 }
    const [first] = forge.blocks[0]?.records ?? []
    const right = { ...stated, hash: Buffer.from(first?.chainHash ?? []).toString('hex') }
    const point = signTruncationPoint({ ...right, at: 3 }, signingKey)
    const kept = [right, { ...right, hash: 'ab'.repeat(32) }].map((head) =>
      signCheckpoint({ ...head, at: 3 }, signingKey),
    )
    const truncationPoints = [{ stream: one, text: JSON.stringify(point) }]
    const found = verifyLedger(sealedOf(forge).slice(1), {
      truncationPoints,
      checkpoints: kept,
      trustedKeys,
    }).firstBroken
    expect(found).toMatchObject({ kind: 'history_rewritten', seq: 1 })
  })
})

describe('columns that say what cannot be', () => {
  const written = (): readonly LedgerBlock[] => {
    const forge = createLedgerForge()
    for (let block = 0; block < 4; block += 1)
      forge.write(one, ...[0, 1, 2].map((index) => requestEntry(3 * block + index)))
    return sealedOf(forge)
  }

  test.each([-3, 0, 1e15])('a block with the id %i is found: no query gets there', (id) => {
    const [first, ...rest] = written()
    if (first === undefined) throw new Error('there is no block')
    const blocks =
      id > 0
        ? [first, ...rest.slice(0, -1), { ...rest.at(-1), id } as LedgerBlock]
        : [{ ...first, id }, ...rest]
    expect(verify(blocks).firstBroken).toMatchObject({ kind: 'block_changed', stream: one })
  })

  test.each([-100, -1, 0, Number.MAX_SAFE_INTEGER])(
    'a broken block whose first number is %i is reported like any',
    (firstSeq) => {
      const blocks = written()
        .map((block, index) => (index === 2 ? { ...block, firstSeq } : block))
        .toSpliced(1, 1)
      expect(verify(blocks).firstBroken).toMatchObject({ stream: one, seq: 4 })
    },
  )
})

test('a block of very many records behind one that does not fit is no obstacle', () => {
  const forge = createLedgerForge()
  forge.write(one, requestEntry(1))
  forge.write(one, requestEntry(2))
  forge.write(one, requestEntry(3))
  const [first, second, third] = sealedOf(forge)
  if (first === undefined || second === undefined || third === undefined)
    throw new Error('there are no blocks')
  const changed = { ...second, body: Buffer.from(second.body).fill(0, 3, 9) }
  const many = {
    ...third,
    count: 150_000,
    body: Buffer.concat(Array.from({ length: 150_000 }, () => third.body)),
  }
  expect(verify([first, changed, many]).firstBroken).toMatchObject({
    kind: 'record_changed',
    stream: one,
    seq: 2,
  })
  expect(verify([first, many]).firstBroken).toMatchObject({ stream: one, seq: 2 })
})

describe('a checkpoint that was signed by whoever wrote the file', () => {
  const verifyAnybody = (detail: (genuine: object) => object) => {
    const forge = createLedgerForge()
    forge.write(one, requestEntry(1))
    const genuine = signCheckpoint({ ...forge.head(one), at: 1 }, signingKey)
    forge.write(one, checkpointEntry(detail(genuine)))
    return verifyLedger(sealedOf(forge))
  }

  test('cannot bring characters that are none of a key into what is printed', () => {
    const { firstBroken, keys } = verifyAnybody((genuine) => ({
      ...genuine,
      key: `${trustedKeys[0]}\u001b[2J`,
    }))
    expect(firstBroken).toMatchObject({ kind: 'checkpoint_invalid' })
    expect(keys).toEqual([])
  })

  test('cannot name a moment that has no date', () => {
    const forge = createLedgerForge()
    forge.write(one, requestEntry(1))
    const beyond = signCheckpoint({ ...forge.head(one), at: 8.64e15 + 1 }, signingKey)
    forge.write(one, checkpointEntry(beyond))
    expect(verifyLedger(sealedOf(forge)).firstBroken).toMatchObject({ kind: 'checkpoint_invalid' })
  })
})
