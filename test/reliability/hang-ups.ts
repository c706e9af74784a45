// `node test/reliability/hang-ups.ts [REQUESTS] [PART…]`: a real server with a slow model of
// `onnxruntime-node` and of `@huggingface/transformers`, in processes and in threads. Clients hang
// up, miss deadlines and cancel jobs, at random, and SIGTERM comes amid their work; then once more
// while one call runs for a quarter of a minute. Nothing but SIGTERM ends the server, and nothing
// is lost. Exits with 1 where that is not so.
import { randomInt, randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { runCli, type ServeProcess, startServe, temporaryFolder } from '../e2e/run-cli.ts'
import { createModelFolder, installPeers, type ModelFolder } from '../models/install-peers.ts'
import { writeTextClassifier } from '../models/networks.ts'
import { denseBytes, denseModule } from '../models/slow-network.ts'
import { type AskedModel, createSeen, deadlineMs, HangingClients, type Seen } from './hanging-clients.ts'
import { countFinished } from './kill-jobs.ts'
import { countRecords } from './kill-ledger.ts'

interface Part extends AskedModel {
  readonly name: string
  readonly runs: 'process' | 'threaded'
  readonly write: (folder: ModelFolder) => string
}

/** How a server ended after SIGTERM. */
interface End {
  readonly exit: number | NodeJS.Signals | null
  readonly ms: number
}

interface Outcome {
  readonly part: string
  readonly requests: number
  readonly answers: Readonly<Record<string, number>>
  readonly hungUp: number
  /** Those of them that the ledger knows; the others never reached the server. */
  readonly hungUpRecorded: number
  readonly jobs: number
  readonly cancelled: number
  /** Jobs whose `DELETE` came while the model worked on them. */
  readonly cutOff: number
  /** Processes or threads of the model that ended before their server. */
  readonly hostsLost: number
  readonly callsStuck: number
  /** Of the server itself, after a fifth of the requests and at the end. */
  readonly residentMib: readonly number[]
  readonly ends: readonly End[]
  /** What is not as promised. */
  readonly faults: readonly string[]
}

const inFlight = 3
const residentGrowthMibMax = 200
/** Longer than native code in a thread may go on while a server closes: 5 s after the grace. */
const endlessMs = 15_000
const endMsMax = 12_000

/** Of rows, or words, about 7.5 take a millisecond. */
const layers = 64
const perMs = 7.5
const hosts = `threads: 2, deadlineMs: ${deadlineMs},`

function onnxPart(runs: Part['runs']): Part {
  return {
    name: `onnx-${runs}`,
    runs,
    field: 'input',
    inputFor: (ms) => Math.round(ms * perMs),
    isOwn: (prediction, input) => (prediction as { readonly output?: unknown } | null)?.output === input,
    write(folder) {
      folder.write('dense.onnx', denseBytes(layers))
      return folder.write('dense.ts', denseModule('slow', `${hosts} runs: '${runs}',`))
    },
  }
}

function transformersPart(runs: Part['runs']): Part {
  return {
    name: `transformers-${runs}`,
    runs,
    field: 'text',
    inputFor: (ms) => 'good '.repeat(Math.round(ms * perMs)),
    isOwn(prediction, input) {
      const { text, label } = (prediction ?? {}) as { readonly text?: unknown; readonly label?: unknown }
      return text === input && label === 'POSITIVE'
    },
    write(folder) {
      writeTextClassifier(folder.path('words'), 1_000_000, layers)
      return folder.write(
        'tone.ts',
        `
        import * as transformers from '@huggingface/transformers'
        import { transformersModel } from 'modelward/models'

        export default transformersModel({
          name: 'slow', version: 'slow-1', task: 'text-classification', batchMax: 1, transformers,
          localModelPath: new URL('./', import.meta.url), model: 'words', runs: '${runs}', ${hosts}
        })
        `,
      )
    },
  }
}

const parts = [onnxPart, transformersPart].flatMap((part) => [part('process'), part('threaded')])

const settings: readonly string[] = [
  ...['--limit-default', '', '--limit-operational', 'none', '--log-level', 'error'],
  ...['--shutdown-grace', '3s', '--text-max', '1000000', '--body-max', '4MiB'],
]

async function playPart(part: Part, requests: number, tell: (message: string) => void): Promise<Outcome> {
  using folder = temporaryFolder()
  const models = createModelFolder()
  const data = join(folder.path, 'data')
  const run = { part, requests, data, file: part.write(models), mark: randomUUID(), tell }
  try {
    return await play(run)
  } finally {
    for (const pid of processesOf(run.mark)) process.kill(pid, 'SIGKILL')
    models.remove()
  }
}

interface Run {
  readonly part: Part
  readonly requests: number
  readonly data: string
  readonly file: string
  /** Stands in the environment of the server, and so of every process that it starts. */
  readonly mark: string
  readonly tell: (message: string) => void
}

async function play(run: Run): Promise<Outcome> {
  const { part, requests, data } = run
  const seen = createSeen()
  const residentMib: number[] = []
  const faults: string[] = []
  const servers = [
    await playServer(run, seen, (server) => askUntilEnded(server, requests, residentMib)),
    await playServer(run, seen, async ({ clients }) => {
      faults.push(...(await findLost(clients, part, seen)))
      await startEndless(clients)
    }),
    await playServer(run, seen, async ({ clients }) => {
      faults.push(...(await findLost(clients, part, seen)))
    }),
  ]
  const records = await countRecords(data)
  const asked = await countRecords(data, 'client_request_id')
  const [early = 0, late = 0] = residentMib
  const log = servers.map((server) => server.log).join('')
  const count = (event: string) => log.split(`"${event}"`).length - 1
  const jobs = [...seen.jobs.values()]
  return {
    part: part.name,
    requests,
    answers: seen.statuses,
    hungUp: seen.hungUp.size,
    hungUpRecorded: [...seen.hungUp].filter((id) => asked.has(id)).length,
    jobs: jobs.length,
    cancelled: jobs.filter(({ cancelled }) => cancelled === 'cancelled').length,
    cutOff: seen.cutOff.size,
    hostsLost: count('model.process_lost') + count('model.thread_lost'),
    callsStuck: count('model.call_stuck'),
    residentMib,
    ends: servers.map(({ exit, ms }) => ({ exit, ms })),
    faults: [
      ...faults,
      ...servers.flatMap((server) => server.faults),
      ...findWrongEnds(part, servers),
      ...[...seen.requestIds].filter((id) => records.get(id) !== 1).map((id) => `no single record of ${id}`),
      ...[...seen.hungUp].filter((id) => (asked.get(id) ?? 0) > 1).map((id) => `records of ${id}, hung up`),
      ...[...(await countFinished(data))]
        .filter(([, times]) => times > 1)
        .map(([id]) => `${id} finished twice`),
      ...(late > early + residentGrowthMibMax ? [`the server grew from ${early} to ${late} MiB`] : []),
      ...(count('server.failed') + count('ledger.not_closed') > 0 ? [`the log says: ${log}`] : []),
    ],
  }
}

interface AskedServer extends ServeProcess {
  readonly clients: HangingClients
  /** Sends SIGTERM, once: a second one ends a server at once. */
  readonly terminate: () => void
}

interface PlayedServer extends End {
  readonly log: string
  readonly faults: readonly string[]
}

/** A server from its start to its end by SIGTERM, which comes after `ask` at the latest. */
async function playServer(
  { part, data, file, mark, tell }: Run,
  seen: Seen,
  ask: (server: AskedServer) => Promise<void>,
): Promise<PlayedServer> {
  await using server = await startServe(data, ['--model', file, ...settings], { env: { HANG_UPS: mark } })
  const { child } = server
  const exited = once(child, 'exit')
  let terminatedAt: number | undefined
  const terminate = (): void => {
    if (terminatedAt === undefined) child.kill('SIGTERM')
    terminatedAt ??= performance.now()
  }
  const clients = new HangingClients(server.address, readKey(data), part, seen)
  await ask({ ...server, clients, terminate }).catch((cause) => {
    throw new Error(`${part.name}: the server says ${server.log()}`, { cause })
  })
  terminate()
  await exited
  const ms = Math.round(performance.now() - (terminatedAt ?? 0))
  const faults: string[] = []
  // They hear of its end by themselves.
  for (let waits = 0; waits < 20 && processesOf(mark).length > 0; waits += 1) await delay(100)
  const left = processesOf(mark)
  if (left.length > 0) faults.push(`${left.length} processes outlive the server`)
  for (const pid of left) process.kill(pid, 'SIGKILL')
  const { code, stdout, stderr } = await runCli(['ledger', 'verify', '--data', data])
  if (code !== 0) faults.push(`the ledger does not verify: ${stdout}${stderr}`)
  const exit = child.exitCode ?? child.signalCode
  tell(`${part.name}: ${seen.requestIds.size} answers so far, the server ended with ${exit} in ${ms} ms`)
  return { exit, ms, log: server.log(), faults }
}

/** Asks at random, and sends SIGTERM at the last request, while a long batch and others run. */
async function askUntilEnded(
  { child, clients, terminate }: AskedServer,
  requests: number,
  residentMib: number[],
): Promise<void> {
  let begun = 0
  let isEnding = false
  async function end(): Promise<void> {
    await clients.submit(300, 40)
    await delay(randomInt(1_000))
    residentMib.push(residentMibOf(child.pid))
    isEnding = true
    terminate()
  }
  async function askOneAfterAnother(): Promise<void> {
    for (;;) {
      begun += 1
      if (begun === Math.ceil(requests / 5)) residentMib.push(residentMibOf(child.pid))
      try {
        await (begun === requests ? end() : clients.askAny())
      } catch (error) {
        if (isEnding) return
        throw error
      }
    }
  }
  await Promise.all(Array.from({ length: inFlight }, askOneAfterAnother))
}

async function startEndless(clients: HangingClients): Promise<void> {
  const id = await clients.submit(endlessMs)
  if (id === undefined) throw new Error('the last job was refused')
  while ((await clients.look(id, 1)).status !== 'running');
}

/** Amid the work, within a call that goes on beyond the grace, and idle. */
function findWrongEnds({ runs }: Part, ends: readonly End[]): readonly string[] {
  const expected = [0, runs === 'threaded' ? 'SIGKILL' : 0, 0]
  return ends.flatMap(({ exit, ms }, at) => [
    ...(exit === expected[at] ? [] : [`end ${at + 1} of the server: ${exit}, not ${expected[at]}`]),
    ...(ms <= endMsMax ? [] : [`end ${at + 1} of the server took ${ms} ms`]),
  ])
}

/** Jobs that did not end right: with their own result, or cancelled where a client asked. */
async function findLost(clients: HangingClients, part: Part, seen: Seen): Promise<readonly string[]> {
  const lost: string[] = []
  for (const [id, { inputs, cancelled }] of seen.jobs) {
    let job = await clients.look(id, 55)
    while (job.status === 'queued' || job.status === 'running') job = await clients.look(id, 55)
    if (job.status === 'cancelled' && (cancelled === 'cancelled' || cancelled === 'asked')) continue
    const results = inputs.length === 1 ? [job.result] : ((job.result ?? []) as readonly unknown[])
    const isWhole = inputs.every((input, at) => part.isOwn(results[at], input))
    if (job.status !== 'succeeded' || cancelled === 'cancelled' || !isWhole)
      lost.push(`the job ${id} is ${job.status}, its DELETE said ${cancelled}`)
  }
  return lost
}

function readKey(data: string): string {
  return (JSON.parse(readFileSync(join(data, 'first-keys.json'), 'utf8')) as { readonly demo: string }).demo
}

function residentMibOf(pid: number | undefined): number {
  const [, kib] = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8')) ?? []
  return Math.round(Number(kib) / 1024)
}

/** The living processes with the mark in their environment (proc_pid_environ(5)). */
function processesOf(mark: string): readonly number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name) && environmentOf(name).includes(mark))
    .map(Number)
}

function environmentOf(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/environ`, 'utf8')
  } catch {
    return ''
  }
}

if (import.meta.main) {
  const [, , requests = '1000', ...names] = process.argv
  await installPeers()
  for (const part of parts.filter(({ name }) => names.length === 0 || names.includes(name))) {
    const outcome = await playPart(part, Number(requests), (message) => console.error(message))
    console.log(JSON.stringify(outcome))
    if (outcome.faults.length > 0) process.exitCode = 1
  }
}
