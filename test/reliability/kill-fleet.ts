// `node test/reliability/kill-fleet.ts [KILLS]`: two nodes over one PostgreSQL and one Redis, under
// load, each of which is killed in turn (`kill -9`) and started again. No answer that was seen is
// without its one record, no window admits more than its limit, no accepted job is lost or ends
// twice, and the ledger verifies. Exits with 1 where that is not so.
import { randomUUID } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { openTestFleet, predict, type TestFleet } from '../e2e/open-fleet.ts'
import { runCli, type ServeProcess } from '../e2e/run-cli.ts'
import { findFreePort, type OwnService, startPostgres, startRedis, useServices } from '../support/services.ts'
import { startServices } from '../support/start-services.ts'

export interface FleetOutcome {
  readonly kills: Readonly<Record<string, number>>
  /** Answers by their status, 0 for none. */
  readonly answers: Readonly<Record<string, number>>
  /** Request ids of answers of the model without a record, and with two. */
  readonly lost: readonly string[]
  readonly twice: readonly string[]
  /** Most that were admitted in any window of the limit, by the records' clock. */
  readonly mostInWindow: number
  readonly limit: number
  readonly jobs: number
  /** Accepted jobs that have not succeeded, with their status, and those that ended twice. */
  readonly jobsLost: readonly string[]
  readonly jobsTwice: readonly string[]
  readonly verifies: boolean
  /** Milliseconds from the start of what was killed to the next answer of the model, at most. */
  readonly backMsMost: number
}

/** A window that short, so that many pass. */
const limit = { amount: 20, windowMs: 2_000 }
/** A record's moment is taken after the limit was, and before the answer left. */
const recordedLateMs = 500

interface Seen {
  readonly answers: Record<string, number>
  readonly requestIds: string[]
  readonly jobs: Set<string>
}

/** @param tell says how far it is */
export async function killFleet(kills: number, tell: (message: string) => void): Promise<FleetOutcome> {
  await using postgres = await startPostgres()
  await using redis = await startRedis()
  await using fleet = await openTestFleet({ databaseUrl: postgres.url, redisUrl: redis.url })
  const ports = [await findFreePort(), await findFreePort()]
  const start = (port = 0): Promise<ServeProcess> =>
    fleet.start(
      '--port',
      `${port}`,
      '--job-lease',
      '5s',
      '--limit-default',
      'none',
      '--limit-operational',
      'none',
      '--log-level',
      'fatal',
    )
  const nodes = [await start(ports[0]), await start(ports[1])]
  const keys = {
    free: (await fleet.createKey('--limit', 'none')).key,
    limited: await fleet.createKey('--limit', `${limit.amount}/${limit.windowMs / 1_000}s`),
  }
  const seen: Seen = { answers: {}, requestIds: [], jobs: new Set() }
  const stopping = new AbortController()
  const addresses = ports.map((port) => ({ address: `http://127.0.0.1:${port}` }))
  const clients = addresses.flatMap((node) => [
    ...Array.from({ length: 6 }, () => ask(node, keys.free, seen, stopping.signal)),
    ask(node, keys.limited.key, seen, stopping.signal),
    submit(node, keys.free, seen, stopping.signal),
  ])
  const done: Record<string, number> = { postgres: 0, redis: 0, node: 0 }
  let backMsMost = 0
  for (let kill = 0; kill < kills; kill += 1) {
    const what = ['postgres', 'redis', 'node'][kill % 3] ?? 'node'
    await delay(1_000)
    await killOne(what, { postgres, redis, nodes, ports, start })
    const backMs = await untilBack(addresses, keys.free)
    backMsMost = Math.max(backMsMost, backMs)
    done[what] = (done[what] ?? 0) + 1
    tell(
      `${kill + 1} of ${kills}: ${what}, back after ${Math.round(backMs)} ms; ${JSON.stringify(seen.answers)}`,
    )
  }
  await delay(1_000)
  stopping.abort()
  await Promise.all(clients)
  const jobs = await awaitJobs(addresses, keys.free, seen.jobs)
  for (const node of nodes) node.child.kill('SIGTERM')
  await Promise.all(nodes.map((node) => new Promise((resolve) => node.child.once('exit', resolve))))
  const records = await readRecords(fleet, keys.limited.id)
  return {
    kills: done,
    answers: seen.answers,
    lost: seen.requestIds.filter((id) => !records.counts.has(id)),
    twice: seen.requestIds.filter((id) => (records.counts.get(id) ?? 0) > 1),
    mostInWindow: mostIn(records.limited, limit.windowMs - recordedLateMs),
    limit: limit.amount,
    jobs: seen.jobs.size,
    jobsLost: jobs.filter(({ status }) => status !== 'succeeded').map(({ id, status }) => `${id} ${status}`),
    jobsTwice: [...seen.jobs].filter((id) => (records.finished.get(id) ?? 0) > 1),
    verifies: await verifies(fleet),
    backMsMost,
  }
}

type Node = Pick<ServeProcess, 'address'>

async function ask(node: Node, key: string, seen: Seen, stopping: AbortSignal): Promise<void> {
  while (!stopping.aborted) {
    const answer = await predict(node, key).catch(() => undefined)
    const status = answer?.status ?? 0
    seen.answers[status] = (seen.answers[status] ?? 0) + 1
    if (status === 200) seen.requestIds.push(answer?.headers.get('x-request-id') ?? '')
    await answer?.text().catch(() => '')
    if (status !== 200) await delay(20)
  }
}

