import { withoutMessage } from '../models/without-message.ts'
import type { RunningServer } from '../server/server-options.ts'
import type { Telemetry } from '../telemetry/telemetry.ts'
import { exitCodes } from './exit-code.ts'
import { watchRunner } from './parent.ts'
import { tell } from './terminal/output.ts'

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

/** How long closing may take beyond the grace of what is under way. */
const closeGraceMs = 10_000

/**
 * Starts a server, and closes it at the first signal, once the requests under way are answered; the
 * second ends the process at once. Listens before anything is opened: the first process of a
 * container gets no signal that it does not listen to.
 *
 * What nothing caught, such as a rejection in an inline model, closes the server too, and so does a
 * call of `process.exit`: jobs are handed back, and the process ends with 1.
 *
 * @returns what to exit with
 */
export async function runServer(options: RunServerOptions): Promise<number> {
  const exit = process.exit.bind(process)
  const ended = watchForEnd(options.telemetry, exit)
  const starting = options.start()
  const started = await Promise.race([starting, ended])
  if (isEnd(started)) {
    const closed = starting.then((server) => server.close())
    await Promise.race([closed.catch(() => {}), pause(startGraceMs)])
    return exit(typeof started === 'object' ? 128 + signals[started.signal] : failedCode)
  }
  await options.onStart(started)
  const end = await ended
  const closed = started.close()
  if (end === 'failed') {
    await Promise.race([closed.catch(() => {}), pause(options.graceMs + closeGraceMs)])
    return exit(failedCode)
  }
  await closed
  // A thread that waits for the disk cannot be ended, and Node waits for its threads: only the
  // signal itself still ends this process.
  if (started.isStalled()) endBySignal(typeof end === 'object' ? end.signal : 'SIGTERM')
  return exitCodes.ok
}

function watchForEnd(telemetry: Telemetry, exit: (code: number) => never): Promise<End> {
  const { promise, resolve } = Promise.withResolvers<End>()
  let isEnding = false
  const end = (how: End): boolean => {
    if (isEnding) return false
    isEnding = true
    resolve(how)
    return true
  }
  const fail = (cause: unknown): void => {
    if (end('failed')) telemetry.event('server.failed', {}, cause)
  }
  for (const [signal, number] of Object.entries(signals))
    process.on(signal, () => {
      if (!end({ signal: signal as Signal })) exit(128 + number)
      else if (process.stderr.isTTY) tell('Closing; once more ends it at once.')
    })
  process.on('uncaughtException', (thrown) => fail(withoutMessage(thrown)))
  process.exit = (code) => {
    const cause = new Error(`process.exit(${code ?? ''}) was called, by a model or a package that it uses`)
    fail(cause)
    throw cause
  }
  watchRunner(() => {
    if (end('runner gone')) telemetry.event('server.runner_gone', {})
  })
  return promise
}

function isEnd(value: RunningServer | End): value is End {
  return typeof value === 'string' || 'signal' in value
}

/** Keeps the process alive meanwhile: a closing server may wait for nothing else. */
function pause(ms: number): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, ms)
  })
}

function endBySignal(signal: NodeJS.Signals): void {
  process.removeAllListeners(signal)
  process.kill(process.pid, signal)
}
