import { randomBytes } from 'node:crypto'
import { drawBase62 } from '../../core/base62.ts'
import { type JobRecord, withoutResult } from '../../jobs/job.ts'
import type { DeliveryAttempt, DeliveryQuery, WebhookDelivery, WebhookOutbox } from '../../webhooks/outbox.ts'
import { createJobHeap, type JobHeap } from './job-heap.ts'

/** Messages about ended jobs. */
export interface JobOutbox {
  /** Puts one in where the job, which has just ended, names a webhook. */
  readonly put: (job: JobRecord, now: number) => void
  readonly claim: (ask: Parameters<WebhookOutbox['claimDeliveries']>[0]) => WebhookDelivery[]
  readonly settle: (attempt: DeliveryAttempt) => void
  readonly list: (query: DeliveryQuery) => WebhookDelivery[]
  /** Forgets what was delivered of a job, and what still waits once it has ended. */
  readonly forgetJob: (jobId: string) => void
}

interface HeldDelivery {
  record: WebhookDelivery
  readonly owner: OwnerPost
  readonly seq: number
  /** From when on it may be taken: of a claimed one, when its lease ends. */
  dueAt: number
  isOfForgottenJob: boolean
}

interface OwnerPost {
  /** Those that nobody has claimed, or whose lease has ended. */
  readonly waiting: JobHeap<HeldDelivery>
  /** How many are leased. */
  leased: number
}

interface State {
  readonly deliveries: Map<string, HeldDelivery>
  readonly byJob: Map<string, Set<HeldDelivery>>
  readonly owners: Map<string, OwnerPost>
  /** Owners of whom something waits, by what is due first. */
  readonly turns: JobHeap<OwnerPost>
  readonly leased: JobHeap<HeldDelivery>
  seq: number
}

export function createJobOutbox(): JobOutbox {
  const state: State = {
    deliveries: new Map(),
    byJob: new Map(),
    owners: new Map(),
    turns: createJobHeap((one, other) => firstDue(one) < firstDue(other)),
    leased: createJobHeap((one, other) => one.dueAt < other.dueAt),
    seq: 0,
  }
  return {
    put: (job, now) => put(state, job, now),
    claim: (ask) => claim(state, ask),
    settle: (attempt) => settle(state, attempt),
    list: (query) => list(state, query),
    forgetJob(jobId) {
      for (const delivery of state.byJob.get(jobId) ?? []) {
        if (delivery.record.status !== 'waiting') drop(state, delivery)
        delivery.isOfForgottenJob = true
      }
    },
  }
}

function put(state: State, ended: JobRecord, now: number): void {
  if (ended.webhook === null) return
  const job = withoutResult(ended)
  const record: WebhookDelivery = Object.freeze({
    id: `msg_${drawBase62(22, randomBytes)}`,
    jobId: job.id,
    owner: job.owner,
    url: ended.webhook,
    job,
    status: 'waiting',
    attempts: 0,
    dueAt: now,
    createdAt: now,
    lastAttempt: null,
    lease: null,
  })
  const owner = state.owners.get(job.owner) ?? { waiting: createJobHeap(isDueBefore), leased: 0 }
  state.owners.set(job.owner, owner)
  state.seq += 1
  const delivery = { record, owner, seq: state.seq, dueAt: now, isOfForgottenJob: false }
  state.deliveries.set(record.id, delivery)
  const ofJob = state.byJob.get(job.id) ?? new Set()
  state.byJob.set(job.id, ofJob.add(delivery))
  wait(state, delivery)
}

function claim(state: State, ask: Parameters<JobOutbox['claim']>[0]): WebhookDelivery[] {
  const { max, ownerMax, now, until } = ask
  endLeases(state, now)
  const claimed: WebhookDelivery[] = []
  const atBound: OwnerPost[] = []
  while (claimed.length < max) {
    const owner = state.turns.first()
    const delivery = owner?.waiting.first()
    if (owner === undefined || delivery === undefined || delivery.dueAt > now) break
    if (owner.leased >= ownerMax) {
      state.turns.remove(owner)
      atBound.push(owner)
    } else claimed.push(lease(state, delivery, until))
  }
  for (const owner of atBound) state.turns.add(owner)
  return claimed
}

function lease(state: State, delivery: HeldDelivery, until: number): WebhookDelivery {
  takeOut(state, delivery)
  const { record, owner } = delivery
  const lease = drawBase62(22, randomBytes)
  delivery.record = Object.freeze({ ...record, attempts: record.attempts + 1, dueAt: until, lease })
  delivery.dueAt = until
  owner.leased += 1
  state.leased.add(delivery)
  return delivery.record
}

/** A lease that has ended is held until somebody else takes the delivery. */
function endLeases(state: State, now: number): void {
  for (;;) {
    const delivery = state.leased.first()
    if (delivery === undefined || delivery.dueAt > now) return
    takeOut(state, delivery)
    wait(state, delivery)
  }
}

function settle(state: State, { id, lease, result, then }: DeliveryAttempt): void {
  const delivery = state.deliveries.get(id)
  if (delivery === undefined || delivery.record.lease !== lease) return
  takeOut(state, delivery)
  const retryAt = typeof then === 'string' ? null : then.retryAt
  const status = typeof then === 'string' ? then : 'waiting'
  delivery.record = Object.freeze({
    ...delivery.record,
    status,
    dueAt: retryAt,
    lastAttempt: Object.freeze({ ...result }),
    lease: null,
  })
  if (retryAt !== null) {
    delivery.dueAt = retryAt
    wait(state, delivery)
  } else if (delivery.isOfForgottenJob) drop(state, delivery)
}

function list(state: State, { jobId, owner, limit }: DeliveryQuery): WebhookDelivery[] {
  const all = jobId === undefined ? state.deliveries.values() : (state.byJob.get(jobId) ?? [])
  return [...all]
    .filter(({ record }) => owner === undefined || record.owner === owner)
    .sort((one, other) => other.seq - one.seq)
    .slice(0, limit)
    .map(({ record }) => (record.lease === null ? record : Object.freeze({ ...record, lease: null })))
}

function wait(state: State, delivery: HeldDelivery): void {
  const { owner } = delivery
  state.turns.remove(owner)
  owner.waiting.add(delivery)
  state.turns.add(owner)
}

/** Takes a delivery out of the order of those that wait, or of the leased. */
function takeOut(state: State, delivery: HeldDelivery): void {
  const { owner } = delivery
  if (state.leased.remove(delivery)) {
    owner.leased -= 1
    return
  }
  state.turns.remove(owner)
  owner.waiting.remove(delivery)
  if (owner.waiting.size() > 0) state.turns.add(owner)
}

function drop(state: State, { record }: HeldDelivery): void {
  const delivery = state.deliveries.get(record.id)
  const ofJob = state.byJob.get(record.jobId)
  if (delivery === undefined) return
  state.deliveries.delete(record.id)
  ofJob?.delete(delivery)
  if (ofJob?.size === 0) state.byJob.delete(record.jobId)
}

function isDueBefore(one: HeldDelivery, other: HeldDelivery): boolean {
  return one.dueAt < other.dueAt || (one.dueAt === other.dueAt && one.seq < other.seq)
}

function firstDue({ waiting }: OwnerPost): number {
  return waiting.first()?.dueAt ?? Number.POSITIVE_INFINITY
}
