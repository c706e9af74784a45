import type { JobBounds, JobQueue, JobSubmission, SubmitOutcome } from '../../../jobs/job-queue.ts'
import { acceptJob } from '../../../jobs/transitions.ts'
import type { CallOutcome } from '../../group-commit/call-queue.ts'
import { bytesOfNew } from '../../job-row-bytes.ts'
import { hashOf, macedAnswer } from '../../job-row-macs.ts'
import { pieceCharacters } from '../../text-pieces.ts'
import { dropTextsAhead, type WrittenInputs, writeInputsAhead } from './job-inputs.ts'
import type { JobParts } from './job-parts.ts'
import { macOfJob } from './job-row.ts'
import { createStatementQueue, isOutage, outageOf } from './statement-queue.ts'
import { byteaText, createTextPack } from './text-pack.ts'

/** A submission on its way, with the inputs that were written ahead. */
interface Waiting extends JobSubmission {
  readonly ahead: ReadonlyMap<string, WrittenInputs>
}

interface SubmitRow {
  readonly outcome: SubmitOutcome['outcome']
  /** Owners whose own bounds are reached; null where it is another. */
  readonly full_owners: readonly string[] | null
}

/**
 * Accepts jobs. Submissions that come while others are written share a statement and a commit: it
 * accepts all of them or none, and where it accepts none, those of owners who are full go alone.
 */
export function createSubmitCalls(
  parts: JobParts,
): Pick<JobQueue, 'submit'> & { readonly settled: () => Promise<void> } {
  const { postgres, notify } = parts

  async function send(group: readonly Waiting[]): Promise<readonly CallOutcome<SubmitOutcome>[]> {
    const outcomes = new Map<Waiting, CallOutcome<SubmitOutcome>>()
    const byBounds = Map.groupBy(group, ({ bounds }) => JSON.stringify(bounds))
    for (const together of byBounds.values()) {
      const sent = await sendTogether(together)
      for (const [waiting, outcome] of sent) outcomes.set(waiting, outcome)
      const outage = outageOf(sent.values())
      if (outage !== undefined) return group.map((waiting) => outcomes.get(waiting) ?? outage)
    }
    return group.map((waiting) => outcomes.get(waiting) ?? { failure: new Error('it was not sent') })
  }

  async function sendTogether(
    group: readonly Waiting[],
  ): Promise<ReadonlyMap<Waiting, CallOutcome<SubmitOutcome>>> {
    const row = await submitOr(group)
    const isAnswer = 'value' in row ? row.value.outcome === 'accepted' : isOutage(row.failure)
    if (group.length === 1 || isAnswer) {
      const outcome = 'value' in row ? { value: { outcome: row.value.outcome } } : row
      return new Map(group.map((waiting) => [waiting, outcome]))
    }
    const full = new Set('value' in row ? row.value.full_owners : null)
    const others = group.filter(({ jobs }) => full.size > 0 && jobs.every(({ owner }) => !full.has(owner)))
    const outcomes = new Map(others.length > 0 ? await sendTogether(others) : [])
    for (const waiting of group)
      if (!outcomes.has(waiting)) {
        const outage = outageOf(outcomes.values())
        const alone = outage === undefined ? await sendTogether([waiting]) : [[waiting, outage] as const]
        for (const [each, outcome] of alone) outcomes.set(each, outcome)
      }
    return outcomes
  }

  async function submitOr(group: readonly Waiting[]): Promise<CallOutcome<SubmitRow>> {
    try {
      return { value: await submitAll(parts, group) }
    } catch (failure) {
      return { failure }
    }
  }

  const queue = createStatementQueue({ name: postgres.name, send, weigh })

  return {
    async submit(submission) {
      const isLong = submission.jobs.some(({ inputs }) => inputs.length > pieceCharacters)
      const ahead = isLong
        ? await parts.turns.run(submission.jobs[0]?.owner, () => writeAhead(parts, submission))
        : new Map<string, WrittenInputs>()
      if (ahead === 'full') return { outcome: 'owner_bytes_full' }
      let isAccepted = false
      try {
        const outcome = await queue.add({ ...submission, ahead })
        isAccepted = outcome.outcome === 'accepted'
        if (isAccepted && submission.jobs.length > 0)
          notify({ jobs: submission.jobs.map(acceptJob), isDue: true })
        return outcome
      } finally {
        // What is left behind, because the database is out, goes by itself.
        if (!isAccepted) await dropTextsAhead(postgres, placesOf(ahead)).catch(() => undefined)
      }
    },
    settled: queue.settled,
  }
}

