// `node test/reliability/kill-gateway-jobs.ts [KILLS]`: a server in front of a model server is
// killed (SIGKILL) at a random moment while calls become jobs, run and are cancelled, again and
// again. Every job whose 202 a client saw ends once, by its records too; what its end recorded of
// tokens a limit has counted, with no token given back twice, and what was reserved and not used is
// given back, but for what a kill cut off; the ledger verifies. Exits with 1 where that is not so.
import { randomInt } from 'node:crypto'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { runCli, runJson, type ServeProcess, startServe, temporaryFolder } from '../e2e/run-cli.ts'
import { askAtOnce, askUntilKilled, type KillMoment, UnexpectedAnswer } from './ask-until-killed.ts'
import { exportRecords, type RecordLine } from './export-records.ts'
import { countedTokens, startModel } from './kill-gateway.ts'
import type { Keys } from './kill-ledger.ts'

export interface GatewayJobKills {
  readonly kills: number
  /** Jobs whose 202 a client saw. */
  readonly accepted: number
  readonly succeeded: number
  readonly cancelled: number
  /** Jobs that were begun more than once, for a kill had cut them off. */
  readonly begunAgain: number
  /** Tokens that a limit has counted, and that are recorded. */
  readonly counted: number
  readonly recorded: number
  /** What is not as promised. */
  readonly differences: readonly string[]
}

const inFlight = 32
/** Tokens that the jobs of one round reserve in all, at most. */
const reservedOfRound = 100_000
/** The bound of one call, at most: its bytes, what a template adds, and 80 tokens of an answer. */
const reservedOfOne = 800
const killMoment: KillMoment = { fromAnswers: 20, untilAnswers: 60, withinMs: 50 }
/** As short as it may be: so long a job waits that was under way at the kill. */
const jobLease = '5s'
/** One in so many jobs is cancelled at once. */
const cancelEvery = 6

/** Kills so often, on a data folder of its own, and looks at what became of each job. */
export async function killGatewayJobs(
  kills: number,
  tell: (message: string) => void,
): Promise<GatewayJobKills> {
  using folder = temporaryFolder()
  const data = join(folder.path, 'data')
  await using model = await startModel()
  const start = (): Promise<ServeProcess> =>
    startServe(data, [
      ...['--upstream', model.url, '--preset', 'vllm', '--limit-default', '', '--log-level', 'fatal'],
      ...['--job-lease', jobLease, '--job-attempts', '100', '--queue-owner-max', '10000'],
    ])
  const accepted: string[] = []
  const amount = kills * reservedOfRound
  let key: { readonly id: string; readonly key: string } | undefined
  for (let kill = 1; kill <= kills; kill += 1) {
    await using server = await start()
    key ??= await runJson(['keys', 'create', '--name', 'k', '--limit', `${amount} tokens/h`, '--data', data])
    const before = accepted.length
    await submitUntilKilled(server, key?.key ?? '', (id) => accepted.push(id))
    tell(`${kill} of ${kills}: ${accepted.length - before} jobs accepted`)
  }
  await using server = await start()
  await awaitEnds(server, key?.key ?? '', accepted)
  const { admin } = JSON.parse(readFileSync(join(data, 'first-keys.json'), 'utf8')) as Keys
  await awaitQuiet(server, key?.key ?? '')
  const counted = await countedTokens(server, key?.id ?? '', admin)
  server.child.kill('SIGTERM')
  await once(server.child, 'close')
  const records: RecordLine[] = []
  for await (const record of exportRecords(data)) if (record.event.startsWith('job.')) records.push(record)
  const differences = differencesOf(records, accepted)
  const recorded = records.reduce((sum, { measures }) => sum + (measures?.['tokens'] ?? 0), 0)
  // A kill costs what was spare of the stored limit, and what of that moment was reserved and not
  // stored with a job yet, or recorded and not settled yet.
  const lost = kills * (amount / 64 + inFlight * reservedOfOne)
  if (!(counted >= recorded && counted <= recorded + lost))
    differences.push(`the limit has counted ${counted} tokens, ${recorded} are recorded`)
  const { code, stdout, stderr } = await runCli(['ledger', 'verify', '--data', data])
  if (code !== 0) differences.push(`the ledger does not verify: ${stdout}${stderr}`)
  const count = (event: string): number => records.filter((record) => record.event === event).length
  const begun = records.filter(({ event }) => event === 'job.started').map(jobOf)
  return {
    kills,
    accepted: accepted.length,
    succeeded: count('job.finished'),
    cancelled: count('job.cancelled'),
    begunAgain: begun.length - new Set(begun).size,
    counted,
    recorded,
    differences,
  }
}

