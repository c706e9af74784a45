import { apiKeyHeader } from '../../src/guard/scheme.ts'
import { createInProcessLimiter } from '../../src/limits/in-process/in-process-limiter.ts'
import { drawPepper, parsePeppers } from '../../src/secrets/peppers.ts'
import { createMemoryKeyStore } from '../../src/storage/memory/key-store.ts'
import { gatherStorage } from '../../src/ward/test-ward.ts'
import { createWard, type Ward } from '../../src/ward/ward.ts'
import { headOf } from '../admit/keyed-ward.ts'
import { turnOfEventLoop } from '../admit/measure-admit.ts'
import { percentileOf } from '../statistics.ts'

/** Nanoseconds per call of `admit`, for a key in memory. */
export interface Taken {
  readonly p50: number
  readonly p99: number
}

/**
 * One whose every use is kept by its time, one that is counted in slots, and one that the owner's
 * keys share.
 */
export const threeLimits: { readonly key: readonly string[]; readonly owner: readonly string[] } = {
  key: ['60/s', '600/10s'],
  owner: ['6000/min'],
}
/**
 * What the limits' clock moves on with each call: five sixths of the first limits, and they are as
 * full as that while it is measured.
 */
const stepMs = 20
const calls = 100_000
/** As in `measureAdmit`: without a turn of the event loop the guard could not hear its store. */
const callsPerTurn = 1_000

/** A ward with one key, in memory, whose limits have a clock of their own. */
export interface TakingWard {
  readonly ward: Ward
  readonly text: string
  readonly step: () => void
}

export async function openTakingWard(limits: typeof threeLimits): Promise<TakingWard> {
  let now = Date.now()
  const clock = (): number => now
  const storage = gatherStorage({
    keys: createMemoryKeyStore({ clock: Date.now }),
    ledger: undefined,
    jobs: undefined,
    limiter: createInProcessLimiter({ clock, monotonic: clock }),
    secrets: { peppers: parsePeppers(drawPepper(1), 'the benchmark') },
  })
  const ward = await createWard(storage, {
    schemes: [apiKeyHeader({ name: 'X-API-Key' })],
    format: { prefix: 'mw', environment: 'live' },
  })
  const { text, record } = await ward.keys.create({ name: 'caller', owner: 'acme', limits: limits.key })
  if (limits.owner.length > 0) await ward.owners.set(record.owner, limits.owner)
  return {
    ward,
    text,
    step() {
      now += stepMs
    },
  }
}

/** Throws unless every call is admitted, under as many limits as there are. */
export async function measureTaking({ ward, text, step }: TakingWard, limits: number): Promise<Taken> {
  const { open, admit } = ward.guard
  const heads = Array.from({ length: calls }, () => headOf(text))
  const samples = new Float64Array(calls)
  await ward.refresh()
  await ward.admit(headOf(text))
  for (const [call, head] of heads.entries()) {
    if (call % callsPerTurn === 0) await turnOfEventLoop()
    step()
    const startedAt = performance.now()
    const verdict = await admit(open(head, head, undefined))
    samples[call] = (performance.now() - startedAt) * 1e6
    if (!verdict.admitted) throw new Error(`call ${call} was refused: ${verdict.refusal.code}`)
    if (verdict.usage.states.length !== limits)
      throw new Error(`expected ${limits} limits, got ${verdict.usage.states.length}`)
  }
  return { p50: percentileOf(samples, 0.5), p99: percentileOf(samples, 0.99) }
}
