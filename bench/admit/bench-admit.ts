import type { Bench, BenchResult, Target } from '../bench.ts'
import { formatNumber, formatSpread, type Spread, spreadOf } from '../statistics.ts'
import { createKeyedWard, headOf, type KeyedWard } from './keyed-ward.ts'
import { type AdmitCase, measureAdmit, measureClock, type Round } from './measure-admit.ts'
import { type HeapUse, measureHeap } from './measure-heap.ts'

const cachedMax = 10_000
const fewKeys = 10
const sampleSize = 20_000
/** Counted for each call, and never reached. */
const neverReached = ['1000000000/min']

/** How long the guard takes to decide, and what it holds in memory. */
export const benchAdmit: Bench = async ({ rounds = 5, keys: many = 1_000_000 }, tell) => {
  tell(`adding ${many.toLocaleString('en')} keys`)
  const small = await createKeyedWard(fewKeys)
  const large = await createKeyedWard(many)
  try {
    tell(`added in ${large.loadSeconds.toFixed(1)} s`)
    const cases = await createCases(small, large, many)
    const measured = new Map(cases.map(({ name }) => [name, [] as Round[]]))
    for (const one of cases) await measureAdmit(one)
    for (let round = 1; round <= rounds; round += 1) {
      for (const one of cases) measured.get(one.name)?.push(await measureAdmit(one))
      tell(`round ${round} of ${rounds}`)
    }
    for (const ward of new Set(cases.map((one) => one.ward))) await ward.close()
    tell(`presenting ${many.toLocaleString('en')} keys to a cache of ${cachedMax.toLocaleString('en')}`)
    const ward = await large.openWard(cachedMax)
    const heap = await measureHeap(ward, (number) => headOf(large.keys.text(number)), cachedMax, many)
    await ward.close()
    return report(measured, heap, many, large.loadSeconds)
  } finally {
    small.remove()
    large.remove()
  }
}

async function createCases(small: KeyedWard, large: KeyedWard, many: number): Promise<readonly AdmitCase[]> {
  const cached = await small.openWard(cachedMax)
  const limited = await small.openWard(cachedMax, neverReached)
  const uncachedSmall = await small.openWard(2)
  const uncachedLarge = await large.openWard(2)
  const { keys } = large
  // They lie anywhere, and each is met once a round, so that nothing of it is left in the guard's
  // memory.
  const sampled = drawNumbers(Math.min(sampleSize, many), many)
  const texts = sampled.map(keys.text)
  const fewTexts = Array.from({ length: fewKeys }, (_, number) => small.keys.text(number))
  const pick = (from: readonly string[]) => (call: number) => from[call % from.length] ?? ''
  const calls = texts.length
  const admitted = { calls, expected: 'admitted', lookUpsPerCall: 1 } as const
  const refused = { ward: uncachedLarge, calls, expected: 'key_invalid', lookUpsPerCall: 1 } as const
  const fromCache = {
    ...admitted,
    calls: 200_000,
    keyOf: () => fewTexts[0] ?? '',
    lookUpsPerCall: 0,
  } as const
  return [
    { ...fromCache, name: 'cached', ward: cached },
    { ...fromCache, name: 'cached, one limit', ward: limited },
    { name: uncached(fewKeys), ...admitted, ward: uncachedSmall, keyOf: pick(fewTexts) },
    { name: uncached(many), ...admitted, ward: uncachedLarge, keyOf: pick(texts) },
    { name: 'wrong secret', ...refused, keyOf: pick(sampled.map(keys.wrongText)) },
    { name: 'unknown id', ...refused, keyOf: pick(sampled.map((number) => keys.text(number + many))) },
    {
      name: 'malformed',
      ...refused,
      keyOf: pick(texts.map((text) => `${text.slice(0, -1)}-`)),
      lookUpsPerCall: 0,
    },
  ]
}

/** Distinct numbers below a bound, in no order. */
function drawNumbers(count: number, below: number): readonly number[] {
  const drawn = new Set<number>()
  while (drawn.size < count) drawn.add(Math.floor(Math.random() * below))
  return [...drawn]
}

function uncached(keys: number): string {
  return `not cached, ${keys.toLocaleString('en')} keys in the store`
}

function report(
  measured: ReadonlyMap<string, readonly Round[]>,
  heap: HeapUse,
  many: number,
  loadSeconds: number,
): BenchResult {
  const spread = (name: string, field: keyof Round) =>
    spreadOf((measured.get(name) ?? []).map((round) => round[field]))
  const rows = [...measured.keys()].map((name) => [
    name,
    ...(['p50', 'p99', 'mean'] as const).map((field) => formatSpread(spread(name, field), 0)),
  ])
  const few = (measured.get(uncached(fewKeys)) ?? []).map(({ p50 }) => p50)
  const ratio = spreadOf(
    (measured.get(uncached(many)) ?? []).map(({ p50 }, round) => p50 / (few[round] ?? 0)),
  )
  const mebibytes = (bytes: number) => formatNumber(bytes / 2 ** 20, 1)
  return {
    name: 'admit',
    tables: [
      { title: '`ward.guard.admit`, SQLite store', columns: ['key', 'p50 ns', 'p99 ns', 'mean ns'], rows },
      {
        title: `Heap, a cache of ${cachedMax.toLocaleString('en')} keys`,
        columns: ['after so many distinct keys', 'heap used MiB', 'keys in memory'],
        rows: heap.map(({ presented, bytes, cached }) => [
          formatNumber(presented, 0),
          mebibytes(bytes),
          formatNumber(cached, 0),
        ]),
      },
    ],
    targets: [
      p50Target('cached key, p50', spread('cached', 'p50'), 0.8),
      p50Target('cached key with a limit, p50', spread('cached, one limit', 'p50'), 1.2),
      ...targetsOf(ratio, heap),
    ],
    notes: [
      `Each call is timed by itself; the clock’s own ${formatNumber(measureClock(), 0)} ns are in it.`,
      'Each round counts look-ups in the store: none for a cached or malformed key, one a call for the others.',
      `${many.toLocaleString('en')} keys were added in ${loadSeconds.toFixed(1)} s; the file is in the system’s page cache.`,
    ],
    samples: { ...Object.fromEntries(measured), heap, loadSeconds },
  }
}

function p50Target(name: string, { median }: Spread, microseconds: number): Target {
  return {
    name,
    wanted: `≤ ${microseconds} µs`,
    measured: `${(median / 1_000).toFixed(2)} µs`,
    isMet: median <= microseconds * 1_000,
  }
}

/** Last uses of keys in memory: 100,000 that wait to be written, and as many being written. */
const usesMib = 24

function targetsOf(ratio: Spread, heap: HeapUse): readonly Target[] {
  const grownMib = ((heap.at(-1)?.bytes ?? 0) - (heap[0]?.bytes ?? 0)) / 2 ** 20
  const isWithin = heap.every(({ cached }) => cached <= cachedMax)
  return [
    {
      name: 'not cached, large store ÷ small',
      wanted: '≤ 1.5',
      measured: formatSpread(ratio, 2),
      isMet: ratio.median <= 1.5,
    },
    {
      name: 'heap bounded: beyond a full cache, last uses that wait to be written',
      wanted: `≤ ${usesMib} MiB`,
      measured: `${grownMib.toFixed(1)} MiB`,
      isMet: isWithin && grownMib <= usesMib,
    },
  ]
}
