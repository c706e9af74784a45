/** When something is left alone. Times are milliseconds. */
export interface BreakerOptions {
  /** Failures in a row that open it. */
  readonly failures: number
  /** How long it is open at first; twice as long after each try that failed. */
  readonly pauseMs: number
  readonly pauseMaxMs: number
}

/** `closed`: calls go. `open`: none does, until one may try. `trying`: one does. */
export type BreakerState = 'closed' | 'open' | 'trying'

/** A call that was let through. `passed`, `failed` or `ignored` is called as it ends, once. */
export interface BreakerCall {
  /** Its answer has begun, before it has ended: where it tries, others go again. */
  readonly begun: () => void
  readonly passed: (now: number) => void
  readonly failed: (now: number) => void
  /** It says nothing of what was called: its client left, or it was never sent. */
  readonly ignored: () => void
}

/**
 * Leaves something alone that has failed several times in a row, and then lets one call try it, and
 * another one each pause while that brings nothing: what takes long is not what is out. Nothing but
 * a function of the moments it is given: milliseconds of a clock that never jumps.
 */
export interface Breaker {
  /** Lets a call through; undefined: not now. */
  readonly begin: (now: number) => BreakerCall | undefined
  /** Milliseconds until `begin` may let one through; while one tries, the shortest pause. */
  readonly waitMs: (now: number) => number
  /**
   * What was seen beside all calls: well closes it, unwell twice in a row opens it, and once more
   * keeps a call from trying.
   */
  readonly checked: (isWell: boolean, now: number) => void
  readonly state: () => BreakerState
  /** Of calls, in a row. */
  readonly failures: () => number
}

/** Checks in a row that open it. */
const checksThatOpen = 2

/** @param onChange hears of each opening, of each longer one, and of the end */
export function createBreaker(
  { failures: failuresThatOpen, pauseMs, pauseMaxMs }: BreakerOptions,
  onChange: (change: 'opened' | 'opened again' | 'closed') => void = () => {},
): Breaker {
  let failures = 0
  let unwell = 0
  let open: { readonly until: number; readonly pauseMs: number } | undefined
  /** The call that tries, while one does, and until when no other one may. */
  let trying: BreakerCall | undefined
  let aloneUntil = 0

  function openAt(now: number): void {
    const isAgain = open !== undefined
    const pause = Math.min(pauseMaxMs, open === undefined ? pauseMs : 2 * open.pauseMs)
    open = { until: now + pause, pauseMs: pause }
    trying = undefined
    onChange(isAgain ? 'opened again' : 'opened')
  }

  function close(): void {
    failures = 0
    unwell = 0
    trying = undefined
    if (open === undefined) return
    open = undefined
    onChange('closed')
  }

  function createCall(): BreakerCall {
    const call: BreakerCall = {
      begun() {
        if (trying === call) close()
      },
      passed: close,
      failed(now) {
        failures += 1
        // A call that began before it opened says nothing that is not known.
        if (open === undefined ? failures >= failuresThatOpen : trying === call) openAt(now)
      },
      ignored() {
        if (trying === call) trying = undefined
      },
    }
    return call
  }

  return {
    begin(now) {
      if (open === undefined) return createCall()
      if (now < (trying === undefined ? open.until : aloneUntil)) return undefined
      trying = createCall()
      aloneUntil = now + open.pauseMs
      return trying
    },
    waitMs(now) {
      if (open === undefined) return 0
      if (trying === undefined) return Math.max(0, open.until - now)
      return now < aloneUntil ? Math.min(pauseMs, pauseMaxMs) : 0
    },
    checked(isWell, now) {
      if (isWell) return close()
      unwell += 1
      const isDue = open === undefined ? unwell >= checksThatOpen : trying === undefined && now >= open.until
      if (isDue) openAt(now)
    },
    state: () => (open === undefined ? 'closed' : trying === undefined ? 'open' : 'trying'),
    failures: () => failures,
  }
}
