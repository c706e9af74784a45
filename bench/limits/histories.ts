import type { AppLimit, LimitedApp } from './limited-app.ts'

/** What a caller does, and under which limits. */
export interface History {
  readonly name: string
  readonly limits: readonly AppLimit[]
  readonly bursts: readonly Burst[]
}

/** Requests at one moment. */
interface Burst {
  readonly atMs: number
  readonly requests: number
}

/** What came of a history. */
export interface Admitted {
  readonly total: number
  /** Most that were admitted in any window of the first limit's length. */
  readonly mostInWindow: number
}

const minuteMs = 60_000
const twoPerMinute: AppLimit = { amount: 2, windowMs: minuteMs }
const fivePerHour: AppLimit = { amount: 5, windowMs: 60 * minuteMs }
/** Tries again as soon as the minute allows it, and each time far too often. */
const eager: readonly Burst[] = [0, 61_000, 122_000].map((atMs) => ({ atMs, requests: 20 }))

export const histories: readonly History[] = [
  {
    name: 'edge',
    limits: [{ amount: 10, windowMs: minuteMs }],
    // The first request begins the window of limiters that count from the first request on.
    bursts: [
      { atMs: 0, requests: 1 },
      { atMs: 59_500, requests: 10 },
      { atMs: 60_500, requests: 10 },
    ],
  },
  steady('steady 10', 10),
  steady('steady 120', 120),
  {
    name: 'at once',
    limits: [{ amount: 100, windowMs: minuteMs }],
    bursts: [{ atMs: 0, requests: 1_000 }],
  },
  { name: 'two, minute first', limits: [twoPerMinute, fivePerHour], bursts: eager },
  { name: 'two, hour first', limits: [fivePerHour, twoPerMinute], bursts: eager },
]

/** Exactly at the limit, evenly, for ten minutes. */
function steady(name: string, amount: number): History {
  const everyMs = minuteMs / amount
  return {
    name,
    limits: [{ amount, windowMs: minuteMs }],
    bursts: Array.from({ length: amount * 10 }, (_, index) => ({ atMs: index * everyMs, requests: 1 })),
  }
}

/** Plays a history; `advance` moves the process's clock. */
export async function playHistory(
  { limits, bursts }: History,
  app: LimitedApp,
  advance: (ms: number) => void,
): Promise<Admitted> {
  const admittedAt: number[] = []
  let now = 0
  for (const { atMs, requests } of bursts) {
    advance(atMs - now)
    app.advance?.(atMs - now)
    now = atMs
    const answers = await Promise.all(Array.from({ length: requests }, () => app.ask()))
    for (const isAdmitted of answers) if (isAdmitted) admittedAt.push(atMs)
  }
  const windowMs = limits[0]?.windowMs ?? 0
  const mostInWindow = Math.max(
    0,
    ...admittedAt.map((start) => admittedAt.filter((at) => at >= start && at < start + windowMs).length),
  )
  return { total: admittedAt.length, mostInWindow }
}
