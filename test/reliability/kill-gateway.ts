// `node test/reliability/kill-gateway.ts [KILLS]`: a server in front of a model server is killed
// (SIGKILL) at a random moment while 100 streams are under way, again and again. Every terminal
// event that a client saw has its record of an end; after the restart each call that began has
// exactly one; a limit has counted no fewer tokens than are recorded, and the ledger verifies.
// Exits with 1 where that is not so.
import { type ChildProcess, spawn } from 'node:child_process'
import { randomInt } from 'node:crypto'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { createInterface } from 'node:readline'
import { runCli, runJson, type ServeProcess, startServe, temporaryFolder } from '../e2e/run-cli.ts'
import { askAtOnce, askUntilKilled, type KillMoment, UnexpectedAnswer } from './ask-until-killed.ts'
import { exportRecords, type RecordLine } from './export-records.ts'
import type { Keys } from './kill-ledger.ts'

export interface GatewayKills {
  readonly kills: number
  /** Terminal events that clients saw, and streams that were cut off. */
  readonly whole: number
  readonly cutOff: number
  /** Calls that a kill left, and the restart ended. */
  readonly endedLate: number
  /** What is not as promised. */
  readonly differences: readonly string[]
}

const streams = 100
/** Large enough for all streams. */
const amount = 1_000_000_000
const limit = `${amount} tokens/h`
/** Where all streams end at once, many are still under way. */
const killMoment: KillMoment = { fromAnswers: 1, untilAnswers: 60, withinMs: 30 }
/** Kills beyond those asked for, while none has met a call under way. */
const moreKills = 4

interface Seen {
  /** Request ids of the streams whose terminal event was seen. */
  readonly whole: Set<string>
  cutOff: number
}

/** Kills so often, on a data folder of its own, and looks at what the last restart left. */
export async function killGateway(kills: number, tell: (message: string) => void): Promise<GatewayKills> {
  using folder = temporaryFolder()
  const data = join(folder.path, 'data')
  await using model = await startModel()
  const start = (): Promise<ServeProcess> =>
    startServe(data, [
      ...['--upstream', model.url, '--preset', 'vllm', '--limit-default', '', '--log-level', 'fatal'],
    ])
  const seen: Seen = { whole: new Set(), cutOff: 0 }
  const differences: string[] = []
  let key: { readonly id: string; readonly key: string } | undefined
  for (let kill = 1; kill <= kills || (seen.cutOff === 0 && kill <= kills + moreKills); kill += 1) {
    await using server = await start()
    key ??= await runJson(['keys', 'create', '--name', 'k', '--limit', limit, '--data', data])
    const before = seen.whole.size
    await streamUntilKilled(server, key?.key ?? '', seen)
    tell(`${kill} of ${kills}: ${seen.whole.size - before} whole answers`)
  }
  await using server = await start()
  const records: RecordLine[] = []
  for await (const record of exportRecords(data))
    if (/^request\.(?:started|finished)$/.test(record.event)) records.push(record)
  differences.push(...differencesOf(records, seen))
  const { admin } = JSON.parse(readFileSync(join(data, 'first-keys.json'), 'utf8')) as Keys
  const counted = await countedTokens(server, key?.id ?? '', admin)
  const recorded = records.reduce((sum, { measures }) => sum + (measures?.['tokens'] ?? 0), 0)
  if (!(counted >= recorded))
    differences.push(`the limit has counted ${counted} tokens, ${recorded} are recorded`)
  const { code, stdout, stderr } = await runCli(['ledger', 'verify', '--data', data])
  if (code !== 0) differences.push(`the ledger does not verify: ${stdout}${stderr}`)
  const endedLate = records.filter(({ detail }) => detail?.['late'] === true).length
  return { kills, whole: seen.whole.size, cutOff: seen.cutOff, endedLate, differences }
}

export interface ModelProcess extends AsyncDisposable {
  readonly url: string
}

/** A model server in a process of its own, whose answers take a moment. */
export async function startModel(): Promise<ModelProcess> {
  const file = resolve('test/reliability/processes/serve-paced-model.ts')
  const child: ChildProcess = spawn(process.execPath, [file], { stdio: ['ignore', 'pipe', 'inherit'] })
  if (child.stdout === null) throw new Error('the model server has no standard output')
  const [url] = (await once(createInterface(child.stdout), 'line')) as [string]
  return {
    url,
    async [Symbol.asyncDispose]() {
      const closed = once(child, 'close')
      child.kill('SIGKILL')
      await closed
    },
  }
}

