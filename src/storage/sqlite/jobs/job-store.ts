import { Worker } from 'node:worker_threads'
import { Fault } from '../../../core/fault.ts'
import { processScheduler, type Scheduler } from '../../../core/scheduler.ts'
import type { JobChange, JobProgress, JobSubmission } from '../../../jobs/job-queue.ts'
import { createJobWatch } from '../../../jobs/job-watch.ts'
import type { Telemetry } from '../../../telemetry/telemetry.ts'
import { type CallQueue, createCallQueue } from '../../group-commit/call-queue.ts'
import type { JobStore } from '../../job-store.ts'
import {
  createRestartingThread,
  faultOf,
  type RestartingThread,
  type ThreadStart,
} from '../threads/restarting-thread.ts'
import { createCommitPoll } from './commit-poll.ts'
import {
  forwardCalls,
  type JobCall,
  type JobThreadCalls,
  type JobThreadData,
  type JobWrites,
} from './job-calls.ts'
import { repeatGivingBack } from './repeat-giving-back.ts'

export interface SqliteJobStoreOptions {
  /**
   * The database file; created with mode 0600 if missing. Its folder must exist, on a local disk.
   */
  readonly file: string
  /**
   * Whether to look, before it is used, whether each row can be found: a few µs for each.
   * @default true
   */
  readonly isChecked?: boolean
  /** Background faults: a thread that died and was started again. */
  readonly telemetry?: Telemetry | undefined
  /** @default the process's own timers */
  readonly scheduler?: Scheduler
}

const store = 'jobs'
const faultCode = 'store_unavailable'
/** A call that the disk has not answered by then is given up, with all that waits behind it. */
const stallMs = 10_000
/** Weight of a commit, so that no call waits long for others: jobs, or KiB of their texts. */
const groupMax = 2_048
/** Weight of all that waits for a commit; 64 MiB of texts. */
const waitingMax = 65_536

/**
 * Opens jobs in an SQLite file, which several processes may use at once. A change resolves once it
 * is on the disk; changes that arrive meanwhile share the next commit. One thread writes and one
 * reads, so that neither blocks this one, and reads wait for no commit. After a fault each call
 * tries again.
 *
 * @throws SetupError `data_missing`, `data_corrupt`, `data_newer`, `data_locked`,
 *   `data_unwritable`, `data_unreadable`
 */
export async function openSqliteJobStore(options: SqliteJobStoreOptions): Promise<JobStore> {
  const { file, isChecked = true, telemetry, scheduler = processScheduler } = options
  const writer = createJobThread({ role: 'writer', file, isChecked }, telemetry)
  const reader = createJobThread({ role: 'reader', file, isChecked: false }, telemetry)
  await writer.open(undefined)
  const watching = createJobWatch()
  const others = createCommitPoll({
    readVersion: () => writer.ask('readDataVersion', undefined),
    onCommit: () => watching.notify({ jobs: [], isDue: true }),
    scheduler,
  })
  const givingBack = repeatGivingBack(() => writer.ask('giveBack', undefined), scheduler)
  const queue = createCommitQueue(writer, watching)
  let isOpen = true
  return {
    ...forwardCalls({
      async write(call) {
        if (!isOpen) throw new Fault(faultCode, `${store}: it is closed`)
        return queue.add(call)
      },
      read: (call) => reader.ask('read', call),
    }),
    watch(listener) {
      const stop = watching.watch(listener)
      others.start()
      givingBack.start()
      return () => {
        stop()
        if (watching.isWatched()) return
        others.stop()
        givingBack.stop()
      }
    },
    async close() {
      isOpen = false
      others.stop()
      givingBack.stop()
      await queue.settled()
      await Promise.all([writer, reader].map((thread) => thread.close(undefined).catch(() => undefined)))
    },
  }
}

function createJobThread(
  data: JobThreadData,
  telemetry: Telemetry | undefined,
): RestartingThread<JobThreadCalls> {
  const { role } = data
  const onRestart = (): void => telemetry?.event('jobs.thread_restarted', { thread: role })
  return createRestartingThread({ startWorker, data, store, role, faultCode, onRestart, stallMs })
}

function startWorker({ workerData, name, execArgv }: ThreadStart): Worker {
  return new Worker(new URL('./job-thread.ts', import.meta.url), { workerData, name, execArgv })
}

type CommitQueue = CallQueue<JobCall<keyof JobWrites>, unknown>

/** Group commit: calls that arrive during a commit share the next. */
function createCommitQueue(
  writer: RestartingThread<JobThreadCalls>,
  watching: { readonly isWatched: () => boolean; readonly notify: (change: JobChange) => void },
): CommitQueue {
  return createCallQueue({
    async send(calls) {
      const isWatched = watching.isWatched()
      const { outcomes, changes } = await writer.ask('commit', { calls, isWatched })
      for (const change of changes) watching.notify(change)
      return outcomes.map((outcome) =>
        'failure' in outcome ? { failure: faultOf(outcome.failure, store, faultCode) } : outcome,
      )
    },
    weigh: weighCall,
    groupMax,
    waitingMax,
    refuse: () => new Fault(faultCode, `${store}: too much is waiting to be written`),
  })
}

const unit = 1_024
/** A claim counts as this at most, though it rarely returns its maximum. */
const askedMax = 256

/** The weight of a call: a unit per changed item, and per 1,024 characters of its text. */
function weighCall({ name, values }: JobCall<keyof JobWrites>): number {
  const [first, second] = values
  switch (name) {
    case 'submit':
      return weighTexts((first as JobSubmission).jobs.map(({ inputs }) => inputs))
    case 'settle':
    case 'extend':
      return weighTexts(
        (first as readonly JobProgress[]).flatMap(({ answers = [] }) => [
          '',
          ...answers.map(({ text }) => text),
        ]),
      )
    case 'claim':
      return Math.min((first as { readonly max: number }).max, askedMax)
    case 'forgetExpired':
      return Math.min(second as number, askedMax)
    default:
      return 1
  }
}

function weighTexts(texts: readonly string[]): number {
  let weight = 0
  for (const text of texts) weight += 1 + Math.floor(text.length / unit)
  return weight
}
