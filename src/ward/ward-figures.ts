import { withinDeadline } from '../core/deadline.ts'
import { awaitedScheduler } from '../core/scheduler.ts'
import type { KeyCache } from '../guard/key-cache.ts'
import type { JobService } from '../jobs/job-service.ts'
import type { Limiter } from '../limits/limiter.ts'
import type { Measures } from '../telemetry/measures.ts'
import type { Telemetry } from '../telemetry/telemetry.ts'
import { createKeysEnding, type KeysEndingOptions } from './keys-ending.ts'

export interface WardFiguresOptions extends KeysEndingOptions {
  readonly telemetry: Pick<Telemetry, 'measures'>
  readonly cache: Pick<KeyCache, 'size' | 'looked' | 'ageMs' | 'isTrusted'>
  readonly limiter: Pick<Limiter, 'isOut'>
  /** Undefined where the ward has none. */
  readonly jobs: Pick<JobService, 'countStates'> | undefined
}

/** Longest wait for the count of jobs, in milliseconds: the store is out beyond it. */
const countMsMax = 800

/** Has the figures of a ward read. @returns what ends that */
export function readWardFigures(options: WardFiguresOptions): () => void {
  const { cache, limiter, jobs } = options
  const { measures } = options.telemetry
  if (!measures.isOn) return () => {}
  const ends = [
    measures.figure('key_cache_entries', cache.size),
    measures.figure('key_cache_hits', () => cache.looked().hits),
    measures.figure('key_cache_misses', () => cache.looked().misses),
    measures.figure('key_sync_age', () => cache.ageMs() / 1_000),
    measures.figure('keys_ending_soon', createKeysEnding(options)),
    measures.figure('up', () => ({
      keys: cache.isTrusted() ? 1 : 0,
      limits: limiter.isOut?.() === true ? 0 : 1,
    })),
    ...(jobs === undefined ? [] : readJobFigures(jobs, measures)),
  ]
  return () => {
    for (const end of ends) end()
  }
}

function readJobFigures(
  { countStates }: Pick<JobService, 'countStates'>,
  measures: Measures,
): readonly (() => void)[] {
  /** Two figures of one page are one count. */
  let counting: ReturnType<typeof countStates> | undefined
  const countOnce = (): ReturnType<typeof countStates> => {
    counting ??= withinDeadline(countStates(), {
      ...{ name: 'the count of jobs', code: 'store_unavailable', deadlineMs: countMsMax },
      scheduler: awaitedScheduler,
    }).finally(() => {
      counting = undefined
    })
    return counting
  }
  return [
    measures.figure('jobs', async () => ({ ...(await countOnce()) })),
    measures.figure('up', async () => {
      const isUp = await countOnce().then(
        () => true,
        () => false,
      )
      return { jobs: isUp ? 1 : 0 }
    }),
  ]
}
