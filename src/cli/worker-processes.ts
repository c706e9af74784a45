import cluster, { type Worker } from 'node:cluster'
import { once } from 'node:events'
import type { FirstKeysReport } from '../server/first-keys.ts'
import type { UpstreamsAtStart } from '../server/gateway/view-start.ts'
import type { Telemetry } from '../telemetry/telemetry.ts'
import { exitCodes } from './exit-code.ts'
import { tellWorker } from './tell-worker.ts'
import { createFirstProcessMetrics } from './worker-metrics.ts'

/** What a worker tells once it listens. */
export interface WorkerStart {
  readonly address: string
  readonly firstKeys: FirstKeysReport | undefined
  readonly upstreams?: UpstreamsAtStart | undefined
}

export interface RunWorkersOptions {
  readonly count: number
  /** Called once all of them listen. */
  readonly onStart: (start: WorkerStart) => Promise<void>
  readonly telemetry: Telemetry
}

/** What the first process tells a worker to do: as SIGTERM, and no terminal sends it too. */
const closeMessage = 'close'
/** What it tells once it has said where all of them listen: standard output is the worker's too. */
const announcedMessage = 'announced'

/** Milliseconds before a worker that ended takes its place again, doubled each time. */
const pauseMs = 1_000
const pauseMsMax = 30_000

/** Whether this process is one of several that another has started. */
export function isWorkerProcess(): boolean {
  return cluster.isWorker
}

/** Tells the first process that this worker listens; resolves once all do, and it has said so. */
export function tellStart(start: WorkerStart): Promise<void> {
  return new Promise((resolve) => {
    process.on('message', (message) => {
      if (message === announcedMessage) resolve()
    })
    process.send?.(start)
  })
}

/**
 * Calls one of these when the first process asks this worker to close, or is gone. Node would end
 * the worker at once then, in the middle of its requests.
 */
export function watchFirstProcess(onClose: () => void, onGone: () => void): void {
  const { worker } = cluster
  if (worker === undefined) return
  worker.exitedAfterDisconnect = true
  process.on('message', (message) => {
    if (message === closeMessage) onClose()
  })
  process.on('disconnect', onGone)
}

/** Lets go of the first process: that it may say something keeps a closed worker alive. */
export function leaveFirstProcess(): void {
  if (cluster.isWorker && process.connected) process.disconnect()
}

/**
 * Runs the same command in several processes that share its port, each a node of the fleet. The
 * first starts alone: what keeps it from starting is told once. A worker that ends is replaced.
 * Closes all at the first signal; the second ends them at once.
 *
 * @returns what to exit with: that of a first worker that did not start; 1 where one failed to
 *   close
 */
export async function runWorkers({ count, onStart, telemetry }: RunWorkersOptions): Promise<number> {
  // Each accepts for itself: what Node hands to a worker that has just been killed hangs for ever.
  cluster.schedulingPolicy = cluster.SCHED_NONE
  const running = new Set<Worker>()
  const metrics = createFirstProcessMetrics()
  const closing = new AbortController()
  let exitCode: number = exitCodes.ok
  let isAnnounced = false
  const begin = (): Worker => {
    const worker = cluster.fork()
    running.add(worker)
    metrics.follow(worker)
    worker.once('message', () => isAnnounced && tellWorker(worker, announcedMessage))
    worker.once('exit', (code) => {
      running.delete(worker)
      if (closing.signal.aborted && code !== exitCodes.ok) exitCode = exitCodes.refused
    })
    return worker
  }
  const ended = closeAtSignal(closing, running)
  const first = begin()
  const started = await startOf(first)
  if (typeof started === 'number') return closing.signal.aborted ? exitCode : started
  const replacing = (worker: Worker): void =>
    replaceWhenGone(worker, { begin, telemetry, isClosing: () => closing.signal.aborted })
  replacing(first)
  const others = Array.from({ length: count - 1 }, begin)
  for (const worker of others) replacing(worker)
  await Promise.all(others.map(startOf))
  if (!closing.signal.aborted) await onStart(started)
  isAnnounced = true
  for (const worker of running) tellWorker(worker, announcedMessage)
  await ended
  while (running.size > 0) await Promise.all([...running].map((worker) => once(worker, 'exit')))
  return exitCode
}

/** What a worker tells when it listens; its exit code where it ends before. */
async function startOf(worker: Worker): Promise<WorkerStart | number> {
  return new Promise((resolve) => {
    worker.once('message', resolve)
    worker.once('exit', (code) => resolve(code ?? exitCodes.internal))
  })
}

interface Replacing {
  readonly begin: () => Worker
  readonly telemetry: Telemetry
  readonly isClosing: () => boolean
}

function replaceWhenGone(worker: Worker, how: Replacing, pause: number = pauseMs): void {
  const startedAt = performance.now()
  worker.once('exit', (code, signal) => {
    if (how.isClosing()) return
    how.telemetry.event('server.worker_lost', { ended_by: signal ?? `exit code ${code}` })
    // One that ran for a while starts over without the pauses of those before it.
    const next = performance.now() - startedAt > pauseMsMax ? pauseMs : pause
    setTimeout(() => {
      if (!how.isClosing()) replaceWhenGone(how.begin(), how, Math.min(2 * next, pauseMsMax))
    }, next).unref()
  })
}

function closeAtSignal(closing: AbortController, running: ReadonlySet<Worker>): Promise<void> {
  return new Promise((resolve) => {
    for (const signal of ['SIGINT', 'SIGTERM'] as const)
      process.on(signal, () => {
        const isSecond = closing.signal.aborted
        closing.abort()
        for (const worker of running) {
          if (isSecond) worker.process.kill('SIGKILL')
          else tellWorker(worker, closeMessage)
        }
        resolve()
      })
  })
}
