// `node test/reliability/slow-wire.ts [SECONDS]`: a node whose PostgreSQL and Redis are 0, 1, 5 and
// 50 ms away, each way, by a proxy; 16 clients ask without a pause, for SECONDS (10) each. Prints
// one table: answers a second and their median and 99th percentile, for a key without limits, one
// with a window of a minute and one with three limits; and under it what came in all. Exits with 1
// where an answer was not 200.
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

/** Measures one distance, and prints its rows. */
async function measure(delayMs: number, seconds: number): Promise<readonly Figures[]> {
  await using postgres = await openDatabaseProxy(await databaseUrl(), { delayMs })
  await using redis = await openDatabaseProxy(await redisUrl(), { delayMs })
  await using fleet = await openTestFleet({ through: postgres.url, redisUrl: redis.url })
  await using node = await fleet.start('--limit-default', 'none')
  const limits = {
    'no limit': [],
    'one of a minute': ['1000000/min'],
    'minute, day, concurrent': ['1000000/min', '1000000/day', '64 concurrent'],
  }
  const measured: Figures[] = []
  for (const [name, texts] of Object.entries(limits)) {
    const { key } = await fleet.createKey(...texts.flatMap((text) => ['--limit', text]))
    await load(node.address, key, 1)
    const figures = await load(node.address, key, seconds)
    const { perSecond, p50, p99 } = figures
    const cells = [`${delayMs} ms`, name, Math.round(perSecond), p50.toFixed(1), p99.toFixed(1)]
    process.stdout.write(`| ${cells.join(' | ')} |\n`)
    measured.push(figures)
  }
  return measured
}

/** Of all figures, how many answers had each status. */
function countStatuses(figures: readonly Figures[]): Readonly<Record<string, number>> {
  const counts: Record<string, number> = {}
  for (const { statuses } of figures)
    for (const [status, count] of Object.entries(statuses)) counts[status] = (counts[status] ?? 0) + count
  return counts
}

const services = await startServices()
useServices(services.socket)
try {
  const [processor] = cpus()
  process.stdout.write(`${processor?.model}, ${cpus().length} cores, Node ${process.version}\n`)
  process.stdout.write(
    '\n| each way | limits | answers/s | p50 ms | p99 ms |\n| --- | --- | ---: | ---: | ---: |\n',
  )
  const seconds = Number(process.argv[2] ?? 10)
  const measured: Figures[] = []
  for (const delayMs of [0, 1, 5, 50]) measured.push(...(await measure(delayMs, seconds)))
  const statuses = countStatuses(measured)
  const told = Object.entries(statuses).map(([status, count]) => `${count.toLocaleString('en')} × ${status}`)
  process.stdout.write(`\nAnswers: ${told.join(', ')}; ${clients} clients, ${seconds} s each\n`)
  process.exitCode = Object.keys(statuses).every((status) => status === '200') ? 0 : 1
} finally {
  await services.stop()
}
