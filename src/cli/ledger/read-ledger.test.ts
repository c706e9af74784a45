import { generateKeyPairSync } from 'node:crypto'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { createMemoryLedger } from '../../../test/support/memory-ledger.ts'
import { type LedgerRecord, ledgerEntry } from '../../ledger/format/record.ts'
import type { Ledger, LedgerFilter } from '../../ledger/ledger.ts'
import { followLedger, readLedger } from './read-ledger.ts'

const { privateKey: signingKey } = generateKeyPairSync('ed25519')

function openLedger(): Ledger {
  return createMemoryLedger({ signingKey, clock: () => 0 })
}

const append = async (ledger: Ledger, owners: readonly string[]): Promise<void> => {
  for (const owner of owners) await ledger.append(ledgerEntry({ at: 0, event: 'request.admitted', owner }))
}

async function gather(pages: AsyncIterable<readonly LedgerRecord[]>): Promise<readonly number[]> {
  const found: LedgerRecord[] = []
  for await (const records of pages) found.push(...records)
  return found.map(({ seq }) => seq)
}

async function seqsOf(ledger: Ledger, filter: LedgerFilter): Promise<readonly number[]> {
  const { records } = await ledger.query({ ...filter, limit: 1_000, order: 'oldest' })
  return records.map(({ seq }) => seq)
}

const owners = fc.array(fc.constantFrom('acme', 'globex'), { maxLength: 6 })

test('following shows the last lines and then everything that comes, once and in order', async () => {
  await fc.assert(
    fc.asyncProperty(
      owners,
      fc.array(owners, { maxLength: 6 }),
      fc.nat(4),
      fc.constantFrom<LedgerFilter>({}, { owner: 'acme' }),
      async (before, rounds, lines, filter) => {
        const ledger = openLedger()
        await append(ledger, before)
        const there = await seqsOf(ledger, filter)
        const left = [...rounds]
        const wait = async (): Promise<boolean> => {
          const round = left.shift()
          await append(ledger, round ?? [])
          return round !== undefined
        }
        const shown = await gather(followLedger({ ledger, filter, lines, wait }))
        const skipped = Math.max(0, there.length - lines)
        expect(shown).toEqual((await seqsOf(ledger, filter)).slice(skipped))
      },
    ),
  )
})

test('what is written while the last lines are read is shown after them, whenever it comes', async () => {
  const ledger = openLedger()
  await append(ledger, ['acme', 'acme', 'acme'])
  let queries = 0
  const busy: Ledger = {
    ...ledger,
    async query(query) {
      queries += 1
      if (queries <= 3) await append(ledger, ['globex', 'acme', 'acme'])
      return ledger.query(query)
    },
  }
  let waits = 0
  const wait = async (): Promise<boolean> => ++waits <= 2
  const shown = await gather(followLedger({ ledger: busy, filter: { owner: 'acme' }, lines: 2, wait }))
  const all = await seqsOf(ledger, { owner: 'acme' })
  expect(shown.length).toBeGreaterThan(2)
  expect(shown).toEqual(all.slice(-shown.length))
})

test('an export ends, though records are written as fast as it reads', async () => {
  const ledger = openLedger()
  await append(
    ledger,
    Array.from({ length: 1_500 }, () => 'acme'),
  )
  const there = await seqsOf(ledger, {})
  const busy: Ledger = {
    ...ledger,
    async query(query) {
      const page = await ledger.query(query)
      await append(
        ledger,
        Array.from({ length: 1_000 }, () => 'globex'),
      )
      return page
    },
  }
  const exported = await gather(readLedger(busy, {}))
  expect(exported.slice(0, 1_000)).toEqual(there)
  expect(exported).toEqual(Array.from({ length: 1_502 }, (_, index) => index + 1))
})

test('an export ends where its last record is dropped before it comes to it', async () => {
  const ledger = openLedger()
  await append(ledger, ['acme', 'acme'])
  let dropped: string | undefined
  const keeping: Ledger = {
    ...ledger,
    async query(query) {
      const page = await ledger.query(query)
      if (dropped === undefined) {
        dropped = page.records[0]?.position
        await append(ledger, ['globex', 'globex'])
      }
      if (query.order === 'newest') return page
      return { ...page, records: page.records.filter(({ position }) => position !== dropped) }
    },
  }
  expect(await gather(readLedger(keeping, {}))).toEqual([1, 2, 3])
})

test('an empty ledger exports as nothing', async () => {
  expect(await gather(readLedger(openLedger(), { owner: 'nobody' }))).toEqual([])
})
