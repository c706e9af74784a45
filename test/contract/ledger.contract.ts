import { generateKeyPairSync, type KeyObject } from 'node:crypto'
import fc from 'fast-check'
import { beforeEach, describe, expect, test } from 'vitest'
import { isSigned, publicKeyOf } from '../../src/ledger/format/checkpoint.ts'
import { encodeEntry } from '../../src/ledger/format/encoding.ts'
import type { LedgerEvent } from '../../src/ledger/format/event.ts'
import { type LedgerEntry, type LedgerRecord, ledgerEntry } from '../../src/ledger/format/record.ts'
import type { Ledger, LedgerQuery, LedgerReader, UsageQuery } from '../../src/ledger/ledger.ts'
import { firstHash, nextHash } from '../support/ledger-blocks.ts'

/** A ledger under test and its clock, milliseconds since the epoch. */
export interface OpenedLedger {
  readonly ledger: Ledger
  readonly time: { now: number }
}

export type OpenLedger = (signingKey: KeyObject) => Promise<OpenedLedger>

/** When tests begin. */
export const ledgerBegin: number = Date.UTC(2026, 10, 24, 23, 59)

export function createSigningKey(): KeyObject {
  return generateKeyPairSync('ed25519').privateKey
}

/** An admitted request, but for what is given. */
export function requestOf(fields: Partial<LedgerEntry> = {}): LedgerEntry {
  return ledgerEntry({
    at: ledgerBegin,
    event: 'request.admitted',
    keyId: 'key_a',
    owner: 'acme',
    method: 'POST',
    route: '/predict',
    status: 200,
    latencyUs: 1_000,
    ...fields,
  })
}

/** Everything that a query finds, page by page. */
export async function readAll(
  reader: LedgerReader,
  query: Partial<LedgerQuery> = {},
): Promise<LedgerRecord[]> {
  const records: LedgerRecord[] = []
  let after = query.after
  for (;;) {
    const page = await reader.query({
      limit: 1_000,
      order: 'oldest',
      ...query,
      ...(after === undefined ? {} : { after }),
    })
    records.push(...page.records)
    if (page.next === undefined || page.records.length === 0) return records
    after = page.next
  }
}

/**
 * Checks that the records are a stream each, without gaps, and that each one's hash follows from
 * the one before.
 */
export function checkChains(records: readonly LedgerRecord[]): void {
  const heads = new Map<string, { readonly seq: number; readonly chainHash: Buffer }>()
  for (const { position: _, stream, seq, hash, ...entry } of records) {
    const head = heads.get(stream) ?? { seq: 0, chainHash: firstHash(stream) }
    expect(seq).toBe(head.seq + 1)
    const chainHash = nextHash(head.chainHash, seq, encodeEntry(entry))
    expect(hash).toBe(chainHash.toString('hex'))
    heads.set(stream, { seq, chainHash })
  }
}

const unavailable = { name: 'Fault', code: 'ledger_unavailable' }
const events: readonly LedgerEvent[] = [
  'request.admitted',
  'request.refused',
  'request.failed',
  'request.started',
  'request.finished',
  'requests.summarized',
]
const textOf = (...texts: readonly string[]) => fc.constantFrom(null, ...texts)
const entries = fc.array(
  fc
    .record({
      at: fc.integer({ min: ledgerBegin - 90_000, max: ledgerBegin + 90_000 }),
      event: fc.constantFrom(...events),
      keyId: textOf('key_a', 'key_ab', 'é'),
      owner: textOf('acme', 'acm'),
      code: textOf('rate_limited', 'key_invalid'),
      route: textOf('/predict', '/jobs/:id'),
      requestId: textOf('r1', 'r2'),
      latencyUs: fc.option(fc.integer({ min: 0, max: 50 })),
      measures: fc.record({ requests: fc.nat(9), characters: fc.nat(99) }, { requiredKeys: [] }),
      detail: fc.constantFrom(null, { model: 'sentiment' }, { model: 'é', aborted: true }, { cut: true }),
    })
    .map(requestOf),
  { maxLength: 40 },
)
const filters = fc.record(
  {
    keyId: fc.constantFrom('key_a', 'key_ab', 'é', 'nobody'),
    owner: fc.constantFrom('acme', 'acm'),
    code: fc.constantFrom('rate_limited', 'key_invalid'),
    event: fc.constantFrom(...events),
    events: fc.subarray([...events]),
    route: fc.constantFrom('/predict', '/jobs/:id'),
    requestId: fc.constantFrom('r1', 'r2'),
    since: fc.integer({ min: ledgerBegin - 90_000, max: ledgerBegin + 90_000 }),
    until: fc.integer({ min: ledgerBegin - 90_000, max: ledgerBegin + 90_000 }),
  },
  { requiredKeys: [] },
)

