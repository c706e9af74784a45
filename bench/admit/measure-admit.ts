import { percentileOf } from '../statistics.ts'
import { type CountedWard, headOf } from './keyed-ward.ts'

/** Nanoseconds per call. */
export interface Round {
  readonly p50: number
  readonly p99: number
  readonly mean: number
}

export interface AdmitCase {
  readonly name: string
  readonly ward: CountedWard
  readonly calls: number
  readonly keyOf: (call: number) => string
  readonly expected: 'admitted' | 'key_invalid'
  /** How often a call asks the store. */
  readonly lookUpsPerCall: 0 | 1
}

const demand = { scope: 'predict' }

/**
 * Calls between two turns of the event loop. Without one the guard cannot hear its store, and when
 * the lease ends, after five seconds, it asks the store for every key: what was to be the time of a
 * cached key would be that of another.
 */
const callsPerTurn = 1_000

/**
 * Presents keys one after the other; throws unless each came to what was expected, in the way that
 * was expected.
 */
export async function measureAdmit(options: AdmitCase): Promise<Round> {
  const { name, ward, calls, keyOf, expected, lookUpsPerCall } = options
  const { open, admit } = ward.guard
  const heads = Array.from({ length: calls }, (_, call) => headOf(keyOf(call)))
  const samples = new Float64Array(calls)
  // Making the heads took its time, in which nothing was heard; and the first call of a key is
  // never a cached one.
  await ward.refresh()
  if (lookUpsPerCall === 0) await ward.admit(headOf(keyOf(0)), demand)
  const before = ward.lookUps()
  let wrong = 0
  for (const [call, head] of heads.entries()) {
    if (call % callsPerTurn === 0) await turnOfEventLoop()
    const startedAt = performance.now()
    const verdict = await admit(open(head, head, undefined), demand)
    samples[call] = (performance.now() - startedAt) * 1e6
    if ((verdict.admitted ? 'admitted' : verdict.refusal.code) !== expected) wrong += 1
  }
  const lookUps = ward.lookUps() - before
  if (wrong > 0) throw new Error(`${name}: ${wrong} of ${calls} did not come to \`${expected}\``)
  if (lookUps !== calls * lookUpsPerCall)
    throw new Error(`${name}: expected ${calls * lookUpsPerCall} look-ups in the store, got ${lookUps}`)
  const mean = samples.reduce((sum, sample) => sum + sample, 0) / calls
  return { p50: percentileOf(samples, 0.5), p99: percentileOf(samples, 0.99), mean }
}

/** Lets timers run, the guard's own among them. */
export function turnOfEventLoop(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}

/** Nanoseconds that the clock takes to be read, once per call above. */
export function measureClock(): number {
  const reads = 1_000_000
  const startedAt = performance.now()
  for (let read = 0; read < reads; read += 1) performance.now()
  return ((performance.now() - startedAt) * 1e6) / reads
}
