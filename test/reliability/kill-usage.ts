// `node test/reliability/kill-usage.ts [ROUNDS] [REQUESTS]`: one sum of what was used, in the three
// places that keep it. The server is asked all kinds of requests and killed (SIGKILL) at a random
// moment, again and again. Afterwards the sum of `measures.requests` in the ledger is what `usage`
// says, of every key; and a limit has counted no less, and no more than a crash may cost. Exits
// with 1 where that is not so.
import { randomInt } from 'node:crypto'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { runJson, type ServeProcess, startServe, temporaryFolder } from '../e2e/run-cli.ts'
import { exportRecords } from './export-records.ts'
import type { Keys } from './kill-ledger.ts'

/** What one key has used, by each that counts it. */
export interface UsedByKey {
  readonly ledger: number
  readonly usage: number
  /** What its limits have counted: in a window, and in the calendar's month. */
  readonly limits: readonly number[]
  /** How much more a limit may have counted: what was in flight at the kills, and its reserves. */
  readonly excessMax: number
}

export interface UsageOutcome {
  readonly kills: number
  /** Answers that reached a client, by status. */
  readonly answers: Readonly<Record<string, number>>
  readonly used: readonly UsedByKey[]
}

const inFlight = 16
/** Large enough for all requests; a crash costs a limit at most a 64th of it. */
const amount = 12_800
const limits = [`${amount}/day`, `${amount}/calendar month`]

/** Plays the rounds, the last without a kill, on a data folder of its own. */
export async function killUsage(
  rounds: number,
  requests: number,
  tell: (message: string) => void,
): Promise<UsageOutcome> {
  using folder = temporaryFolder()
  const data = join(folder.path, 'data')
  const answers: Record<string, number> = {}
  let keys: AskingKeys | undefined
  let kills = 0
  for (let round = 1; round <= rounds; round += 1) {
    await using server = await startServe(data, ['--limit-operational', 'none', '--log-level', 'error'])
    keys ??= await createKeys(data)
    const isLast = round === rounds
    const asked = await askAll(server, keys, Math.ceil(requests / rounds), answers, !isLast)
    if (!isLast) kills += 1
    tell(`round ${round} of ${rounds}: ${asked} answers`)
    if (isLast) {
      const used = await Promise.all(
        keys.counted.map((key) => usedBy(server, data, key, keys?.admin ?? '', kills)),
      )
      return { kills, answers, used }
    }
  }
  throw new Error('expected a round or more')
}

interface CountedKey {
  readonly id: string
  readonly key: string
}

interface AskingKeys extends Keys {
  /** Keys whose requests are counted: one that is seldom refused, one that mostly is. */
  readonly counted: readonly CountedKey[]
}

async function createKeys(data: string): Promise<AskingKeys> {
  const first = JSON.parse(readFileSync(join(data, 'first-keys.json'), 'utf8')) as Keys
  const create = (name: string, more: readonly string[]): Promise<CountedKey> =>
    runJson([
      'keys',
      'create',
      '--name',
      name,
      '--data',
      data,
      ...limits.flatMap((limit) => ['--limit', limit]),
      ...more,
    ])
  return { ...first, counted: [await create('busy', []), await create('limited', ['--limit', '20/min'])] }
}

/** Kinds of requests, each with a key of its own. */
function kindsOf(keys: AskingKeys): readonly ((address: string) => Promise<Response>)[] {
  const [busy, limited] = keys.counted.map(({ key }) => key)
  const post =
    (path: string, key: string | undefined, body: string, headers = {}) =>
    (address: string) =>
      fetch(`${address}${path}`, {
        method: 'POST',
        headers: {
          ...(key !== undefined && { 'x-api-key': key }),
          'content-type': 'application/json',
          ...headers,
        },
        body,
      })
  const text = '{"text":"I love this great product"}'
  const texts = '{"texts":["good","bad"]}'
  return [
    post('/predict', busy, text),
    post('/predict', busy, text),
    post('/predict', busy, text, { 'x-forwarded-for': '192.0.2.1' }),
    post('/predict/batch', busy, texts),
    post('/predict', busy, text, { prefer: 'respond-async' }),
    async (address) => {
      const accepted = await post('/predict', busy, text, { prefer: 'respond-async' })(address)
      const job = accepted.headers.get('location')
      if (job === null) return accepted
      await accepted.arrayBuffer()
      return fetch(`${address}${job}`, { method: 'DELETE', headers: { 'x-api-key': busy ?? '' } })
    },
    post('/predict', busy, '{"text":1}'),
    post('/predict', limited, text),
    post('/predict', keys.admin, text),
    post('/predict', undefined, text),
    (address) => fetch(`${address}/v1/keys/self`, { headers: { 'x-api-key': busy ?? '' } }),
    (address) => fetch(`${address}/jobs`, { headers: { 'x-api-key': busy ?? '' } }),
  ]
}

