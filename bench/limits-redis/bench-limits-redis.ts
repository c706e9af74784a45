import { randomUUID } from 'node:crypto'
import { createClient } from '@redis/client'
import { parseLimitSetting } from '../../src/limits/limit-setting.ts'
import { namedLimits, usesOf } from '../../src/limits/limit-uses.ts'
import type { LimitScope, LimitUse } from '../../src/limits/limiter.ts'
import { openRedisLimiter } from '../../src/storage/redis/redis-limiter.ts'
import { createFleetStores } from '../../test/support/fleet-stores.ts'
import type { Bench, BenchResult } from '../bench.ts'
import { formatNumber, formatSpread, type Spread, spreadOf } from '../statistics.ts'
import { type CallCost, measureCalls, openCpuMeter } from './measure-calls.ts'
import { startRedis } from './own-redis.ts'

const callsPerRound = 60_000
const inFlight = 64
/** Each key is asked so seldom that every take is admitted: a refusal writes nothing. */
const keys = 3_000

const contestants = ['INCR', 'one limit', 'three limits', 'one exact limit'] as const
type Contestant = (typeof contestants)[number]

function use(scope: LimitScope, subject: string, text: string): readonly LimitUse[] {
  const setting = parseLimitSetting(text)
  if (typeof setting === 'string') throw new Error(setting)
  return usesOf(namedLimits(scope, `${scope}:${subject}`, [setting]), {})
}

/** What Redis and the node spend on a take, beside the cheapest thing that Redis can count. */
export const benchLimitsRedis: Bench = async ({ rounds = 5 }, tell) => {
  const { url, stop } = await startRedis()
  const meter = await openCpuMeter(url)
  const client = createClient({ url, RESP: 2 })
  await client.connect()
  const limiter = await openRedisLimiter({ ...createFleetStores(), url, deployment: randomUUID() })
  const of = (text: string): readonly (readonly LimitUse[])[] =>
    Array.from({ length: keys }, (_, key) => use('key', `${key}`, text))
  const slotted = of('600/10s')
  const exact = of('60/s')
  const owners = Array.from({ length: 100 }, (_, owner) => use('owner', `${owner}`, '2000000/min'))
  const three = slotted.map((one, key) => [...one, ...(exact[key] ?? []), ...(owners[key % 100] ?? [])])
  const takeOf = (uses: readonly (readonly LimitUse[])[]) => async (call: number) => {
    const { refusal } = await limiter.take(uses[call % keys] ?? [])
    if (refusal !== undefined) throw new Error(`refused: ${refusal.use.name}`)
  }
  const calls: Readonly<Record<Contestant, (call: number) => unknown>> = {
    INCR: (call) => client.incr(`counter:${call % keys}`),
    'one limit': takeOf(slotted),
    'three limits': takeOf(three),
    'one exact limit': takeOf(exact),
  }
  const costs: Record<Contestant, CallCost[]> = {
    INCR: [],
    'one limit': [],
    'three limits': [],
    'one exact limit': [],
  }
  // The first round is not counted: code is compiled, and keys are made.
  for (let round = 0; round <= rounds; round += 1) {
    for (const name of contestants) {
      const cost = await measureCalls(meter, callsPerRound, inFlight, calls[name])
      if (round > 0) costs[name].push(cost)
    }
    tell(`round ${round} of ${rounds}`)
  }
  await limiter.close()
  client.destroy()
  meter.close()
  stop()
  return report(costs)
}

function report(costs: Readonly<Record<Contestant, readonly CallCost[]>>): BenchResult {
  const ratio = (name: Contestant): Spread =>
    spreadOf(costs[name].map(({ redis }, round) => redis / (costs.INCR[round]?.redis ?? Number.NaN)))
  const target = (name: Contestant, most: number) => {
    const { median } = ratio(name)
    return {
      name: `Redis' CPU of a take of ${name}, ${inFlight} in flight`,
      wanted: `≤ ${most} × INCR`,
      measured: `${formatNumber(median, 1)} ×`,
      isMet: median <= most,
    }
  }
  return {
    name: 'limits-redis',
    tables: [
      {
        title: `${callsPerRound.toLocaleString('en')} calls a round, ${inFlight} in flight`,
        columns: ['', 'Redis µs', '÷ INCR', 'node µs', 'a second'],
        rows: contestants.map((name) => [
          name,
          formatSpread(spreadOf(costs[name].map(({ redis }) => redis)), 2),
          formatSpread(ratio(name), 1),
          formatSpread(spreadOf(costs[name].map(({ node }) => node)), 1),
          formatSpread(spreadOf(costs[name].map(({ rate }) => rate)), 0),
        ]),
      },
    ],
    targets: [target('one limit', 7), target('three limits', 15)],
    notes: [
      'CPU: what Redis says of itself, and what the process of the node uses, the loop that calls included. `INCR` by the same client, which sends what waits together.',
      'One limit: 600/10s. Three: that, 60/s, and 2000000/min of the owner. Exact: 60/s. All takes are admitted.',
    ],
    samples: { costs },
  }
}