async function streamUntilKilled(server: ServeProcess, key: string, seen: Seen): Promise<void> {
  await askUntilKilled(server, killMoment, (saw) =>
    askAtOnce(streams, () =>
      streamOneAfterAnother(server.address, key, seen, (requestId) => {
        seen.whole.add(requestId)
        saw()
      }),
    ),
  )
}

async function streamOneAfterAnother(
  address: string,
  key: string,
  seen: Seen,
  sawWhole: (requestId: string) => void,
): Promise<void> {
  for (;;) {
    const answer = await fetch(`${address}/v1/chat/completions`, {
      method: 'POST',
      headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
      body: JSON.stringify({
        model: 'm',
        stream: true,
        max_tokens: randomInt(1, 80),
        messages: [{ role: 'user', content: 'why is the sky blue' }],
      }),
    })
    const requestId = answer.headers.get('x-request-id')
    if (answer.status !== 200 || requestId === null || answer.body === null)
      throw new UnexpectedAnswer(`${answer.status}: ${await answer.text()}`)
    if (await isWhole(answer.body)) sawWhole(requestId)
    else seen.cutOff += 1
  }
}

/** Whether the terminal event comes: once it is seen, the client has its answer. */
async function isWhole(body: ReadableStream<Uint8Array>): Promise<boolean> {
  const decoder = new TextDecoder()
  let text = ''
  try {
    for await (const piece of body) text += decoder.decode(piece, { stream: true })
  } catch {
    return text.includes('data: [DONE]')
  }
  return text.includes('data: [DONE]')
}

function differencesOf(records: readonly RecordLine[], { whole }: Seen): readonly string[] {
  const starts = new Map<string, RecordLine>()
  const ends = new Map<string, RecordLine[]>()
  for (const record of records) {
    if (record.event === 'request.started') starts.set(record.request_id, record)
    else ends.set(record.request_id, [...(ends.get(record.request_id) ?? []), record])
  }
  const wrong: string[] = []
  for (const id of whole)
    if (ends.get(id)?.[0]?.detail?.['late'] === true || !ends.has(id))
      wrong.push(`${id} was seen whole, and has no end of its own`)
  for (const [id, start] of starts) {
    const [end, ...more] = ends.get(id) ?? []
    if (end === undefined || more.length > 0) wrong.push(`${id} has ${more.length + (end ? 1 : 0)} ends`)
    else if (end.detail?.['late'] === true) wrong.push(...faultsOfLate(id, start, end))
  }
  for (const id of ends.keys()) if (!starts.has(id)) wrong.push(`${id} has an end and no beginning`)
  return wrong
}

function faultsOfLate(id: string, start: RecordLine, end: RecordLine): readonly string[] {
  const isSame = (['key_id', 'owner', 'route'] as const).every((field) => start[field] === end[field])
  const isCharged =
    end.measures?.['tokens'] === start.detail?.['reserved'] && end.measures?.['requests'] === 1
  const isSaid = end.detail?.['usage'] === 'reserved' && end.detail['end'] === undefined
  return isSame && isCharged && isSaid ? [] : [`${id} was ended late as ${JSON.stringify(end)}`]
}

/** What a key's limit of tokens has counted. */
export async function countedTokens(
  { address }: ServeProcess,
  keyId: string,
  admin: string,
): Promise<number> {
  const answer = await fetch(`${address}/v1/keys/${keyId}/limits`, { headers: { 'x-api-key': admin } })
  const { limits } = (await answer.json()) as {
    readonly limits: readonly { readonly limit: string; readonly used: number }[]
  }
  return limits.find((one) => one.limit.includes('tokens'))?.used ?? Number.NaN
}

if (import.meta.main) {
  const outcome = await killGateway(Number(process.argv[2] ?? 50), (message) => console.error(message))
  console.log(JSON.stringify({ ...outcome, differences: outcome.differences.slice(0, 20) }))
  process.exitCode = outcome.differences.length === 0 ? 0 : 1
}
