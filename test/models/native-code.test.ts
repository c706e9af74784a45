import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readdirSync, readFileSync, readlinkSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { Fault } from '../../src/core/fault.ts'
import type { ServedModel } from '../../src/models/model.ts'
import { createModelRuntime, type ModelRuntime } from '../../src/models/model-runtime.ts'
import type { OperationalEvent } from '../../src/telemetry/telemetry.ts'
import { createModelFolder, installPeers } from './install-peers.ts'
import { denseBytes, denseModule } from './slow-network.ts'

/** Rows that take about a second, which is longer than a deadline and its grace. */
const long = 60_000
const short = 1

const folder = createModelFolder()
beforeAll(async () => {
  await installPeers()
  folder.write('dense.onnx', denseBytes())
})
afterAll(() => folder.remove())

async function codeOf(answer: unknown): Promise<unknown> {
  return Promise.resolve(answer).then(
    () => 'answered',
    (error) => (error instanceof Fault ? error.code : error),
  )
}

function only(runtime: ModelRuntime): ServedModel {
  const [model] = runtime.models.values()
  if (model === undefined) throw new Error('there is no model')
  return model
}

const program = fileURLToPath(new URL('./processes/dense-runtime.ts', import.meta.url))

describe('native code that runs beyond its time', () => {
  test('in a process, the default, is ended with it; the next call is answered', async () => {
    const events: OperationalEvent[] = []
    const file = folder.write('process.ts', denseModule('dense', ''))
    const runtime = await createModelRuntime({ models: [file], onEvent: (event) => events.push(event) })
    const model = only(runtime)
    expect(model.runs).toBe('process')
    expect(await codeOf(model.predict([long], { deadlineMs: 100 }))).toBe('model_timeout')
    expect(await model.predict([short], { deadlineMs: 50_000 })).toEqual([short])
    expect(events.map(({ name }) => name).toSorted()).toEqual(['model.process_lost', 'model.timed_out'])
    await runtime.close()
  })

  test('in a thread is never ended: its caller is answered in time, the next waits until it returns', async () => {
    const events: OperationalEvent[] = []
    const file = folder.write('thread.ts', denseModule('dense', "runs: 'threaded',"))
    const stuck = Promise.withResolvers<boolean | undefined>()
    const onEvent = (event: OperationalEvent): void => {
      events.push(event)
      if (event.name === 'model.call_stuck') stuck.resolve(model.isOut?.())
    }
    const runtime = await createModelRuntime({ models: [file], onEvent })
    const model = only(runtime)
    expect(await codeOf(model.predict([long], { deadlineMs: 100 }))).toBe('model_timeout')
    expect(await stuck.promise).toBe(true)
    expect(await model.predict([short], { deadlineMs: 50_000 })).toEqual([short])
    expect(model.isOut?.()).toBe(false)
    expect(events.map(({ name }) => name).toSorted()).toEqual(['model.call_stuck', 'model.timed_out'])
    // Closing waits for it, and ends the thread afterwards.
    const last = codeOf(model.predict([long], { deadlineMs: 50_000 }))
    await runtime.close()
    expect(await last).toBe('overloaded')
  })

  test('in a thread does not abort a process that ends meanwhile', async () => {
    const file = folder.write('left.ts', denseModule('dense', "runs: 'threaded',"))
    const child = startRuntime(file)
    const closed = once(child, 'close')
    expect(await firstError(child)).toBe('begun')
    const errors: string[] = []
    child.stderr?.on('data', (text) => errors.push(String(text)))
    child.stdin?.write('end\n')
    expect([await closed, errors]).toEqual([[null, 'SIGKILL'], []])
  })

  test('in a thread does not keep a closed process alive', async () => {
    folder.write('dense.onnx', denseBytes(64))
    onTestFinished(() => void folder.write('dense.onnx', denseBytes()))
    const file = folder.write('closed.ts', denseModule('dense', "runs: 'threaded',"))
    // A quarter of a minute: closing waits 5 s.
    const child = startRuntime(file, 2 * long)
    const exited = once(child, 'exit')
    expect(await firstError(child)).toBe('begun')
    child.stdin?.write('close\n')
    expect(await exited).toEqual([null, 'SIGKILL'])
  })
})

describe.skipIf(!existsSync('/proc/self/fd'))('the process of a model', () => {
  test('has no file and no socket of the server, and ends with it, while native code runs too', async ({
    signal,
  }) => {
    const file = folder.write('orphan.ts', denseModule('dense', ''))
    const parent = startRuntime(file)
    const exited = once(parent, 'exit')
    expect(await firstError(parent)).toBe('begun')
    const [child = 0] = childrenOf(parent.pid)
    onTestFinished(() => {
      if (isAlive(child)) process.kill(child, 'SIGKILL')
    })
    const links = readdirSync(`/proc/${child}/fd`).map((fd) => linkOf(`/proc/${child}/fd/${fd}`))
    expect(links).not.toContain(file)
    // Standard error, the channel for tasks and that for aborts.
    expect(new Set(links.filter((link) => link.startsWith('socket:'))).size).toBe(3)
    parent.kill('SIGKILL')
    await exited
    while (isAlive(child)) {
      signal.throwIfAborted()
      await new Promise((resolve) => setImmediate(resolve))
    }
  })
})

const noFiles = fileURLToPath(new URL('./processes/no-files.ts', import.meta.url))

test.skipIf(process.platform === 'win32')(
  'a process that ends while no file can be opened is replaced once one can',
  async () => {
    const child = spawn('sh', ['-c', `ulimit -n 128; exec '${process.execPath}' '${noFiles}'`], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    const closed = once(child, 'close')
    let said = ''
    child.stdout.on('data', (text) => {
      said += String(text)
    })
    expect(await closed).toEqual([0, null])
    expect(said).toBe('model_failed answered\n')
  },
)

/** A process that ends with the test, however that ends. */
function startRuntime(file: string, rows = long): ChildProcess {
  const child = spawn(process.execPath, [program, file, String(rows)], {
    stdio: ['pipe', 'ignore', 'pipe'],
    env: { ...process.env, SAY_BEGUN: '1' },
  })
  onTestFinished(() => void child.kill('SIGKILL'))
  return child
}

async function firstError({ stderr }: ChildProcess): Promise<string> {
  if (stderr === null) throw new Error('expected a standard error')
  const [text] = await once(stderr, 'data')
  return String(text)
}

function childrenOf(pid: number | undefined): readonly number[] {
  const processes = readdirSync('/proc').filter((name) => /^\d+$/.test(name))
  return processes.filter((each) => statOf(each)?.[1] === String(pid)).map(Number)
}

/** Not a zombie that its new parent has not looked at. */
function isAlive(pid: number): boolean {
  return !['Z', undefined].includes(statOf(String(pid))?.[0])
}

/** State and parent of a process (proc_pid_stat(5)). */
function statOf(pid: string): readonly string[] | undefined {
  try {
    return readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ').at(-1)?.split(' ')
  } catch {
    return undefined
  }
}

function linkOf(path: string): string {
  try {
    return readlinkSync(path)
  } catch {
    return ''
  }
}
