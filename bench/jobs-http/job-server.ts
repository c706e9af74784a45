import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { openModelward } from '../../src/ward/open-modelward.ts'
import { createKey, main } from '../contest/contestant.ts'
import { type LoadOptions, putLoad } from '../contest/wrk.ts'
import { repositoryFolder } from '../repository-folder.ts'
import { findFreePort, type ServerProcess, startServerProcess } from '../server-process.ts'

/** A server that answers predictions later. */
export interface Contestant {
  readonly name: string
  readonly describes: string
  /** Why it cannot take part on this machine. */
  readonly missing?: string
  readonly command: (place: {
    readonly port: number
    readonly data: string
  }) => readonly [string, ...string[]]
  readonly path: string
  readonly prefer?: string
  /** Whether jobs are kept in its data folder, where they can be counted. */
  readonly keepsJobs: boolean
}

/** What one turn of load showed. */
export interface Turn {
  readonly acceptedPerSecond: number
  /** From the first request until no job waits or runs; undefined where that is unknown. */
  readonly completedPerSecond: number | undefined
  /** CPU time of the server's process for each, until no job waits or runs, in microseconds. */
  readonly cpuPerJob: number
  readonly p50Ms: number
  readonly p99Ms: number
}

export interface JobServer {
  readonly takeTurn: (seconds: number) => Promise<Turn>
  readonly stop: () => Promise<void>
}

export const connections = 64
const peersFolder = fileURLToPath(new URL('../peers', import.meta.url))
const python = '/usr/bin/python3'
const body = JSON.stringify({ text: 'I love this great product' })
const startMsMax = 20_000
const lookMs = 20

export function findContestants(): readonly Contestant[] {
  const versions = 'import fastapi, uvicorn\nprint(fastapi.__version__, uvicorn.__version__)'
  const { status, stdout } = spawnSync(python, ['-c', versions], { encoding: 'utf8' })
  const [fastApi = '', uvicorn = ''] = status === 0 ? stdout.trim().split(' ') : []
  return [
    {
      name: 'modelward',
      describes: 'Modelward, `Prefer: respond-async`',
      command: ({ port, data }) => {
        const serve = [process.execPath, main, 'serve', '--port', `${port}`, '--data', data] as const
        // Room for all that is accepted faster than it is worked on.
        return [...serve, '--queue-max', '10000000', '--queue-owner-max', '10000000']
      },
      path: '/predict',
      prefer: 'respond-async',
      keepsJobs: true,
    },
    {
      name: 'fastapi',
      describes: `FastAPI ${fastApi}, uvicorn ${uvicorn}, \`BackgroundTasks\`, in memory`,
      ...(status === 0 ? {} : { missing: 'not installed (Debian: apt-get install python3-fastapi uvicorn)' }),
      command: ({ port }) => {
        const serve = [python, '-m', 'uvicorn', 'fastapi_threads_app:app', '--app-dir', peersFolder] as const
        return [...serve, '--port', `${port}`, '--no-access-log', '--log-level', 'warning']
      },
      path: '/predict/later',
      keepsJobs: false,
    },
  ]
}

/** Starts a server and waits until it accepts a job. */
export async function startJobServer(contestant: Contestant, folder: string): Promise<JobServer> {
  const { name, path, prefer, keepsJobs } = contestant
  const port = await findFreePort()
  const data = join(folder, name)
  const key = createKey(data, 'none')
  const server = startServerProcess({
    command: contestant.command({ port, data }),
    core: undefined,
    cwd: repositoryFolder,
    environment: { BENCH_KEY: key },
    logFile: join(folder, `${name}.log`),
  })
  const load = {
    url: `http://127.0.0.1:${port}${path}`,
    header: { name: 'X-API-Key', value: key },
    body,
    connections,
    core: undefined,
    ...(prefer !== undefined && { prefer }),
  }
  const deadline = performance.now() + startMsMax
  while ((await statusOf(load)) !== 202) {
    if (!server.isRunning() || performance.now() > deadline)
      throw new Error(`${name} accepts no job:\n${server.readLog().slice(-2_000)}`)
    await delay(50)
  }
  const jobs = keepsJobs ? await watchJobs(data) : undefined
  return {
    takeTurn: (seconds) => takeTurn(name, server, { ...load, seconds }, jobs),
    async stop() {
      await jobs?.close()
      await server.stop()
    },
  }
}

interface WatchedJobs {
  /** Resolves once no job waits or runs. */
  readonly ended: () => Promise<void>
  readonly close: () => Promise<void>
}

/** Looks into the folder of a running server, as the command line does. */
async function watchJobs(data: string): Promise<WatchedJobs> {
  const ward = await openModelward({
    data,
    jobs: { models: new Map(), concurrency: 0 },
    // That the server is the one that keeps the limits.
    onEvent: () => {},
  })
  return {
    async ended() {
      for (;;) {
        const counts = await ward.jobs?.counts()
        if (counts === undefined || counts.queued + counts.running === 0) return
        await delay(lookMs)
      }
    },
    close: () => ward.close(),
  }
}

async function takeTurn(
  name: string,
  server: ServerProcess,
  load: LoadOptions,
  jobs: WatchedJobs | undefined,
): Promise<Turn> {
  const cpuBefore = server.cpuTime()
  const startedAt = performance.now()
  const { requests, microseconds, refused, broken, p50, p99 } = await putLoad(load)
  await jobs?.ended()
  const seconds = (performance.now() - startedAt) / 1_000
  if (refused + broken > 0 || requests === 0)
    throw new Error(`${name}: ${refused} requests were refused, ${broken} broken, ${requests} answered`)
  return {
    acceptedPerSecond: (requests / microseconds) * 1e6,
    completedPerSecond: jobs === undefined ? undefined : requests / seconds,
    cpuPerJob: (server.cpuTime() - cpuBefore) / requests,
    p50Ms: p50 / 1_000,
    p99Ms: p99 / 1_000,
  }
}

async function statusOf({ url, header, body, prefer }: Omit<LoadOptions, 'seconds'>): Promise<number> {
  const headers = {
    'content-type': 'application/json',
    [header.name]: header.value,
    ...(prefer !== undefined && { prefer }),
  }
  try {
    const answer = await fetch(url, { method: 'POST', headers, body })
    await answer.arrayBuffer()
    return answer.status
  } catch {
    return 0
  }
}