/** Inputs that were written ahead weigh nothing any more. */
function weigh({ jobs, ahead }: Waiting): number {
  return jobs.reduce(
    (sum, { id, inputs }) => sum + 1 + (ahead.has(id) ? 0 : Math.floor(inputs.length / 1_024)),
    0,
  )
}

function placesOf(ahead: ReadonlyMap<string, WrittenInputs>): readonly number[] {
  return [...ahead.values()].map(({ place }) => place)
}

/** Writes long inputs, unless their owner is full as it is. */
async function writeAhead(
  { postgres }: JobParts,
  { jobs, bounds }: JobSubmission,
): Promise<ReadonlyMap<string, WrittenInputs> | 'full'> {
  const ahead = new Map<string, WrittenInputs>()
  try {
    for (const job of jobs) {
      if (job.inputs.length <= pieceCharacters) continue
      const [found] = await postgres.query<{ readonly bytes: number }>(
        `SELECT bytes FROM ${postgres.schema}.job_owners WHERE owner = $1`,
        [job.owner],
      )
      if ((found?.bytes ?? 0) + bytesOfNew([job]) > bounds.ownerBytesMax) {
        await dropTextsAhead(postgres, placesOf(ahead))
        return 'full'
      }
      ahead.set(job.id, await writeInputsAhead(postgres, job))
    }
    return ahead
  } catch (fault) {
    await dropTextsAhead(postgres, placesOf(ahead)).catch(() => undefined)
    throw fault
  }
}

async function submitAll({ postgres, macs }: JobParts, group: readonly Waiting[]): Promise<SubmitRow> {
  const { query, schema } = postgres
  const inputs = createTextPack()
  const jobs = group.flatMap(({ jobs: submitted, ahead }) =>
    submitted.map((job) => {
      const { id, owner, keyId, requestId, model, kind, total, priority, attemptsMax, webhook, createdAt } =
        job
      const written = ahead.get(id)
      const text = Buffer.from(written === undefined ? job.inputs : '')
      const inputsHash = written?.hash ?? hashOf(text)
      const none = { answerBytes: 0, answerValues: 0, answersHash: null }
      const mac = macOfJob(macs, { job: acceptJob(job), inputsHash, ...none })
      return {
        ...{ id, owner, key_id: keyId, request_id: requestId, model, kind, total, priority },
        ...{ attempts_max: attemptsMax, webhook, created_at: createdAt },
        ...{ characters: job.inputs.length, pieces: written?.pieces ?? 1, bytes: bytesOfNew([job]) },
        ...(written === undefined ? inputs.add(text) : { place: written.place }),
        ...{ inputs_hash: byteaText(inputsHash), mac: byteaText(mac) },
      }
    }),
  )
  const sealed = createTextPack()
  const answers = group.flatMap(({ answer }) =>
    answer === undefined
      ? []
      : [
          {
            ...{ id: answer.id, holder: answer.holder, digest: answer.requestDigest },
            ...{ expires_at: answer.expiresAt, ...sealed.add(answer.sealed) },
            mac: byteaText(macs.of(...macedAnswer(answer))),
          },
        ],
  )
  const owners = [...Map.groupBy(jobs, ({ owner }) => owner)]
  const turns = [...new Map(jobs.map((job) => [JSON.stringify([job.owner, job.model]), job])).values()]
  const bounds = group[0]?.bounds ?? noBounds
  const [row] = await query<SubmitRow>(
    `SELECT * FROM ${schema}.submit_jobs($1::json, $2::bytea, $3::json, $4::bytea, $5::text[], $6::bigint[],
      $7::bigint[], $8::text[], $9::text[], $10::bigint[], $11::bigint, $12::bigint, $13::bigint, $14::bigint)`,
    [
      JSON.stringify(jobs),
      inputs.bytes(),
      answers.length > 0 ? JSON.stringify(answers) : null,
      answers.length > 0 ? sealed.bytes() : null,
      owners.map(([owner]) => owner),
      owners.map(([, of]) => of.length),
      owners.map(([, of]) => of.reduce((sum, { bytes }) => sum + bytes, 0)),
      turns.map(({ owner }) => owner),
      turns.map(({ model }) => model),
      group.flatMap(({ ahead }) => placesOf(ahead)),
      ...[bounds.jobsMax, bounds.ownerJobsMax, bounds.bytesMax, bounds.ownerBytesMax],
    ],
  )
  if (row === undefined) throw new Error('submit_jobs gave no outcome')
  return row
}

const noBounds: JobBounds = { jobsMax: 0, ownerJobsMax: 0, bytesMax: 0, ownerBytesMax: 0 }
