import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { measureClock } from '../admit/measure-admit.ts'
import type { Bench, BenchResult, Target } from '../bench.ts'
import { formatNumber, formatSpread, type Spread, spreadOf } from '../statistics.ts'
import type { Table } from '../table.ts'
import { type Admitted, histories } from './histories.ts'
import { measureTaking, openTakingWard, type Taken, threeLimits } from './measure-taking.ts'

const run = promisify(execFile)
const player = fileURLToPath(import.meta.resolve('./play-histories.ts'))
const keyMeter = fileURLToPath(import.meta.resolve('./measure-key-bytes.ts'))

const ideal = 'ideal'
const ours = 'Modelward'
const contestants = [
  ideal,
  ours,
  '@fastify/rate-limit',
  'rate-limiter-flexible',
  'express-rate-limit',
  'hono-rate-limiter',
  'Better Auth API keys',
] as const

/** Of each contestant, what each history came to; null where it cannot be asked. */
type Played = Readonly<Record<string, Readonly<Record<string, Admitted | null>>>>

/** What limits cost in time and memory, and what they let through beside what others do. */
export const benchLimits: Bench = async ({ rounds = 5, keys = 1_000_000 }, tell) => {
  const played: Record<string, Played[string]> = {}
  for (const name of contestants) {
    tell(`what ${name} admits`)
    const { stdout } = await run(process.execPath, [player, name])
    played[name] = JSON.parse(stdout) as Played[string]
  }
  const taken = await measureRounds(rounds, tell)
  tell(`one limit each of ${keys.toLocaleString('en')} keys`)
  const { stdout } = await run(process.execPath, ['--expose-gc', keyMeter, `${keys}`])
  const { bytesPerKey } = JSON.parse(stdout) as { readonly bytesPerKey: number }
  return report(played, taken, bytesPerKey, keys)
}

interface TakenRounds {
  readonly without: readonly Taken[]
  readonly withThree: readonly Taken[]
}

async function measureRounds(rounds: number, tell: (message: string) => void): Promise<TakenRounds> {
  const none = await openTakingWard({ key: [], owner: [] })
  const three = await openTakingWard(threeLimits)
  const without: Taken[] = []
  const withThree: Taken[] = []
  // The first of each is not counted: the code is compiled meanwhile.
  for (let round = 0; round <= rounds; round += 1) {
    const taken = [await measureTaking(none, 0), await measureTaking(three, 3)] as const
    if (round === 0) continue
    without.push(taken[0])
    withThree.push(taken[1])
    tell(`round ${round} of ${rounds}`)
  }
  await Promise.all([none.ward.close(), three.ward.close()])
  return { without, withThree }
}

function report(
  played: Played,
  { without, withThree }: TakenRounds,
  bytesPerKey: number,
  keys: number,
): BenchResult {
  const difference = (field: keyof Taken): Spread =>
    spreadOf(withThree.map((taken, round) => taken[field] - (without[round]?.[field] ?? Number.NaN)))
  const row = (name: string, spread: (field: keyof Taken) => Spread): readonly string[] => [
    name,
    formatSpread(spread('p50'), 0),
    formatSpread(spread('p99'), 0),
  ]
  return {
    name: 'limits',
    tables: [
      admittedTable(played),
      {
        title: '`ward.guard.admit`, a key in memory',
        columns: ['', 'p50 ns', 'p99 ns'],
        rows: [
          row('no limits', (field) => spreadOf(without.map((taken) => taken[field]))),
          row('3 limits', (field) => spreadOf(withThree.map((taken) => taken[field]))),
          row('the limits alone', difference),
        ],
      },
    ],
    targets: targetsOf(played, difference('p50'), bytesPerKey, keys),
    notes: [
      'Admitted requests, in simulated time: nothing is timed, and each contestant has a process of its own. Those that are HTTP middleware are asked over sockets.',
      'Edge: under 10/min, 1 request at 0 s, 10 at 59.5 s, 10 at 60.5 s; in brackets the most in any minute. Steady: a request each 6 s, or each 0.5 s, for ten minutes.',
      'Two limits: 2/min and 5/h; 20 requests at 0 s, at 61 s and at 122 s. What is short of 5 was used up by requests that were refused.',
      'Two limits, elsewhere: two middlewares in that order; `createRateLimit` twice; `RateLimiterUnion`; for Better Auth, which has one limit a key, its quota with a refill, which it counts first.',
      `The three limits: ${[...threeLimits.key, ...threeLimits.owner.map((text) => `${text} of the owner`)].join(', ')}; five sixths full, and less. Each call is timed by itself; the clock’s own ${formatNumber(measureClock(), 0)} ns are in both.`,
      'Memory: heap and array buffers of the limiter after garbage collection, in a process of its own.',
    ],
    samples: { played, without, withThree, bytesPerKey },
  }
}

function admittedTable(played: Played): Table {
  const cell = (admitted: Admitted | null | undefined, history: string): string => {
    if (admitted === null || admitted === undefined) return '–'
    const total = formatNumber(admitted.total, 0)
    return history === 'edge' ? `${total} (${admitted.mostInWindow})` : total
  }
  return {
    title: 'Requests admitted',
    columns: [
      '',
      '10/min: edge',
      '10/min: steady',
      '120/min: steady',
      '100/min: 1,000 at once',
      'two limits, the minute first',
      'two limits, the hour first',
    ],
    rows: contestants.map((name) => [
      name,
      ...histories.map((history) => cell(played[name]?.[history.name], history.name)),
    ]),
  }
}

function targetsOf(played: Played, p50: Spread, bytesPerKey: number, keys: number): readonly Target[] {
  const wrong = histories.filter(({ name }) => !isRight(name, played))
  return [
    {
      name: 'taking 3 limits, p50',
      wanted: '≤ 1 µs',
      measured: `${formatNumber(p50.median / 1_000, 2)} µs`,
      isMet: p50.median <= 1_000,
    },
    {
      name: `memory of ${keys.toLocaleString('en')} active keys`,
      wanted: '≤ 400 bytes a key',
      measured: `${formatNumber(bytesPerKey, 0)} bytes`,
      isMet: bytesPerKey <= 400,
    },
    {
      name: 'admitted as is ideal; above 64, never more and at least 63/64',
      wanted: `${histories.length} of ${histories.length}`,
      measured: `${histories.length - wrong.length} of ${histories.length}`,
      isMet: wrong.length === 0,
    },
  ]
}

function isRight(history: string, played: Played): boolean {
  const wanted = played[ideal]?.[history]
  const got = played[ours]?.[history]
  if (!wanted || !got || got.mostInWindow > wanted.mostInWindow || got.total > wanted.total) return false
  return history === 'steady 120' ? got.total >= (wanted.total * 63) / 64 : got.total === wanted.total
}