async function submit(node: Node, key: string, seen: Seen, stopping: AbortSignal): Promise<void> {
  while (!stopping.aborted) {
    const headers = { prefer: 'respond-async', 'idempotency-key': randomUUID() }
    // The same request again, until its answer comes: one job.
    for (let tries = 0; tries < 200 && !stopping.aborted; tries += 1) {
      const answer = await predict(node, key, headers).catch(() => undefined)
      const body = (await answer?.json().catch(() => undefined)) as { readonly id?: string } | undefined
      if (answer?.status === 202 && body?.id !== undefined) {
        seen.jobs.add(body.id)
        break
      }
      await delay(50)
    }
    await delay(20)
  }
}

interface Killed {
  readonly postgres: OwnService
  readonly redis: OwnService
  readonly nodes: ServeProcess[]
  readonly ports: readonly number[]
  readonly start: (port?: number) => Promise<ServeProcess>
}

async function killOne(what: string, { postgres, redis, nodes, ports, start }: Killed): Promise<void> {
  if (what !== 'node') {
    const service = what === 'postgres' ? postgres : redis
    service.kill()
    await delay(500)
    await service.start()
    return
  }
  const index = Math.floor(Math.random() * nodes.length)
  await nodes[index]?.[Symbol.asyncDispose]()
  nodes[index] = await start(ports[index])
}

/** Milliseconds until both nodes answer again. */
async function untilBack(nodes: readonly Node[], key: string): Promise<number> {
  const begin = performance.now()
  for (const node of nodes)
    while ((await predict(node, key).catch(() => undefined))?.status !== 200) {
      if (performance.now() - begin > 60_000) throw new Error(`${node.address} does not come back`)
      await delay(20)
    }
  return performance.now() - begin
}

interface EndedJob {
  readonly id: string
  readonly status: string
}

async function awaitJobs(
  [node]: readonly Node[],
  key: string,
  ids: ReadonlySet<string>,
): Promise<readonly EndedJob[]> {
  const jobs: EndedJob[] = []
  for (const id of ids) {
    const answer = await fetch(`${node?.address}/jobs/${id}?wait=55`, { headers: { 'x-api-key': key } })
    const { status } = (await answer.json()) as EndedJob
    jobs.push({ id, status: answer.status === 200 ? status : String(answer.status) })
  }
  return jobs
}

interface LedgerLine {
  readonly event: string
  readonly request_id: string | null
  readonly key_id: string | null
  readonly code: string | null
  readonly time: string
  readonly detail: { readonly job?: string } | null
}

interface Records {
  /** How many records each request has. */
  readonly counts: ReadonlyMap<string, number>
  /** When the limited key was admitted, in milliseconds, in order. */
  readonly limited: readonly number[]
  /** How often each job has succeeded. */
  readonly finished: ReadonlyMap<string, number>
}

export async function readRecords(fleet: TestFleet, limitedKey: string): Promise<Records> {
  const counts = new Map<string, number>()
  const finished = new Map<string, number>()
  const limited: number[] = []
  for (const line of await exportLedger(fleet)) {
    const { event, request_id: request, key_id: key, code, time, detail } = line
    if (event.startsWith('request.') && request !== null) counts.set(request, (counts.get(request) ?? 0) + 1)
    if (event === 'request.admitted' && key === limitedKey && code === null) limited.push(Date.parse(time))
    if (event === 'job.finished' && detail?.job !== undefined)
      finished.set(detail.job, (finished.get(detail.job) ?? 0) + 1)
  }
  return { counts, finished, limited: limited.toSorted((a, b) => a - b) }
}

async function exportLedger({ env }: TestFleet): Promise<readonly LedgerLine[]> {
  const { stdout, code, stderr } = await runCli(['ledger', 'export', '--format', 'jsonl'], { env })
  if (code !== 0) throw new Error(`ledger export: ${stderr}`)
  return stdout
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line) as LedgerLine)
}

async function verifies(fleet: TestFleet): Promise<boolean> {
  return (await fleet.run<{ readonly ok: boolean }>('ledger', 'verify')).ok
}

function mostIn(moments: readonly number[], windowMs: number): number {
  let [most, first] = [0, 0]
  for (const [index, moment] of moments.entries()) {
    while (moment - (moments[first] ?? moment) >= windowMs) first += 1
    most = Math.max(most, index - first + 1)
  }
  return most
}

function isAsPromised(outcome: FleetOutcome): boolean {
  const { lost, twice, jobsLost, jobsTwice, mostInWindow, limit: most, verifies: isWhole } = outcome
  return (
    [lost, twice, jobsLost, jobsTwice].every((ids) => ids.length === 0) && mostInWindow <= most && isWhole
  )
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const services = await startServices()
  useServices(services.socket)
  try {
    const outcome = await killFleet(Number(process.argv[2] ?? 20), (message) =>
      process.stderr.write(`${message}\n`),
    )
    process.stdout.write(`${JSON.stringify(outcome, null, 2)}\n`)
    process.exitCode = isAsPromised(outcome) ? 0 : 1
  } finally {
    await services.stop()
  }
}
