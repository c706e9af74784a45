import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { createKey, main } from '../contest/contestant.ts'
import { putLoad } from '../contest/wrk.ts'
import { repositoryFolder } from '../repository-folder.ts'
import { findFreePort, type ServerProcess, startServerProcess } from '../server-process.ts'
import { type Latency, type Probe, probeLatency } from './probe-latency.ts'

/** A server with a slow model, a fast one and a route that asks none. */
export interface Contestant {
  readonly name: string
  readonly describes: string
  /** Why it cannot take part on this machine. */
  readonly missing?: string
  readonly command: (place: {
    readonly port: number
    readonly data: string
  }) => readonly [string, ...string[]]
}

/** What one turn showed. */
export interface Turn {
  readonly health: Latency
  readonly fast: Latency
  /** Calls of the slow model that were answered meanwhile, a second. */
  readonly slowPerSecond: number
}

export interface SaturatedServer {
  /** @param connections that ask the slow model, one call after the other; 0 for an idle server */
  readonly takeTurn: (connections: number, seconds: number) => Promise<Turn>
  readonly stop: ServerProcess['stop']
}

const peersFolder = fileURLToPath(new URL('../peers', import.meta.url))
const python = '/usr/bin/python3'
const startMsMax = 20_000
const body = JSON.stringify({ text: 'I love this great product' })

export function findContestants(): readonly Contestant[] {
  const versions = 'import fastapi, uvicorn\nprint(fastapi.__version__, uvicorn.__version__)'
  const { status, stdout } = spawnSync(python, ['-c', versions], { encoding: 'utf8' })
  const [fastApi = '', uvicorn = ''] = status === 0 ? stdout.trim().split(' ') : []
  return [
    {
      name: 'modelward',
      describes: 'Modelward, a threaded model',
      command: ({ port, data }) => {
        const models = ['fast-model.ts', 'slow-model.ts'].flatMap((file) => [
          '--model',
          join(peersFolder, file),
        ])
        return [process.execPath, main, 'serve', '--port', `${port}`, '--data', data, ...models]
      },
    },
    {
      name: 'fastapi',
      describes: `FastAPI ${fastApi}, uvicorn ${uvicorn}, \`asyncio.to_thread\``,
      ...(status === 0 ? {} : { missing: 'not installed (Debian: apt-get install python3-fastapi uvicorn)' }),
      command: ({ port }) => {
        const serve = [python, '-m', 'uvicorn', 'fastapi_threads_app:app', '--app-dir', peersFolder] as const
        return [...serve, '--port', `${port}`, '--no-access-log', '--log-level', 'warning']
      },
    },
  ]
}

/** Starts a server and waits until both of its models answer. */
export async function startSaturatedServer(contestant: Contestant, folder: string): Promise<SaturatedServer> {
  const port = await findFreePort()
  const data = join(folder, contestant.name)
  const key = createKey(data, 'none')
  const server = startServerProcess({
    command: contestant.command({ port, data }),
    core: undefined,
    cwd: repositoryFolder,
    environment: { BENCH_KEY: key },
    logFile: join(folder, `${contestant.name}.log`),
  })
  const url = `http://127.0.0.1:${port}`
  const headers = { 'content-type': 'application/json', 'X-API-Key': key }
  const health: Probe = { method: 'GET', url: `${url}/health`, headers: {} }
  const fast: Probe = { method: 'POST', url: `${url}/predict`, headers, body }
  const slow: Probe = { method: 'POST', url: `${url}/models/slow/predict`, headers, body }
  const deadline = performance.now() + startMsMax
  while (!(await isAnswered(health))) {
    if (!server.isRunning() || performance.now() > deadline)
      throw new Error(`${contestant.name} did not start:\n${server.readLog().slice(-2_000)}`)
    await delay(50)
  }
  // Compiles what is measured.
  for (const probe of [fast, slow]) await probeLatency(probe, 1)
  return {
    async takeTurn(connections, seconds) {
      const header = { name: 'X-API-Key', value: key }
      const load =
        connections === 0
          ? undefined
          : putLoad({ url: slow.url, header, body, seconds: seconds + 1, connections, core: undefined })
      const probing = [health, fast].map((probe) => probeLatency(probe, seconds))
      const [atHealth, atFast] = (await Promise.all(probing)) as [Latency, Latency]
      const outcome = await load
      if (outcome !== undefined && outcome.refused + outcome.broken > 0)
        throw new Error(
          `${contestant.name}: ${outcome.refused + outcome.broken} calls of the slow model failed`,
        )
      const slowPerSecond = outcome === undefined ? 0 : (outcome.requests / outcome.microseconds) * 1e6
      return { health: atHealth, fast: atFast, slowPerSecond }
    },
    stop: () => server.stop(),
  }
}

async function isAnswered({ url }: Probe): Promise<boolean> {
  try {
    const answer = await fetch(url)
    await answer.arrayBuffer()
    return answer.ok
  } catch {
    return false
  }
}
