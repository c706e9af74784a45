import { execFileSync, spawnSync } from 'node:child_process'
import { createConnection } from 'node:net'
import { dirname, join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import type { Bench } from '../bench.ts'
import { createTemporaryFolder } from '../leftovers.ts'
import { repositoryFolder } from '../repository-folder.ts'
import { findFreePort, startServerProcess } from '../server-process.ts'
import { formatSpread, type Spread, spreadOf } from '../statistics.ts'

const answerMsMax = 30_000
const targetMs = 1_000

/**
 * How long `npm start` takes from the command to the first answer, on a clone that is installed.
 */
export const benchStart: Bench = async ({ rounds = 9 }, tell) => {
  const folder = createTemporaryFolder()
  try {
    const clone = join(folder.path, 'clone')
    execFileSync('git', ['clone', '--quiet', repositoryFolder, clone])
    tell('installing the clone')
    execFileSync('npm', ['run', '--silent', 'modelward', '--', '--help'], {
      cwd: clone,
      stdio: ['ignore', 2, 2],
    })
    const samples = new Map<string, number[]>()
    for (let round = 1; round <= rounds; round += 1) {
      const times = await measureRound(clone, join(folder.path, `data-${round}`))
      for (const [name, ms] of Object.entries(times)) samples.set(name, [...(samples.get(name) ?? []), ms])
      tell(`round ${round} of ${rounds}: ${times['npm start, data folder there']?.toFixed(0)} ms`)
    }
    return report(samples)
  } finally {
    folder.remove()
  }
}

async function measureRound(clone: string, data: string): Promise<Readonly<Record<string, number>>> {
  const node = join(clone, 'node_modules/.bin/node')
  const serve = ['serve', '--data', data]
  const npmStart = ['npm', 'start', '--', ...serve.slice(1)] as const
  return {
    'npm start, empty data folder': await timeServer(npmStart, clone),
    'npm start, data folder there': await timeServer(npmStart, clone),
    'without npm: `node src/cli/main.ts serve`': await timeServer([node, 'src/cli/main.ts', ...serve], clone),
    'prestart: `node scripts/setup.mjs`': timeCommand(node, ['scripts/setup.mjs'], clone),
    'Node itself: `node -e 0`': timeCommand(node, ['-e', '0'], clone),
    'Node and all imports of the server': timeCommand(
      node,
      ['--input-type=module', '-e', 'await import("./src/server/start-server.ts")'],
      clone,
    ),
  }
}

/** Milliseconds from the start of the command to the first byte of an answer. */
async function timeServer(command: readonly [string, ...string[]], cwd: string): Promise<number> {
  const port = await findFreePort()
  const startedAt = performance.now()
  const server = startServerProcess({
    command: [...command, '--port', `${port}`],
    core: undefined,
    cwd,
    logFile: join(dirname(cwd), 'start.log'),
  })
  try {
    while (!(await isAnswering(port))) {
      if (!server.isRunning() || performance.now() - startedAt > answerMsMax)
        throw new Error(`the server did not start:\n${server.readLog().slice(-2_000)}`)
      await delay(2)
    }
    return performance.now() - startedAt
  } finally {
    await server.stop()
  }
}

/**
 * Whether `GET /health` is answered with 200; a connection that is refused is an answer too, and
 * says no.
 */
function isAnswering(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = createConnection({ host: '127.0.0.1', port })
    socket.once('connect', () =>
      socket.write('GET /health HTTP/1.1\r\nhost: bench\r\nconnection: close\r\n\r\n'),
    )
    socket.once('data', (answer) => {
      socket.destroy()
      resolve(answer.toString('latin1').startsWith('HTTP/1.1 200'))
    })
    socket.once('error', () => resolve(false))
    socket.once('close', () => resolve(false))
  })
}

function timeCommand(program: string, args: readonly string[], cwd: string): number {
  // The cache of compiled code that `src/cli/main.ts` turns on for itself: without it, imports take
  // longer than they do there.
  const env = { ...process.env, NODE_COMPILE_CACHE: join(cwd, 'node_modules/.cache/modelward') }
  const startedAt = performance.now()
  const { status, stderr } = spawnSync(program, args, { cwd, env, encoding: 'utf8' })
  if (status !== 0) throw new Error(`${program} ${args.join(' ')} failed:\n${stderr}`)
  return performance.now() - startedAt
}

function report(samples: ReadonlyMap<string, readonly number[]>): Awaited<ReturnType<Bench>> {
  const spread = (name: string): Spread => spreadOf(samples.get(name) ?? [])
  const start = spread('npm start, data folder there')
  return {
    name: 'start',
    tables: [
      {
        title: 'From the command to the first answer of `GET /health`',
        columns: ['', 'ms'],
        rows: [...samples.keys()].map((name) => [name, formatSpread(spread(name), 0)]),
      },
    ],
    targets: [
      {
        name: 'npm start to the first answer',
        wanted: `≤ ${targetMs} ms`,
        measured: `${formatSpread(start, 0)} ms`,
        isMet: start.median <= targetMs,
      },
    ],
    notes: [
      'A clone of the last commit, installed; median (least–most). The port is tried every 2 ms.',
      'npm’s own share is the second row less the third and the fourth.',
    ],
    samples: Object.fromEntries(samples),
  }
}
