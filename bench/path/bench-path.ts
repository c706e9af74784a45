import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import type { Profiler } from 'node:inspector'
import { tmpdir } from 'node:os'
import { join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Bench, BenchResult } from '../bench.ts'
import { undoAtExit } from '../leftovers.ts'
import { findFreePort } from '../server-process.ts'

const functionsMax = 140
const filesMax = 30
const warmUps = 20

/** A function of ours that one request ran through. */
interface RunFunction {
  readonly file: string
  readonly name: string
  readonly offset: number
}

/**
 * How many functions of ours, in how many files, one prediction runs through on the server's main
 * thread, its key in memory and its record on: V8's precise coverage, functions of each of several
 * requests, so that no timer counts.
 */
export const benchPath: Bench = async ({ rounds = 5 }, tell) => {
  const folder = mkdtempSync(join(tmpdir(), 'modelward-path-'))
  try {
    tell('starting the server')
    const server = await startMeasuredServer(folder)
    try {
      for (let call = 0; call < warmUps; call += 1) await server.predict()
      const runs: (readonly RunFunction[])[] = []
      for (let round = 0; round < rounds; round += 1) {
        await server.takeFunctions()
        await server.predict()
        runs.push(await server.takeFunctions())
      }
      return report(inAll(runs))
    } finally {
      await server.stop()
    }
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

interface MeasuredServer {
  readonly predict: () => Promise<void>
  readonly takeFunctions: () => Promise<readonly RunFunction[]>
  readonly stop: () => Promise<void>
}

async function startMeasuredServer(folder: string): Promise<MeasuredServer> {
  const port = await findFreePort()
  const hook = new URL('report-coverage.ts', import.meta.url).href
  const command = ['--import', hook, 'src/cli/main.ts', 'serve', '--data', folder, '--port', String(port)]
  const child = spawn(process.execPath, command, { stdio: ['ignore', 'pipe', 'inherit', 'ipc'] })
  if (child.stdout === null) throw new Error('the server has no standard output')
  const kill = undoAtExit(() => child.kill('SIGKILL'))
  const origin = `http://127.0.0.1:${port}`
  await waitUntilListening(child.stdout)
  const { demo } = JSON.parse(readFileSync(join(folder, 'first-keys.json'), 'utf8')) as {
    readonly demo: string
  }
  return {
    async predict() {
      const response = await fetch(`${origin}/predict`, {
        method: 'POST',
        headers: { 'x-api-key': demo, 'content-type': 'application/json' },
        body: '{"text":"a lovely day"}',
      })
      await response.arrayBuffer()
      if (response.status !== 200) throw new Error(`POST /predict: expected 200, got ${response.status}`)
    },
    async takeFunctions() {
      child.send('take')
      const [scripts] = (await once(child, 'message')) as [readonly Profiler.ScriptCoverage[]]
      return scripts.flatMap(functionsOf)
    },
    async stop() {
      const ended = once(child, 'exit')
      child.kill('SIGTERM')
      await ended
      kill()
    },
  }
}

async function waitUntilListening(output: NodeJS.ReadableStream | null): Promise<void> {
  let said = ''
  for await (const chunk of output ?? []) {
    said += String(chunk)
    if (said.includes('http://127.0.0.1')) break
  }
  output?.resume()
}

const root = fileURLToPath(new URL('../../', import.meta.url))

function functionsOf({ url, functions }: Profiler.ScriptCoverage): readonly RunFunction[] {
  if (!url.startsWith('file:')) return []
  const file = relative(root, fileURLToPath(url))
  if (!file.startsWith('src/')) return []
  return functions
    .filter(({ ranges }) => (ranges[0]?.count ?? 0) > 0)
    .map(({ functionName, ranges }) => ({ file, name: functionName, offset: ranges[0]?.startOffset ?? 0 }))
}

/** The functions that every run has. */
function inAll(runs: readonly (readonly RunFunction[])[]): readonly RunFunction[] {
  const keyOf = ({ file, name, offset }: RunFunction) => `${file} ${name} ${offset}`
  const others = runs.slice(1).map((run) => new Set(run.map(keyOf)))
  return (runs[0] ?? []).filter((each) => others.every((run) => run.has(keyOf(each))))
}

function report(functions: readonly RunFunction[]): BenchResult {
  const files = Map.groupBy(functions, ({ file }) => file)
  const folders = Map.groupBy(functions, ({ file }) => file.split('/').slice(1, 2).join('/'))
  const rows = [...folders].map(([folder, ran]) => [
    folder,
    String(ran.length),
    String(new Set(ran.map(({ file }) => file)).size),
  ])
  const unnamed = functions.filter(({ name }) => name === '')
  return {
    name: 'path',
    tables: [{ title: 'One cached prediction', columns: ['folder', 'functions', 'files'], rows }],
    targets: [
      {
        name: 'functions on the main thread',
        wanted: `at most ${functionsMax}`,
        measured: String(functions.length),
        isMet: functions.length <= functionsMax,
      },
      {
        name: 'files',
        wanted: `at most ${filesMax}`,
        measured: String(files.size),
        isMet: files.size <= filesMax,
      },
      {
        name: 'functions without a name in a stack trace',
        wanted: 'none',
        measured: String(unnamed.length),
        isMet: unnamed.length === 0,
      },
    ],
    notes: ['By V8’s precise coverage: each function of `src` counts once, however often it ran.'],
    samples: {
      files: Object.fromEntries([...files].map(([file, ran]) => [file, ran.map(({ name }) => name)])),
    },
  }
}