/** The promises of `Ledger`, for every store. */
export function describeLedger(name: string, open: OpenLedger): void {
  describe(`ledger: ${name}`, () => {
    const signingKey = createSigningKey()
    let ledger: Ledger
    let time: OpenedLedger['time']
    beforeEach(async () => {
      ;({ ledger, time } = await open(signingKey))
    })

    test('entries are found as they were written, in the order of the calls, chained behind the opening', async () => {
      const written = [3, 1, 2].map((status) => requestOf({ status, at: ledgerBegin - status * 1_000 }))
      await Promise.all(written.map(ledger.append))
      const records = await readAll(ledger)
      expect(records.map(({ event }) => event)).toEqual([
        'ledger.opened',
        'ledger.checkpoint',
        'request.admitted',
        'request.admitted',
        'request.admitted',
      ])
      expect(records.slice(2)).toMatchObject(written)
      checkChains(records)
    })

    test('a checkpoint is signed and names the record before its own, which then bears it', async () => {
      await ledger.append(requestOf())
      time.now += 5_000
      const checkpoint = await ledger.checkpoint()
      expect(isSigned(checkpoint)).toBe(true)
      expect(checkpoint.key).toBe(publicKeyOf(signingKey))
      const [last, before] = (await ledger.query({ limit: 2, order: 'newest' })).records
      expect(last).toMatchObject({
        event: 'ledger.checkpoint',
        at: ledgerBegin + 5_000,
        detail: { ...checkpoint },
      })
      expect(before).toMatchObject({
        stream: checkpoint.stream,
        seq: checkpoint.seq,
        hash: checkpoint.hash,
        event: 'request.admitted',
      })
    })

    test('a clock that jumps back changes neither the order nor the chain', async () => {
      const times = [0, -3_600_000, 5, -7_200_000].map((ms) => ledgerBegin + ms)
      for (const at of times) {
        time.now = at
        await ledger.append(requestOf({ at }))
        await ledger.checkpoint()
      }
      const records = await readAll(ledger)
      checkChains(records)
      expect(records.filter(({ event }) => event === 'request.admitted').map(({ at }) => at)).toEqual(times)
      expect(await readAll(ledger, { until: ledgerBegin - 7_200_000 })).toEqual([])
      expect(await readAll(ledger, { until: ledgerBegin - 3_600_000 })).toHaveLength(2)
    })

    test('every filter, order and page finds what a plain list holds', async () => {
      await fc.assert(
        fc.asyncProperty(
          entries,
          filters,
          fc.constantFrom('newest' as const, 'oldest' as const),
          fc.integer({ min: 1, max: 7 }),
          async (more, filter, order, limit) => {
            await Promise.all(more.map(ledger.append))
            const all = await readAll(ledger)
            const wanted = all.filter((record) => isWanted(record, filter))
            const found = await readAll(ledger, { ...filter, order, limit })
            expect(found).toEqual(order === 'oldest' ? wanted : wanted.toReversed())
          },
        ),
        { numRuns: 40 },
      )
    })

    test('a page from the oldest on says where to go on once there is more', async () => {
      const query = { limit: 10, order: 'oldest', event: 'request.admitted' } as const
      await ledger.append(requestOf({ status: 1 }))
      const first = await ledger.query(query)
      const after = first.next ?? ''
      expect(first.records).toHaveLength(1)
      expect(await ledger.query({ ...query, after })).toEqual({ records: [], next: after })
      await ledger.append(requestOf({ status: 2 }))
      expect((await ledger.query({ ...query, after })).records).toMatchObject([{ status: 2 }])
    })

    test('an invalid cursor is refused', async () => {
      await expect(ledger.query({ limit: 1, order: 'newest', after: 'x' })).rejects.toThrow(RangeError)
    })

    test('usage is what adding up by hand gives', async () => {
      await fc.assert(
        fc.asyncProperty(
          entries,
          fc.subarray(['key', 'owner', 'route', 'model', 'day', 'month'] as const),
          fc.record(
            {
              keyId: fc.constantFrom('key_a'),
              owner: fc.constantFrom('acme'),
              since: fc.integer({ min: ledgerBegin - 90_000, max: ledgerBegin }),
              until: fc.integer({ min: ledgerBegin, max: ledgerBegin + 90_000 }),
            },
            { requiredKeys: [] },
          ),
          async (more, by, filter) => {
            await Promise.all(more.map(ledger.append))
            const all = await readAll(ledger)
            expect(await ledger.usage({ by, ...filter })).toEqual(addUp(all, { by, ...filter }))
          },
        ),
        { numRuns: 20 },
      )
    })

    test('latency is right to one percent over the whole range', async () => {
      const latencies = [...Array(200).keys()].map((index) => Math.floor(1.08 ** index))
      await Promise.all(
        latencies.map((latencyUs) => ledger.append(requestOf({ latencyUs, measures: { requests: 1 } }))),
      )
      const [row] = await ledger.usage({ by: [] })
      for (const [share, name] of [
        [0.5, 'p50'],
        [0.95, 'p95'],
        [0.99, 'p99'],
      ] as const) {
        const exact = (latencies[Math.ceil(share * 200) - 1] ?? 0) / 1_000
        expect(Math.abs((row?.latencyMs?.[name] ?? 0) / exact - 1), name).toBeLessThan(0.01)
      }
    })

    test('what an entry cannot be is refused, and the next is written', async () => {
      await expect(ledger.append(requestOf({ measures: { characters: -1 } }))).rejects.toThrow(TypeError)
      await ledger.append(requestOf())
      checkChains(await readAll(ledger))
    })

    test('a ledger that is closed takes and tells nothing more; closing again does nothing', async () => {
      await ledger.close()
      await ledger.close()
      await expect(ledger.append(requestOf())).rejects.toMatchObject(unavailable)
      await expect(ledger.checkpoint()).rejects.toMatchObject(unavailable)
      await expect(ledger.query({ limit: 1, order: 'newest' })).rejects.toMatchObject(unavailable)
      await expect(ledger.usage({ by: [] })).rejects.toMatchObject(unavailable)
    })
  })
}

