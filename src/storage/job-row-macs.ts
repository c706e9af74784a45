import { createHash, hash } from 'node:crypto'
import type { ReservedAnswer } from '../idempotency/idempotency-store.ts'
import { hasEnded, type JobRecord } from '../jobs/job.ts'
import type { Cell } from '../secrets/row-macs.ts'
import type { WebhookSecret } from '../webhooks/outbox.ts'

/** What a MAC of a row in a fleet's database is of: `macs.of(...row)`, `macs.isOf(...row, mac)`. */
export type MacedRow = readonly [table: string, cells: readonly Cell[]]

/** A job's row, as far as its MAC goes. */
export interface MacedJob {
  readonly job: Omit<JobRecord, 'result' | 'error'>
  /** As it is stored. */
  readonly error: string | null
  readonly answerBytes: number
  readonly answerValues: number
  readonly inputsHash: Uint8Array
  /** Null without answers. */
  readonly answersHash: Uint8Array | null
}

/**
 * All that a node writes of a job. A claim begins an attempt within the database, which has no key:
 * of a job that waits or runs it changes the status, when it began, and its version and attempts by
 * one each, so that their difference stays.
 */
export function macedJob({ job, error, answerBytes, answerValues, ...texts }: MacedJob): MacedRow {
  const { id, owner, keyId, requestId, model, kind, total, priority, attemptsMax, webhook, createdAt } = job
  const { status, version, done, errors, attempts, startedAt, finishedAt, expiresAt } = job
  return [
    'job',
    [
      ...[id, owner, keyId, requestId, model, kind, total, priority, attemptsMax, webhook, createdAt],
      ...(hasEnded(status) ? [status, attempts, startedAt] : [null, null, null]),
      ...[version - attempts, done, errors, error, finishedAt, expiresAt, answerBytes, answerValues],
      ...[texts.inputsHash, texts.answersHash],
    ],
  ]
}

/** A webhook's message; not how far its delivery is. */
export function macedDelivery(delivery: {
  readonly id: string
  readonly jobId: string
  readonly owner: string
  readonly url: string
  /** As it is stored. */
  readonly job: string
  readonly createdAt: number
}): MacedRow {
  const { id, jobId, owner, url, job, createdAt } = delivery
  return ['delivery', [id, jobId, owner, url, job, createdAt]]
}

/** An answer that is kept for retries, or the reservation of one. */
export function macedAnswer({
  id,
  requestDigest,
  holder,
  sealed,
  expiresAt,
}: Omit<ReservedAnswer, 'sealed'> & { readonly sealed: Uint8Array | null }): MacedRow {
  return ['kept answer', [id, requestDigest, holder, sealed && hashOf(sealed), expiresAt]]
}

/** A secret of webhooks; not until when it signs. */
export function macedSecret({ owner, sealed, createdAt }: Omit<WebhookSecret, 'signsUntil'>): MacedRow {
  return ['webhook secret', [owner, sealed, createdAt]]
}

/** SHA-256. */
export function hashOf(text: string | Uint8Array): Buffer {
  return hash('sha256', text, 'buffer')
}

/** The hash of all answers of a job, of which some are added. */
export function hashWith(before: Uint8Array | null, added: readonly Uint8Array[]): Uint8Array | null {
  return added.reduce<Uint8Array | null>(
    (all, text) => hashOf(Buffer.concat(all === null ? [text] : [all, text])),
    before,
  )
}

/** Hashes the answers of a job as they are read. */
export interface AnswersHash {
  /** @param from which input the first of the text's answers is of; a text may come in pieces */
  readonly add: (from: number, piece: string) => void
  readonly end: () => Uint8Array | null
}

export function hashAnswers(): AnswersHash {
  let all: Uint8Array | null = null
  let last: number | undefined
  let text = createHash('sha256')

  function endText(): void {
    if (last !== undefined) all = hashWith(all, [text.digest()])
    text = createHash('sha256')
  }

  return {
    add(from, piece) {
      if (from !== last) endText()
      last = from
      text.update(piece)
    },
    end() {
      endText()
      last = undefined
      return all
    },
  }
}