/** Many requests at once, some of whose jobs are cancelled at once. */
async function submitUntilKilled(
  server: ServeProcess,
  key: string,
  saw: (id: string) => void,
): Promise<void> {
  async function submitOneAfterAnother(sawOne: () => void): Promise<void> {
    for (;;) {
      const id = await submit(server, key)
      saw(id)
      sawOne()
      if (randomInt(cancelEvery) === 0)
        await fetch(`${server.address}/jobs/${id}`, { method: 'DELETE', headers: headersOf(key) })
    }
  }
  await askUntilKilled(server, killMoment, (sawOne) =>
    askAtOnce(inFlight, () => submitOneAfterAnother(sawOne)),
  )
}

function headersOf(key: string): Readonly<Record<string, string>> {
  return { authorization: `Bearer ${key}`, 'content-type': 'application/json' }
}

/** Gives the id of the job. */
async function submit({ address }: ServeProcess, key: string): Promise<string> {
  const answer = await fetch(`${address}/v1/chat/completions`, {
    method: 'POST',
    headers: { ...headersOf(key), prefer: 'respond-async' },
    body: JSON.stringify({
      model: 'm',
      max_tokens: randomInt(1, 80),
      messages: [{ role: 'user', content: 'why is the sky blue' }],
    }),
  })
  const text = await answer.text()
  if (answer.status !== 202) throw new UnexpectedAnswer(`${answer.status} ${text}`)
  return (JSON.parse(text) as { readonly id: string }).id
}

async function awaitEnds({ address }: ServeProcess, key: string, accepted: readonly string[]): Promise<void> {
  const left = [...accepted]
  async function waitOneAfterAnother(): Promise<void> {
    for (let id = left.pop(); id !== undefined; id = left.pop())
      await (await fetch(`${address}/jobs/${id}?wait=55`, { headers: headersOf(key) })).text()
  }
  await Promise.all(Array.from({ length: inFlight }, waitOneAfterAnother))
}

/** Those too whose 202 no client saw. */
async function awaitQuiet(server: ServeProcess, key: string): Promise<void> {
  for (const status of ['queued', 'running'])
    for (;;) {
      const answer = await fetch(`${server.address}/jobs?status=${status}`, { headers: headersOf(key) })
      const { jobs } = (await answer.json()) as { readonly jobs: readonly { readonly id: string }[] }
      if (jobs.length === 0) break
      await awaitEnds(
        server,
        key,
        jobs.map(({ id }) => id),
      )
    }
}

function jobOf({ detail }: RecordLine): string {
  return String(detail?.['job'])
}

/** Each job has one end, and an accepted one, if it was not cancelled, has succeeded. */
function differencesOf(records: readonly RecordLine[], accepted: readonly string[]): string[] {
  const ends = new Map<string, RecordLine[]>()
  for (const record of records) {
    const isEnd = /^job\.(?:finished|cancelled)$/.test(record.event)
    if (!isEnd && record.event !== 'job.failed') continue
    ends.set(jobOf(record), [...(ends.get(jobOf(record)) ?? []), record])
  }
  const wrong: string[] = []
  for (const id of new Set([...accepted, ...ends.keys()])) {
    const all = ends.get(id) ?? []
    const [end, ...more] = all.filter(({ event }) => event !== 'job.failed')
    if (end === undefined || more.length > 0) wrong.push(`${id} ended as ${JSON.stringify(all)}`)
    else if (all.some((one) => one !== end && one.measures?.['tokens'] !== undefined))
      wrong.push(`${id} was charged more than once: ${JSON.stringify(all)}`)
    else if (!Number.isInteger(end.measures?.['tokens'])) wrong.push(`${id} was charged nothing`)
  }
  return wrong
}

if (import.meta.main) {
  const outcome = await killGatewayJobs(Number(process.argv[2] ?? 20), (message) => console.error(message))
  console.log(JSON.stringify({ ...outcome, differences: outcome.differences.slice(0, 20) }))
  process.exitCode = outcome.differences.length === 0 ? 0 : 1
}
