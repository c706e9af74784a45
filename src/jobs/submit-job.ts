import { randomBytes } from 'node:crypto'
import { drawBase62 } from '../core/base62.ts'
import { isText } from '../core/check-options.ts'
import { Fault } from '../core/fault.ts'
import { Refusal } from '../core/refusal.ts'
import type { Scheduler } from '../core/scheduler.ts'
import type { Clock } from '../core/time.ts'
import { inFlight, type PlainAnswer, type RunOnce } from '../idempotency/run-once.ts'
import { storedBytesError } from '../idempotency/stored-bytes.ts'
import { noUsage, type RequestUsage } from '../limits/usage/usage.ts'
import type { EventOrigin, Telemetry } from '../telemetry/telemetry.ts'
import type { NewJob } from './job.ts'
import { readOrigin, writeOrigin } from './job-origin.ts'
import type { JobBounds, JobQueue, SubmitOutcome } from './job-queue.ts'
import type { JobRecords } from './job-records.ts'
import type { JobRequest, JobService, SubmittedJob } from './job-service.ts'
import type { JobUsages } from './job-usages.ts'
import { acceptJob } from './transitions.ts'
import { type JobView, viewJob } from './view-job.ts'
import type { JobModels } from './worker/ask-model.ts'
import { writeInputs } from './write-inputs.ts'

export interface SubmitJobOptions {
  readonly store: JobQueue
  readonly clock: Clock
  readonly scheduler: Pick<Scheduler, 'yieldTurn'>
  readonly keepMs: number
  readonly attemptsMax: number
  readonly bounds: JobBounds
  readonly models: JobModels
  readonly records: JobRecords
  readonly usages: JobUsages
  readonly runOnce: RunOnce
  /** Jobs whose acceptance is being recorded: none is begun before. */
  readonly accepting: Map<string, Promise<boolean>>
  readonly telemetry: Telemetry
}

/**
 * Accepts jobs. A job is committed first and recorded then, because a record of a job that was
 * never accepted would be a lie; it is answered once both are durable, and no attempt at it begins,
 * in any process, before a record of that is durable: nothing runs unrecorded. Where the acceptance
 * cannot be recorded, the job is cancelled; one that was submitted under an `Idempotency-Key`
 * stays, for its answer is committed with it, and a repeated request gets it. A process that dies
 * between commit and record leaves the job, which is then worked on, its first record being
 * `job.started`; its client had no answer.
 */
export function createSubmitJob(options: SubmitJobOptions): JobService['submit'] {
  return async (request) => {
    checkRequest(request)
    if (!options.models.has(request.model)) throw noSuchModel(options.models.keys())
    return holdUsage(request, options.telemetry, async () => {
      if (request.idempotency !== undefined) return acceptOnce(options, request, request.idempotency)
      return { job: await accept(options, request, request.sealAnswer), isReplayed: false }
    })
  }
}

/**
 * Keeps the end of the request from ending its usage, from the beginning on: a client that went
 * away while its job was being accepted would else free a slot that the job holds.
 */
async function holdUsage(
  { usage = noUsage, requestId = null, trace }: JobRequest,
  telemetry: Telemetry,
  submit: () => Promise<SubmittedJob>,
): Promise<SubmittedJob> {
  const hasTaken = usage.detach()
  let isReplayed = true
  try {
    const submitted = await submit()
    isReplayed = submitted.isReplayed
    return submitted
  } finally {
    if (hasTaken && isReplayed) await attach(usage, telemetry, { requestId, trace })
  }
}

async function attach(usage: RequestUsage, telemetry: Telemetry, of: EventOrigin): Promise<void> {
  try {
    await usage.attach()
  } catch (fault) {
    telemetry.event('limiter.settle_failed', {}, fault, of)
  }
}

/** A caller's mistake, not a client's: what the client sent has been checked before. */
function checkRequest({
  owner,
  keyId,
  inputs,
  kind,
  priority = 0,
  idempotency,
  sealAnswer,
}: JobRequest): void {
  // A job without an owner would be invisible, or visible to all.
  if (!isText(owner)) throw new TypeError('jobs.submit: `owner`: expected text that is not empty')
  if (!isText(keyId)) throw new TypeError('jobs.submit: `keyId`: expected text that is not empty')
  if (inputs.length === 0) throw new TypeError('jobs.submit: `inputs`: expected at least one')
  if (kind === 'single' && inputs.length > 1)
    throw new TypeError(`jobs.submit: \`inputs\`: expected one for a single job, got ${inputs.length}`)
  if (!Number.isInteger(priority) || priority < 0 || priority > 9)
    throw new TypeError(`jobs.submit: \`priority\`: expected a whole number from 0 to 9, got ${priority}`)
  if (idempotency !== undefined && sealAnswer !== undefined)
    throw new TypeError('jobs.submit: expected `idempotency` or `sealAnswer`, got both')
}