async function askAll(
  server: ServeProcess,
  keys: AskingKeys,
  requests: number,
  answers: Record<string, number>,
  isKilled: boolean,
): Promise<number> {
  const kinds = kindsOf(keys)
  const closed = once(server.child, 'close')
  // Anywhere among the round's requests.
  const killAt = isKilled ? randomInt(1, requests) : Number.POSITIVE_INFINITY
  let begun = 0
  let answered = 0
  async function askOneAfterAnother(): Promise<void> {
    for (;;) {
      begun += 1
      if (begun > requests) return
      const ask = kinds[begun % kinds.length]
      const answer = await ask?.(server.address)
      await answer?.arrayBuffer()
      if (answer === undefined || answer.status >= 500) throw new Error(`answered with ${answer?.status}`)
      answers[answer.status] = (answers[answer.status] ?? 0) + 1
      answered += 1
      if (answered === killAt) server.child.kill('SIGKILL')
    }
  }
  const ends = await Promise.allSettled(Array.from({ length: inFlight }, askOneAfterAnother))
  if (isKilled) await closed
  else for (const end of ends) if (end.status === 'rejected') throw end.reason
  return answered
}

async function usedBy(
  { address }: ServeProcess,
  data: string,
  { id }: CountedKey,
  admin: string,
  kills: number,
): Promise<UsedByKey> {
  const { usage } = await runJson<{ readonly usage: readonly { readonly requests: number }[] }>([
    'usage',
    '--by',
    'key',
    '--key',
    id,
    '--data',
    data,
  ])
  const answer = await fetch(`${address}/v1/keys/${id}/limits`, { headers: { 'x-api-key': admin } })
  const { limits: states } = (await answer.json()) as {
    readonly limits: readonly { readonly limit: string; readonly used: number }[]
  }
  return {
    ledger: await sumRequests(data, id),
    usage: usage.reduce((sum, { requests }) => sum + requests, 0),
    limits: limits.map((limit) => states.find((state) => state.limit === limit)?.used ?? Number.NaN),
    excessMax: kills * (inFlight + Math.ceil(amount / 64)),
  }
}

/** The sum of `measures.requests` in all records of a key, by the real export. */
async function sumRequests(data: string, keyId: string): Promise<number> {
  let sum = 0
  for await (const { measures } of exportRecords(data, '--key', keyId)) sum += measures?.['requests'] ?? 0
  return sum
}

/** What is wrong with an outcome; empty where nothing is. */
export function differencesOf({ used }: UsageOutcome): readonly string[] {
  return used.flatMap(({ ledger, usage, limits, excessMax }) => [
    ...(ledger === usage ? [] : [`the ledger has ${ledger} requests, usage says ${usage}`]),
    ...limits
      .filter((count) => !(count >= ledger && count <= ledger + excessMax))
      .map((count) => `a limit has counted ${count} of ${ledger} requests, ${excessMax} more at most`),
  ])
}

if (import.meta.main) {
  const [, , rounds = 11, requests = 10_000] = process.argv
  const outcome = await killUsage(Number(rounds), Number(requests), (message) => console.error(message))
  console.log(JSON.stringify(outcome))
  const differences = differencesOf(outcome)
  for (const difference of differences) console.error(difference)
  process.exitCode = differences.length === 0 ? 0 : 1
}
