// `node test/reliability/kill-jobs.ts [ROUNDS]`: the server is killed (SIGKILL) at a random moment
// after its first 202s, again and again: half of the rounds with the built-in model, half with a
// slow one of a file. Every job that was accepted then ends with its own result, once, and the
// chain verifies. Exits with 1 where that is not so.
import { randomInt, randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { runCli, type ServeProcess, startServe, temporaryFolder } from '../e2e/run-cli.ts'
import { askAtOnce, askUntilKilled, type KillMoment, UnexpectedAnswer } from './ask-until-killed.ts'
import { exportRecords } from './export-records.ts'

export interface KillJobsOutcome {
  readonly rounds: number
  /** Jobs whose 202 reached a client, whole. */
  readonly accepted: number
  /** Those of them that have ended with their own result. */
  readonly completed: number
  /** Those that have not. */
  readonly lost: readonly string[]
  /** Jobs, accepted or on their way at a kill, that finished more than once. */
  readonly doubled: readonly string[]
  /** Repeated requests that made another job than the first. */
  readonly repeated: readonly string[]
  /**
   * Jobs that finished without a record. A kill comes between the commit of an end and its record
   * now and then; the next start writes it.
   */
  readonly unrecorded: readonly string[]
}

interface AcceptedJob {
  readonly id: string
  readonly texts: readonly string[]
  readonly idempotencyKey: string
}

const inFlight = 32
/** Of several slices, so that a kill comes between them. */
const batchInputs = 30
const killMoment: KillMoment = { fromAnswers: 15, untilAnswers: 50, withinMs: 50 }
/** As short as it may be: so long a job waits that was under way at the kill. */
const jobLease = '5s'
/** Every so many accepted jobs, one request is sent again after the last kill. */
const repeatEvery = 20

const slowModel = `
import { setTimeout as delay } from 'node:timers/promises'

export default {
  name: 'slow',
  version: 'slow-1',
  runs: 'threaded',
  batchMax: 8,
  threads: 1,
  async predict(texts) {
    await delay(20)
    return texts.map((text) => ({ length: text.length }))
  },
}
`

/**
 * Plays the rounds on a data folder of its own. Throws where a chain does not verify, or where an
 * answer is not what it should be.
 */
export async function killJobs(rounds: number, tell: (message: string) => void): Promise<KillJobsOutcome> {
  using folder = temporaryFolder()
  const data = join(folder.path, 'data')
  const modelFile = join(folder.path, 'slow.mjs')
  writeFileSync(modelFile, slowModel)
  const accepted: AcceptedJob[] = []
  const lost: string[] = []
  const repeated: string[] = []
  let played = 0
  for (const [model, count] of [
    [[], Math.ceil(rounds / 2)],
    [['--model', modelFile], Math.floor(rounds / 2)],
  ] as const) {
    const ofModel: AcceptedJob[] = []
    const start = (): Promise<ServeProcess> => startServe(data, [...model, ...settings])
    for (let round = 0; round < count; round += 1) {
      const before = ofModel.length
      await using server = await start()
      await submitUntilKilled(server, readKey(data), (job) => ofModel.push(job))
      await verify(data)
      played += 1
      tell(`round ${played} of ${rounds}: ${ofModel.length - before} jobs accepted, the chain verifies`)
    }
    await using server = await start()
    lost.push(...(await findUnanswered(server, readKey(data), ofModel)))
    repeated.push(...(await repeatSome(server, readKey(data), ofModel)))
    accepted.push(...ofModel)
    await stop(server)
  }
  await verify(data)
  const finished = await countFinished(data)
  return {
    rounds,
    accepted: accepted.length,
    completed: accepted.length - lost.length,
    lost,
    doubled: [...finished].filter(([, count]) => count > 1).map(([id]) => id),
    repeated,
    unrecorded: accepted.map(({ id }) => id).filter((id) => !lost.includes(id) && !finished.has(id)),
  }
}

/**
 * Nothing but the kill may end a job: no limits, room for all, and attempts for as many kills as
 * there are.
 */
const settings: readonly string[] = [
  ...['--limit-default', '', '--log-level', 'error', '--job-lease', jobLease, '--job-attempts', '100'],
  ...['--queue-max', '100000', '--queue-owner-max', '100000'],
]

function readKey(data: string): string {
  return (JSON.parse(readFileSync(join(data, 'first-keys.json'), 'utf8')) as { readonly demo: string }).demo
}

async function verify(data: string): Promise<void> {
  const { code, stdout, stderr } = await runCli(['ledger', 'verify', '--data', data])
  if (code !== 0) throw new Error(`the ledger does not verify: ${stdout}${stderr}`)
}

async function stop({ child }: ServeProcess): Promise<void> {
  child.kill('SIGTERM')
  if (child.exitCode === null) await once(child, 'close')
}

/** Many requests at once, each of them other texts; one in four is a batch. */
async function submitUntilKilled(
  server: ServeProcess,
  key: string,
  saw: (job: AcceptedJob) => void,
): Promise<void> {
  async function submitOneAfterAnother(sawOne: () => void): Promise<void> {
    for (;;) {
      const texts = Array.from(
        { length: randomInt(4) === 0 ? batchInputs : 1 },
        () => `I love this great ${randomUUID()}`,
      )
      const idempotencyKey = randomUUID()
      const id = await submit(server.address, key, { texts, idempotencyKey })
      saw({ id, texts, idempotencyKey })
      sawOne()
    }
  }
  await askUntilKilled(server, killMoment, (sawOne) =>
    askAtOnce(inFlight, () => submitOneAfterAnother(sawOne)),
  )
}

/** Gives the id of the job that the request has made. */
async function submit(
  address: string,
  key: string,
  { texts, idempotencyKey }: Omit<AcceptedJob, 'id'>,
): Promise<string> {
  const [text] = texts
  const path = texts.length === 1 ? '/predict' : '/predict/batch'
  const answer = await fetch(`${address}${path}`, {
    method: 'POST',
    headers: {
      'x-api-key': key,
      'content-type': 'application/json',
      prefer: 'respond-async',
      'idempotency-key': idempotencyKey,
    },
    body: JSON.stringify(texts.length === 1 ? { text } : { texts }),
  })
  const body = await answer.text()
  if (answer.status !== 202) throw new UnexpectedAnswer(`${answer.status} ${body}`)
  return (JSON.parse(body) as { readonly id: string }).id
}

interface Job {
  readonly status: string
  readonly result: unknown
}

/** The ids of those that do not end with their own result. */
async function findUnanswered(
  { address }: ServeProcess,
  key: string,
  jobs: readonly AcceptedJob[],
): Promise<readonly string[]> {
  const unanswered: string[] = []
  const left = [...jobs]
  async function lookOneAfterAnother(): Promise<void> {
    for (let job = left.pop(); job !== undefined; job = left.pop()) {
      const answer = await fetch(`${address}/jobs/${job.id}?wait=55`, { headers: { 'x-api-key': key } })
      if (!hasOwnResult((await answer.json()) as Job, job.texts)) unanswered.push(job.id)
    }
  }
  await Promise.all(Array.from({ length: inFlight }, lookOneAfterAnother))
  return unanswered
}

/** Each answer bears the text that it is about. */
function hasOwnResult({ status, result }: Job, texts: readonly string[]): boolean {
  const answers = (texts.length === 1 ? [result] : resultsOf(result)) as readonly { readonly text?: string }[]
  return (
    status === 'succeeded' &&
    answers.length === texts.length &&
    answers.every((answer, index) => answer?.text === texts[index])
  )
}

function resultsOf(result: unknown): readonly unknown[] {
  if (Array.isArray(result)) return result
  return (result as { readonly results?: readonly unknown[] } | null)?.results ?? []
}

/** The ids of those whose request, sent again, made another. */
async function repeatSome(
  { address }: ServeProcess,
  key: string,
  jobs: readonly AcceptedJob[],
): Promise<readonly string[]> {
  const repeated: string[] = []
  for (const job of jobs.filter((_, index) => index % repeatEvery === 0))
    if ((await submit(address, key, job)) !== job.id) repeated.push(job.id)
  return repeated
}

/** How often each job has finished by the ledger, by the real export. */
export async function countFinished(data: string): Promise<ReadonlyMap<string, number>> {
  const counts = new Map<string, number>()
  for await (const { detail } of exportRecords(data, '--event', 'job.finished')) {
    const id = String(detail?.['job'])
    counts.set(id, (counts.get(id) ?? 0) + 1)
  }
  return counts
}

if (import.meta.main) {
  const outcome = await killJobs(Number(process.argv[2] ?? 20), (message) => console.error(message))
  console.log(JSON.stringify(outcome))
  const { lost, doubled, repeated } = outcome
  process.exitCode = [lost, doubled, repeated].every((ids) => ids.length === 0) ? 0 : 1
}
