// `node test/reliability/slow-wire.ts [SECONDS]`: a node whose PostgreSQL and Redis are 0, 1, 5 and
// 50 ms away, each way, by a proxy; 16 clients ask without a pause, for SECONDS (10) each. Prints
// answers a second and their median and 99th percentile, for a key without limits, one with a
// window of a minute and one with three limits. Exits with 1 where an answer was not 200.
import { cpus } from 'node:os'
import { openTestFleet, predict } from '../e2e/open-fleet.ts'
import { openDatabaseProxy } from '../support/database-proxy.ts'
import { databaseUrl, redisUrl, useServices } from '../support/services.ts'
import { startServices } from '../support/start-services.ts'

const clients = 16

interface Figures {
  readonly perSecond: number
  /** Milliseconds. */
  readonly p50: number
  readonly p99: number
  readonly statuses: Readonly<Record<string, number>>
}

async function load(address: string, key: string, seconds: number): Promise<Figures> {
  const times: number[] = []
  const statuses: Record<string, number> = {}
  const begin = performance.now()
  async function ask(): Promise<void> {
    while (performance.now() - begin < seconds * 1_000) {
      const sentAt = performance.now()
      const answer = await predict({ address }, key)
      await answer.arrayBuffer()
      times.push(performance.now() - sentAt)
      statuses[answer.status] = (statuses[answer.status] ?? 0) + 1
    }
  }
  await Promise.all(Array.from({ length: clients }, ask))
  const took = (performance.now() - begin) / 1_000
  times.sort((a, b) => a - b)
  const at = (part: number): number => times[Math.floor(times.length * part)] ?? Number.NaN
  return { perSecond: times.length / took, p50: at(0.5), p99: at(0.99), statuses }
}

async function measure(delayMs: number, seconds: number): Promise<boolean> {
  await using postgres = await openDatabaseProxy(await databaseUrl(), { delayMs })
  await using redis = await openDatabaseProxy(await redisUrl(), { delayMs })
  await using fleet = await openTestFleet({ through: postgres.url, redisUrl: redis.url })
  await using node = await fleet.start('--limit-default', 'none')
  const limits = {
    'no limit': [],
    'one of a minute': ['1000000/min'],
    'minute, day, concurrent': ['1000000/min', '1000000/day', '64 concurrent'],
  }
  let isGood = true
  for (const [name, texts] of Object.entries(limits)) {
    const { key } = await fleet.createKey(...texts.flatMap((text) => ['--limit', text]))
    await load(node.address, key, 1)
    const { perSecond, p50, p99, statuses } = await load(node.address, key, seconds)
    const figures = [Math.round(perSecond), p50.toFixed(1), p99.toFixed(1), JSON.stringify(statuses)]
    process.stdout.write(`| ${[`${delayMs} ms`, name, ...figures].join(' | ')} |\n`)
    isGood &&= Object.keys(statuses).every((status) => status === '200')
  }
  return isGood
}

const services = await startServices()
useServices(services.socket)
try {
  const [processor] = cpus()
  process.stdout.write(`${processor?.model}, ${cpus().length} cores, Node ${process.version}\n`)
  process.stdout.write('| each way | limits | answers/s | p50 ms | p99 ms | statuses |\n')
  let isGood = true
  for (const delayMs of [0, 1, 5, 50])
    isGood = (await measure(delayMs, Number(process.argv[2] ?? 10))) && isGood
  process.exitCode = isGood ? 0 : 1
} finally {
  await services.stop()
}
