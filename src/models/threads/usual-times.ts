/** Batches of a size that count: a few slow ones are outliers, and a few new ones tell. */
const batchesKept = 16
/** What was not measured for ten times as long as it took is forgotten, within these bounds. */
const forgetMsMin = 10_000
const forgetMsMax = 60_000
const forgetTimes = 10

/**
 * How long a model usually takes for what it is asked, learnt from what it has answered: of each
 * size the interquartile mean of the last 16 batches, sizes being powers of two of a batch's
 * characters. So neither an outlier nor a quarter of slow inputs moves it, and large inputs say
 * nothing of small ones. For a size that is not known, the next smaller one that is stands in.
 *
 * Two mistakes are possible. Too short: a call is started that cannot finish, and its time is lost.
 * Too long: calls are refused that could have been answered, and nothing new is learnt from those.
 * The second is worse, so what is not known takes no time, and what was learnt is forgotten.
 */
export class UsualTimes {
  readonly #bySize: (MeasuredTimes | undefined)[] = []

  /** Milliseconds; 0 where nothing is known. */
  of(size: number, now: number): number {
    for (let at = classOf(size); at >= 0; at -= 1) {
      const measured = this.#bySize[at]
      if (measured !== undefined && !measured.isForgotten(now)) return measured.usualMs
    }
    return 0
  }

  /** A batch of that size took so many milliseconds. */
  learn(size: number, ms: number, now: number): void {
    const at = classOf(size)
    const known = this.#bySize[at]
    const measured = known === undefined || known.isForgotten(now) ? new MeasuredTimes() : known
    this.#bySize[at] = measured
    measured.add(ms, now)
  }
}

function classOf(size: number): number {
  return 31 - Math.clz32(Math.max(1, Math.min(size, 2 ** 31)))
}

class MeasuredTimes {
  readonly #last: number[] = []
  #next = 0
  #learntAt = 0
  usualMs = 0

  add(ms: number, now: number): void {
    this.#last[this.#next] = ms
    this.#next = (this.#next + 1) % batchesKept
    this.#learntAt = now
    this.usualMs = interquartileMean(this.#last)
  }

  isForgotten(now: number): boolean {
    const afterMs = Math.min(forgetMsMax, Math.max(forgetMsMin, forgetTimes * this.usualMs))
    return now - this.#learntAt > afterMs
  }
}

/** Of a few values the greatest is left out: the first call of a model is often its slowest. */
function interquartileMean(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b)
  const end = Math.max(1, sorted.length - Math.ceil(sorted.length / 4))
  const middle = sorted.slice(Math.floor(sorted.length / 4), end)
  return middle.reduce((sum, ms) => sum + ms, 0) / middle.length
}
