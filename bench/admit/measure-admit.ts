import type { Ward } from '../../src/modelward.ts'
import { percentileOf } from '../statistics.ts'
import { headOf } from './keyed-ward.ts'

/** Nanoseconds per call. */
export interface Round {
  readonly p50: number
  readonly p99: number
  readonly mean: number
}

export interface AdmitCase {
  readonly name: string
  readonly ward: Ward
  readonly calls: number
  readonly keyOf: (call: number) => string
  readonly expected: 'admitted' | 'key_invalid'
}

const demand = { scope: 'predict' }

/** Presents keys one after the other; throws unless each comes to what was expected. */
export async function measureAdmit({ name, ward, calls, keyOf, expected }: AdmitCase): Promise<Round> {
  const { admit } = ward.gate
  const heads = Array.from({ length: calls }, (_, call) => headOf(keyOf(call)))
  const samples = new Float64Array(calls)
  let wrong = 0
  let call = 0
  const startedAt = performance.now()
  for (const head of heads) {
    const before = performance.now()
    const verdict = await admit(head, demand)
    samples[call] = (performance.now() - before) * 1e6
    call += 1
    if ((verdict.admitted ? 'admitted' : verdict.refusal.code) !== expected) wrong += 1
  }
  const mean = ((performance.now() - startedAt) * 1e6) / calls
  if (wrong > 0) throw new Error(`${name}: ${wrong} of ${calls} did not come to \`${expected}\``)
  return { p50: percentileOf(samples, 0.5), p99: percentileOf(samples, 0.99), mean }
}

/** Nanoseconds that the clock takes to be read, once per call above. */
export function measureClock(): number {
  const reads = 1_000_000
  const startedAt = performance.now()
  for (let read = 0; read < reads; read += 1) performance.now()
  return ((performance.now() - startedAt) * 1e6) / reads
}
