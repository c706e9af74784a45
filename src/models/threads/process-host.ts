import { type ChildProcess, fork } from 'node:child_process'
import { existsSync } from 'node:fs'
import { basename } from 'node:path'
import type { Writable } from 'node:stream'
import { fileURLToPath } from 'node:url'
import { threadMissingOf } from '../../core/runtime/thread-missing.ts'
import { HostEnded, type HostOptions, type ModelHost } from './host.ts'
import { modelEnvironment } from './model-environment.ts'
import { PendingAnswers } from './pending-answers.ts'

/** The child's last word where an error that nothing caught ends it. */
export interface ProcessFailure {
  readonly failed: { readonly message: string; readonly stack: string | undefined }
}

/** How long an end may wait for what the child has said before it. */
const lastWordMs = 1_000

/**
 * Starts a process. It has this process's environment without our settings, and of its files only
 * standard error, on which its standard output goes too, and two channels: one for tasks, and one
 * that a thread of its own reads, for aborts. When that one ends, the process kills itself,
 * whatever it is doing: it never outlives this one.
 *
 * @throws SetupError `thread_missing`
 * @throws HostEnded where this process, or the machine, has too many files open
 */
export function startProcessHost({ heapMib }: HostOptions): ModelHost {
  const child = startChild(heapMib)
  const aborts = child.stdio[4] as Writable & { readonly unref: () => void }
  const ended = Promise.withResolvers<unknown>()
  let cause: unknown
  const pending = new PendingAnswers({
    // A failure to send is the child's end, which is heard of.
    send: (request) => child.send(request, () => {}),
    onAwaited(isAwaited) {
      const change = isAwaited ? 'ref' : 'unref'
      child[change]()
      child.channel?.[change]?.()
    },
  })

  function leave(): void {
    child.unref()
    child.channel?.unref?.()
  }

  function end(why: unknown): void {
    cause ??= why
    pending.end(cause)
    ended.resolve(cause)
  }

  leave()
  aborts.unref()
  // It says no more than that the child has ended.
  aborts.on('error', () => {})
  child.on('message', (message: unknown) => {
    const failure = failureOf(message)
    if (failure === undefined) pending.settle(message)
    else cause ??= Object.assign(new HostEnded(failure.message), { stack: failure.stack })
  })
  child.on('error', end)
  child.on('disconnect', () => child.kill('SIGKILL'))
  child.on('exit', (code, signal) => {
    const why = new HostEnded(`its process ended with ${signal ?? `exit code ${code}`}`)
    if (!child.connected) return end(why)
    const timer = setTimeout(end, lastWordMs, why)
    child.once('disconnect', () => {
      clearTimeout(timer)
      end(why)
    })
  })
  return {
    ask: (task) => pending.ask(task),
    abort: (batch) => void aborts.write(Uint8Array.of(batch)),
    kill(why) {
      cause ??= new HostEnded(why)
      child.kill('SIGKILL')
      return true
    },
    leave,
    refusedNativeCode: () => false,
    ended: ended.promise,
  }
}

/** Undefined for any other message: a package that the model imports may send what it likes. */
function failureOf(message: unknown): ProcessFailure['failed'] | undefined {
  const { failed } = (message ?? {}) as Partial<ProcessFailure>
  return typeof failed?.message === 'string' ? failed : undefined
}

/** What a bundler has done to the program; undefined if it is there. */
function lossOf(program: URL): string | undefined {
  const path = fileURLToPath(program)
  if (!existsSync(program)) return `there is no ${path}`
  // A bundler that takes it for a file of data copies it alone, under a name of its own.
  return /^model-process\.[jt]s$/.test(basename(path))
    ? undefined
    : `${path} is a copy without what it imports`
}

function startChild(heapMib: number | undefined): ChildProcess {
  const program = new URL('./model-process.ts', import.meta.url)
  const why = lossOf(program)
  if (why !== undefined)
    throw threadMissingOf(
      "models: a model's process",
      Object.assign(new Error(why), { code: 'MODULE_NOT_FOUND' }),
    )
  const child = fork(program, {
    serialization: 'advanced',
    stdio: ['ignore', 2, 2, 'ipc', 'pipe'],
    execArgv: heapMib === undefined ? [] : [`--max-old-space-size=${heapMib}`],
    env: modelEnvironment(),
  })
  // Without a file to open, `fork` returns half a child, and says why on the next tick.
  if ((child.stdio as ChildProcess['stdio'] | undefined)?.[4]) return child
  child.on('error', () => {})
  throw new HostEnded('its process could not be started: too many files are open')
}
