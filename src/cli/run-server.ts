import { withoutMessage } from '../models/without-message.ts'
import type { RunningServer } from '../server/server-options.ts'
import type { Telemetry } from '../telemetry/telemetry.ts'
import { exitCodes } from './exit-code.ts'
import { watchRunner } from './parent.ts'
import { tell } from './terminal/output.ts'
import { isWorkerProcess, watchFirstProcess } from './worker-processes.ts'

export interface RunServerOptions {
  readonly start: () => Promise<RunningServer>
  /** Called when the server listens. */
  readonly onStart: (server: RunningServer) => Promise<void>
  readonly telemetry: Telemetry
  /** How long the server serves on, and requests and jobs under way have, in milliseconds. */
  readonly graceMs: number
}

const signals = { SIGINT: 2, SIGTERM: 15 } as const
type Signal = keyof typeof signals

/** Why a server ends. */
type End = { readonly signal: Signal } | 'runner gone' | 'failed'

/** After what nothing caught. */
const failedCode = 1

/** How long a start that has been cut off may take to come to a place where it can be closed. */
const startGraceMs = 2_000

/** How long what an inline model has left running may keep a process whose server is closed. */
const leftRunningMs = 2_000

/** How long closing may take beyond the grace of what is under way. */
const closeGraceMs = 20_000

/**
 * Starts a server, and closes it at the first signal, once the requests under way are answered; the
 * second ends the process at once. Listens before anything is opened: the first process of a
 * container gets no signal that it does not listen to.
 *
 * What nothing caught, such as a rejection in an inline model, closes the server too, and so does a
 * call of `process.exit`: jobs are handed back, and the process ends with 1, also where the server
 * was closing already.
 *
 * The package close-with-grace promises less: it exits with 1 at the second signal, in place of
 * 128 and its number, tells errors with their messages, which may hold inputs, has no end for a
 * process whose thread waits for a disk, and does not see `process.exit` nor that a runner is gone.
 *
 * @returns what to exit with
 */
export async function runServer(options: RunServerOptions): Promise<number> {
  const exit = process.exit.bind(process)
  const watch = watchForEnd(options.telemetry, exit)
  const closeMs = options.graceMs + closeGraceMs
  const starting = options.start()
  const started = await Promise.race([starting, watch.ended]).catch((error: unknown) => {
    watch.stop()
    // Once the error is told: what an inline model has left running would keep the process.
    setTimeout(() => exit(), startGraceMs).unref()
    throw error
  })
  if (isEnd(started)) {
    const server = await within(startGraceMs, starting.catch(noop))
    await within(closeMs, server?.close({ drain: false }).catch(noop))
    return exit(
      typeof started === 'object' && !watch.hasFailed() ? 128 + signals[started.signal] : failedCode,
    )
  }
  const told = options.onStart(started)
  // What it says may take a while, and a signal ends it all the same.
  const end = await Promise.race([told.then(() => watch.ended), watch.ended]).catch(async (error) => {
    // What started it would wait for ever for what could not be said.
    await within(closeMs, started.close().catch(noop))
    watch.stop()
    setTimeout(() => exit(), leftRunningMs).unref()
    throw error
  })
  const closed = started.close().then(() => true)
  const isClosed = await within(closeMs, end === 'failed' ? closed.catch(noop) : closed)
  // A thread that waits for the disk cannot be ended, and Node waits for its threads: only the
  // signal itself still ends this process.
  if (started.isStalled()) endBySignal(typeof end === 'object' ? end.signal : 'SIGTERM')
  if (!isClosed || watch.hasFailed()) return exit(failedCode)
  setTimeout(() => exit(), leftRunningMs).unref()
  return exitCodes.ok
}

interface EndWatch {
  readonly ended: Promise<End>
  /** Whether anything was not caught, before the end or after it. */
  readonly hasFailed: () => boolean
  /** Leaves signals, errors and `process.exit` to Node again. */
  readonly stop: () => void
}

function watchForEnd(telemetry: Telemetry, exit: typeof process.exit): EndWatch {
  const { promise, resolve } = Promise.withResolvers<End>()
  let isEnding = false
  let hasFailed = false
  const end = (how: End): boolean => {
    if (isEnding) return false
    isEnding = true
    resolve(how)
    return true
  }
  const fail = (cause: unknown): void => {
    // One line: a server may serve on for a while, and each request could bring another.
    if (!hasFailed) telemetry.event('server.failed', {}, cause)
    hasFailed = true
    process.exitCode = failedCode
    end('failed')
  }
  const failUncaught = (thrown: unknown): void => fail(withoutMessage(thrown))
  const listeners = Object.entries(signals).map(([signal, number]) => {
    const onSignal = (): void => {
      // A terminal sends it to all of its processes: the first of them tells its workers.
      if (signal === 'SIGINT' && isWorkerProcess()) return
      if (!end({ signal: signal as Signal })) exit(128 + number)
      else if (process.stderr.isTTY) tell('Closing; once more ends it at once.')
    }
    process.on(signal, onSignal)
    return [signal, onSignal] as const
  })
  process.on('uncaughtException', failUncaught)
  process.exit = (code) => {
    const cause = new Error(`process.exit(${code ?? ''}) was called, by a model or a package that it uses`)
    fail(cause)
    throw cause
  }
  const endAfterRunner = (): void => {
    if (end('runner gone')) telemetry.event('server.runner_gone', {})
  }
  if (isWorkerProcess()) watchFirstProcess(() => end({ signal: 'SIGTERM' }), endAfterRunner)
  else watchRunner(endAfterRunner)
  return {
    ended: promise,
    hasFailed: () => hasFailed,
    stop() {
      isEnding = true
      for (const [signal, onSignal] of listeners) process.off(signal, onSignal)
      process.off('uncaughtException', failUncaught)
      process.exit = exit
    },
  }
}

function isEnd(value: RunningServer | End): value is End {
  return typeof value === 'string' || 'signal' in value
}

function noop(): undefined {}

/** Undefined where the work takes longer. Keeps the process alive meanwhile. */
async function within<Result>(ms: number, work: Promise<Result> | undefined): Promise<Result | undefined> {
  const late = Promise.withResolvers<undefined>()
  const timer = setTimeout(late.resolve, ms, undefined)
  try {
    return await Promise.race([work, late.promise])
  } finally {
    clearTimeout(timer)
  }
}

function endBySignal(signal: NodeJS.Signals): void {
  process.removeAllListeners(signal)
  process.kill(process.pid, signal)
}
