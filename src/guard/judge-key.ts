import { after, type Maybe } from '../core/after.ts'
import { createClosedNames } from '../core/closed-names.ts'
import type { BadKeyLimiter } from '../limits/bad-key-limiter.ts'
import { createGenerations } from '../limits/generations.ts'
import type { TakeLimits } from '../limits/usage/take-limits.ts'
import { type AdmitDeps, admit } from './admit.ts'
import type { Demand } from './demand.ts'
import type { Exchange } from './exchange/exchange.ts'
import type { NameMeasure } from './exchange/recorded-measures.ts'
import { createKeyRefusals, type KeyRefusalsOptions } from './key-refusals.ts'
import type { Scheme } from './scheme.ts'
import type { Verdict } from './verdict.ts'

/** A key that was presented elsewhere, and that a program asks about. */
export interface AskedKey {
  /** As it was presented, without space around it; empty: none was. */
  readonly key: string
  /**
   * Whether the request is counted. If not, its limits are only looked at, and its record measures
   * no request.
   * @default true
   */
  readonly takes?: boolean
  /** The id of the key that asks: the record names it. @default none does */
  readonly verifier?: string | undefined
}

type Judge = (exchange: Exchange, asked: AskedKey, demand?: Demand) => Maybe<Verdict>

interface JudgeOptions extends KeyRefusalsOptions {
  readonly lookAtLimits: TakeLimits
}

/**
 * Most measures that records name which no limit counts and one program has named, in the life of a
 * process: the amounts of all others are `other`. What it makes names of is its own.
 */
const namedMeasuresMax = 16
/** Most programs whose measures are known at a time. */
const verifiersMax = 1_024

const countsNothing: BadKeyLimiter = { count: () => undefined, size: () => 0 }

/**
 * Judges keys that were presented elsewhere by the very steps of `admit`: only where the key is
 * read, and what is counted, differ.
 */
export function createJudge(deps: AdmitDeps, options: JudgeOptions): Judge {
  const uncounted = createKeyRefusals({ ...options, badKeyLimiter: countsNothing })
  const names = createGenerations<NameMeasure>(verifiersMax)
  return function judge(exchange, { key, takes = true, verifier }, demand) {
    exchange.verifier = verifier
    exchange.nameMeasure = names.get(verifier ?? '', () => createClosedNames(namedMeasuresMax))
    const schemes = [presenting(key)]
    const judging: AdmitDeps = {
      ...deps,
      schemes,
      schemesWithBearer: schemes,
      mayLackKey: false,
      // The address of the program that asks is not the client's: without that, none is counted.
      refusals: exchange.head.address === undefined ? uncounted : deps.refusals,
      takeLimits: takes ? deps.takeLimits : options.lookAtLimits,
    }
    return after(admit(judging, exchange, demand) as Maybe<Verdict>, (verdict) => {
      if (!takes) exchange.isBillable = false
      return verdict
    })
  }
}

/** Finds this key, wherever it travelled. */
function presenting(key: string): Scheme<true> {
  return {
    id: 'Presented',
    required: true,
    challenge: 'ApiKey',
    description: { type: 'apiKey', in: 'header', name: 'X-API-Key' },
    read: () => (key === '' ? [] : [key]),
  }
}