async function acceptOnce(
  options: SubmitJobOptions,
  request: JobRequest,
  idempotency: NonNullable<JobRequest['idempotency']>,
): Promise<SubmittedJob> {
  let isReplayed = true
  const { status, body } = await options.runOnce(idempotency, async (reservation) => {
    isReplayed = false
    return answerOf(await accept(options, request, (job) => reservation?.seal(answerOf(job))))
  })
  // The key was used for something that is not a job, such as a prediction answered at once.
  if (status !== accepted) throw new Refusal('idempotency_mismatch')
  const job = JSON.parse(body) as JobView
  if (isReplayed) await recordAgain(options, job.id)
  return { job, isReplayed }
}

const accepted = 202

function answerOf(job: JobView): PlainAnswer {
  const headers = { 'content-type': 'application/json', location: `/jobs/${job.id}` }
  return { status: accepted, headers, body: JSON.stringify(job) }
}

/** The first time may be the one that could not be recorded. */
async function recordAgain({ store, clock, records }: SubmitJobOptions, id: string): Promise<void> {
  const job = await store.findJob({ id }, clock())
  if (job !== undefined) await records.accepted(job, { repeated: true })
}

async function accept(
  options: SubmitJobOptions,
  request: JobRequest,
  sealAnswer: JobRequest['sealAnswer'],
): Promise<JobView> {
  await request.prepare?.()
  const submitting: Submitting = { mayRun: false }
  try {
    return await acceptPrepared(options, request, sealAnswer, submitting)
  } catch (thrown) {
    if (!submitting.mayRun) await request.giveBack?.()
    throw thrown
  }
}

/** Whether a job may have come of a request, whatever its answer is. */
interface Submitting {
  mayRun: boolean
}

async function acceptPrepared(
  options: SubmitJobOptions,
  request: JobRequest,
  sealAnswer: JobRequest['sealAnswer'],
  submitting: Submitting,
): Promise<JobView> {
  const { store, records, usages, bounds, accepting } = options
  // A copy: a caller may change its list while it is written.
  const inputs = [...request.inputs]
  const job = newJob(request, await writeInputs(inputs, options.scheduler), inputs.length, options)
  const view = viewJob(acceptJob(job))
  await records.ensureWritable()
  const recorded = Promise.withResolvers<boolean>()
  accepting.set(job.id, recorded.promise)
  if (request.usage !== undefined) usages.add(job, request.usage)
  let isAccepted = false
  try {
    const answer = sealAnswer?.(view)
    // A store that fails may have committed it.
    submitting.mayRun = true
    const { outcome } = await store.submit({ jobs: [job], bounds, answer })
    submitting.mayRun = outcome === 'accepted'
    refuseUnless(outcome, bounds)
    await recordOrWithdraw(options, job, answer !== undefined, submitting)
    isAccepted = true
  } finally {
    if (!isAccepted) usages.drop(job.id)
    accepting.delete(job.id)
    recorded.resolve(isAccepted)
  }
  return view
}

function refuseUnless(outcome: SubmitOutcome['outcome'], bounds: JobBounds): void {
  if (outcome === 'accepted') return
  if (outcome === 'full') throw new Fault('overloaded', 'as many jobs wait or run as may')
  // Another request may have run under the idempotency key: the next one finds its answer.
  if (outcome === 'unreserved') throw inFlight()
  throw storedBytesError(outcome, bounds)
}

async function recordOrWithdraw(
  options: SubmitJobOptions,
  job: NewJob,
  hasAnswer: boolean,
  submitting: Submitting,
): Promise<void> {
  try {
    await options.records.accepted(job)
  } catch (fault) {
    if (!hasAnswer) submitting.mayRun = !(await withdraw(options, job))
    throw fault
  }
}

/** Whether it was cancelled before any process began with it. */
async function withdraw(
  { store, usages, clock, keepMs, telemetry }: SubmitJobOptions,
  { id, requestId }: NewJob,
): Promise<boolean> {
  usages.drop(id)
  try {
    const outcome = await store.cancel({ id }, clock(), keepMs)
    return outcome?.cancelled === true && outcome.job.startedAt === null
  } catch (fault) {
    telemetry.event('job.not_cancelled', { job: id }, fault, readOrigin(requestId))
    return false
  }
}

function newJob(
  request: JobRequest,
  inputs: string,
  total: number,
  { clock, attemptsMax, telemetry }: SubmitJobOptions,
): NewJob {
  const { requestId = null, trace = telemetry.tracing?.active() } = request
  const { owner, keyId, model, kind } = request
  return {
    id: `job_${drawBase62(22, randomBytes)}`,
    owner,
    keyId,
    requestId: writeOrigin({ requestId, trace, call: request.call?.() }),
    model,
    kind,
    inputs,
    total,
    priority: request.priority ?? 0,
    attemptsMax,
    webhook: request.webhook ?? null,
    createdAt: clock(),
  }
}

/** Most models that a refusal names. */
const namedMax = 8

function noSuchModel(models: Iterable<string>): Refusal {
  const names = [...models].slice(0, namedMax).map((name) => `\`${name}\``)
  const others = names.length === 0 ? 'none takes jobs here' : `there are ${names.join(', ')}`
  return new Refusal('not_found', `There is no such model; ${others}.`)
}