/** Written anew: the store's own filter is what is tested. */
function isWanted(record: LedgerRecord, filter: Partial<LedgerQuery>): boolean {
  const { since, until, limit: _, order: __, after: ___, events: any, ...texts } = filter
  if (any !== undefined && !any.includes(record.event)) return false
  const isSame = Object.entries(texts).every(([name, value]) => record[name as keyof LedgerRecord] === value)
  return isSame && (since === undefined || record.at >= since) && (until === undefined || record.at < until)
}

/** Adds up records one by one: what usage must be. */
export function addUp(all: readonly LedgerRecord[], { by, ...filter }: UsageQuery): unknown {
  const groups = new Map<string, LedgerRecord[]>()
  for (const record of all) {
    if (!record.event.startsWith('request') || !isWanted(record, filter)) continue
    const day = new Date(record.at).toISOString().slice(0, 10)
    const name = JSON.stringify([
      by.includes('key') ? record.keyId : null,
      by.includes('owner') ? record.owner : null,
      by.includes('route') ? record.route : null,
      by.includes('model') ? modelOf(record) : null,
      by.includes('day') ? day : null,
      by.includes('month') ? day.slice(0, 7) : null,
    ])
    groups.set(name, [...(groups.get(name) ?? []), record])
  }
  return [...groups]
    .map(([name, records]) => {
      const [keyId, owner, route, model, day, month] = JSON.parse(name) as (string | null)[]
      return { keyId, owner, route, model, day, month, ...sumOf(records) }
    })
    .sort((one, other) => (sortText(one) < sortText(other) ? -1 : 1))
}

function modelOf({ detail }: LedgerRecord): unknown {
  return Object.entries(detail ?? {}).find(([name]) => name === 'model')?.[1] ?? null
}

function sortText({ keyId, owner, route, model, day, month }: Record<string, unknown>): string {
  return [keyId, owner, route, model, day, month].map((value) => value ?? '').join('\t')
}

function sumOf(records: readonly LedgerRecord[]): object {
  const refused: Record<string, number> = {}
  const measures: Record<string, number> = {}
  const latencies: number[] = []
  let requests = 0
  let admitted = 0
  let operational = 0
  let lastUsedAt: number | null = null
  for (const { at, event, keyId, code, latencyUs, measures: used } of records) {
    const add = (sums: Record<string, number>, name: string, amount: number): void => {
      sums[name] = (sums[name] ?? 0) + amount
    }
    const own = new Map(Object.entries(used))
    if (event === 'requests.summarized') {
      // The version before wrote `requests`, and counted refusals as such.
      requests += own.get('requests') ?? 0
      add(refused, code ?? '', (own.get('refused') ?? 0) + (own.get('requests') ?? 0))
      if (keyId !== null) lastUsedAt = Math.max(lastUsedAt ?? 0, at)
      continue
    }
    const isDone = event === 'request.admitted' || event === 'request.finished'
    const isUnanswered = event === 'request.refused' || event === 'request.failed'
    const isOfProvenKey = isUnanswered && keyId !== null
    if (isDone || event === 'request.started' || isOfProvenKey) lastUsedAt = Math.max(lastUsedAt ?? 0, at)
    // No customer is charged for what an operational request used.
    if (!isDone || own.has('requests'))
      for (const [measure, amount] of Object.entries(used)) add(measures, measure, amount)
    if (isUnanswered) {
      add(refused, code ?? '', 1)
      requests += own.get('requests') ?? 1
    }
    if (!isDone) continue
    const billed = own.get('requests')
    if (billed === undefined) operational += 1
    else {
      requests += billed
      admitted += 1
      if (latencyUs !== null) latencies.push(latencyUs)
    }
  }
  latencies.sort((one, other) => one - other)
  const rank = (share: number): number => (latencies[Math.ceil(share * latencies.length) - 1] ?? 0) / 1_000
  const latencyMs = latencies.length === 0 ? null : { p50: rank(0.5), p95: rank(0.95), p99: rank(0.99) }
  return { requests, admitted, operational, refused, measures, latencyMs, lastUsedAt }
}
