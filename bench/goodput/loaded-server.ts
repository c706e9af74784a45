import { Agent, request } from 'node:http'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { createKey, main } from '../contest/contestant.ts'
import { repositoryFolder } from '../repository-folder.ts'
import { findFreePort, type ServerProcess, startServerProcess } from '../server-process.ts'

/** A server with a model of 200 ms a batch, on one thread. */
export interface Contestant {
  readonly name: string
  readonly describes: string
  /** Most inputs of a batch. */
  readonly batchMax: number
  readonly command: (place: {
    readonly port: number
    readonly data: string
  }) => readonly [string, ...string[]]
}

/** What came of one turn of requests. */
export interface Turn {
  /** Answered with 200 before the deadline, a second, once the load has lasted for a deadline. */
  readonly goodPerSecond: number
  readonly refused: number
  readonly late: number
  /** Median until a 503, in milliseconds; NaN without any. */
  readonly refusedAfterMs: number
}

export interface LoadedServer {
  /** Sends so many requests a second at equal distances, whatever is answered. */
  readonly takeTurn: (perSecond: number, seconds: number) => Promise<Turn>
  readonly stop: ServerProcess['stop']
}

export const deadlineMs = 2_000
const startMsMax = 20_000
const peersFolder = fileURLToPath(new URL('../peers', import.meta.url))
const body = JSON.stringify({ text: 'I love this great product' })

function modelward(batchMax: number): Contestant {
  const model = join(peersFolder, 'steady-model.ts')
  const flags = ['--model', model, '--model-deadline', `${deadlineMs}ms`]
  return {
    name: `modelward-${batchMax}`,
    describes: `Modelward, batches of ${batchMax}`,
    batchMax,
    command: ({ port, data }) => [
      process.execPath,
      main,
      'serve',
      '--port',
      `${port}`,
      '--data',
      data,
      ...flags,
    ],
  }
}

export const contestants: readonly Contestant[] = [
  modelward(1),
  modelward(8),
  {
    name: 'fastify-piscina',
    describes: 'Fastify and Piscina, `AbortSignal.timeout`',
    batchMax: 1,
    command: () => [process.execPath, join(peersFolder, 'fastify-piscina.ts')],
  },
]

export async function startLoadedServer(contestant: Contestant, folder: string): Promise<LoadedServer> {
  const { name, batchMax } = contestant
  const port = await findFreePort()
  const data = join(folder, name)
  const key = createKey(data, 'none')
  const server = startServerProcess({
    command: contestant.command({ port, data }),
    core: undefined,
    cwd: repositoryFolder,
    environment: {
      BENCH_PORT: `${port}`,
      BENCH_BATCH_MAX: `${batchMax}`,
      BENCH_DEADLINE_MS: `${deadlineMs}`,
    },
    logFile: join(folder, `${name}.log`),
  })
  const ask = createAsking(port, key)
  const deadline = performance.now() + startMsMax
  while ((await ask().catch(() => undefined))?.status !== 200) {
    if (!server.isRunning() || performance.now() > deadline)
      throw new Error(`${name} did not start:\n${server.readLog().slice(-2_000)}`)
    await delay(50)
  }
  return {
    async takeTurn(perSecond, seconds) {
      const asked: Promise<Answer>[] = []
      const startedAt = performance.now()
      for (let at = 0; at < perSecond * seconds; at += 1) {
        await delay(Math.max(0, startedAt + (at * 1_000) / perSecond - performance.now()))
        asked.push(ask())
      }
      return turnOf(await Promise.all(asked), startedAt, seconds)
    },
    stop: () => server.stop(),
  }
}

interface Answer {
  readonly status: number
  /** When it came, and how long that took, in milliseconds. */
  readonly at: number
  readonly ms: number
}

function createAsking(port: number, key: string): () => Promise<Answer> {
  const agent = new Agent({ keepAlive: true, maxSockets: Number.POSITIVE_INFINITY })
  const headers = { 'content-type': 'application/json', 'content-length': body.length, 'X-API-Key': key }
  return () =>
    new Promise((resolve, reject) => {
      const startedAt = performance.now()
      const sent = request({ port, path: '/predict', method: 'POST', agent, headers }, (response) => {
        const { statusCode: status = 0 } = response
        response.resume().once('end', () => {
          const at = performance.now()
          resolve({ status, at, ms: at - startedAt })
        })
      })
      sent.on('error', reject)
      sent.end(body)
    })
}

function turnOf(answers: readonly Answer[], startedAt: number, seconds: number): Turn {
  const good = answers.filter(({ status, ms }) => status === 200 && ms <= deadlineMs)
  const from = startedAt + deadlineMs
  const until = startedAt + seconds * 1_000
  const counted = good.filter(({ at }) => at >= from && at < until)
  const refused = answers.filter(({ status }) => status === 503).map(({ ms }) => ms)
  const middle = refused.toSorted((a, b) => a - b)[Math.floor(refused.length / 2)]
  return {
    goodPerSecond: counted.length / (seconds - deadlineMs / 1_000),
    refused: refused.length,
    late: answers.length - good.length - refused.length,
    refusedAfterMs: middle ?? Number.NaN,
  }
}
