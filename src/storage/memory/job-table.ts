import { hasEnded, type JobRecord, type NewJob } from '../../jobs/job.ts'
import type { JobAddress } from '../../jobs/job-queue.ts'
import { type HeldJob, newHeldJob } from './held-job.ts'
import { createJobHeap } from './job-heap.ts'
import { createJobTurns } from './job-turns.ts'

/** The jobs, each where its state puts it: due, waiting for its time, or ended and waiting to be forgotten. */
export interface JobTable {
  readonly add: (job: NewJob) => HeldJob
  readonly has: (id: string) => boolean
  /** A job that has not expired by `now`. */
  readonly find: (address: JobAddress, now: number) => HeldJob | undefined
  /** The job whose attempt this names. */
  readonly findLeased: (id: string, lease: string) => HeldJob | undefined
  /** Of one owner, or all of them, in no order. */
  readonly list: (owner: string | undefined) => Iterable<HeldJob>
  /** Puts another record in the place of a job's, and the job where it stands then. */
  readonly change: (job: HeldJob, record: JobRecord, stand: JobStand) => void
  /** Makes a lease last until then; nobody sees that. */
  readonly hold: (job: HeldJob, until: number) => void
  /** Lets time pass: what it makes due can be taken. Gives running jobs whose lease has ended with their attempts used up: they must be parked. */
  readonly wake: (now: number) => HeldJob[]
  /** The next due job of one of these models. It must be changed, or it stands nowhere. */
  readonly take: (models: readonly string[]) => HeldJob | undefined
  /** Forgets the job that expired first, if one has. */
  readonly forgetOne: (now: number) => HeldJob | undefined
  /** Jobs that wait or run. */
  readonly countOpen: (owner?: string) => number
  readonly countRunning: () => number
}

/** When a job is due, and which attempt holds it. */
export type JobStand = Pick<HeldJob, 'dueAt' | 'lease'>

interface OwnerJobs {
  readonly jobs: Set<HeldJob>
  open: number
}

interface State {
  readonly jobs: Map<string, HeldJob>
  readonly owners: Map<string, OwnerJobs>
  readonly turns: ReturnType<typeof createJobTurns>
  /** Jobs that become due later. */
  readonly timed: ReturnType<typeof createJobHeap<HeldJob>>
  /** Jobs that have ended. */
  readonly expiring: ReturnType<typeof createJobHeap<HeldJob>>
  seq: number
  open: number
  running: number
}

export function createJobTable(): JobTable {
  const state: State = {
    jobs: new Map(),
    owners: new Map(),
    turns: createJobTurns(),
    timed: createJobHeap((one, other) => (one.dueAt ?? 0) < (other.dueAt ?? 0)),
    expiring: createJobHeap((one, other) => expiryOf(one) < expiryOf(other)),
    seq: 0,
    open: 0,
    running: 0,
  }
  return {
    add: (job) => add(state, job),
    has: (id) => state.jobs.has(id),
    find({ id, owner }, now) {
      const job = state.jobs.get(id)
      if (job === undefined || expiryOf(job) <= now) return undefined
      return owner === undefined || job.record.owner === owner ? job : undefined
    },
    findLeased(id, lease) {
      const job = state.jobs.get(id)
      return job?.lease === lease ? job : undefined
    },
    list: (owner) => (owner === undefined ? state.jobs.values() : (state.owners.get(owner)?.jobs ?? [])),
    change(job, record, stand) {
      takeOut(state, job)
      job.record = Object.freeze(record)
      Object.assign(job, stand)
      putIn(state, job)
    },
    hold(job, until) {
      takeOut(state, job)
      job.dueAt = until
      putIn(state, job)
    },
    wake: (now) => wake(state, now),
    take: (models) => state.turns.take(models),
    forgetOne: (now) => forgetOne(state, now),
    countOpen: (owner) => (owner === undefined ? state.open : (state.owners.get(owner)?.open ?? 0)),
    countRunning: () => state.running,
  }
}

function add(state: State, job: NewJob): HeldJob {
  state.seq += 1
  const held = newHeldJob(job, state.seq)
  state.jobs.set(job.id, held)
  const owner = state.owners.get(job.owner) ?? { jobs: new Set(), open: 0 }
  state.owners.set(job.owner, owner)
  owner.jobs.add(held)
  putIn(state, held)
  return held
}

function putIn(state: State, job: HeldJob): void {
  if (hasEnded(job.record.status)) {
    state.expiring.add(job)
    return
  }
  count(state, job, 1)
  if (job.dueAt === null) state.turns.add(job)
  else state.timed.add(job)
}

function takeOut(state: State, job: HeldJob): void {
  if (state.expiring.remove(job)) return
  count(state, job, -1)
  if (!state.timed.remove(job)) state.turns.remove(job)
}

function count(state: State, { record }: HeldJob, by: 1 | -1): void {
  state.open += by
  if (record.status === 'running') state.running += by
  const owner = state.owners.get(record.owner)
  if (owner !== undefined) owner.open += by
}

/** A lease that has ended stays with its job until somebody takes that. */
function wake(state: State, now: number): HeldJob[] {
  const lost: HeldJob[] = []
  for (;;) {
    const job = state.timed.first()
    if (job === undefined || (job.dueAt ?? 0) > now) break
    state.timed.remove(job)
    const { status, attempts, attemptsMax } = job.record
    if (status === 'running' && attempts >= attemptsMax) lost.push(job)
    else state.turns.add(job)
  }
  return lost
}

function forgetOne(state: State, now: number): HeldJob | undefined {
  const job = state.expiring.first()
  if (job === undefined || expiryOf(job) > now) return undefined
  state.expiring.remove(job)
  state.jobs.delete(job.record.id)
  const owner = state.owners.get(job.record.owner)
  owner?.jobs.delete(job)
  if (owner?.jobs.size === 0) {
    state.owners.delete(job.record.owner)
    state.turns.forget(job.record.owner)
  }
  return job
}

function expiryOf({ record }: HeldJob): number {
  return record.expiresAt ?? Number.POSITIVE_INFINITY
}
