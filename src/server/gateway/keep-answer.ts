import { isUtf8 } from 'node:buffer'
import { createHash } from 'node:crypto'
import type { FastifyReply } from 'fastify'
import { processScheduler } from '../../core/scheduler.ts'
import type { AnswerKeeper, KeptAnswer } from '../../gateway/call/answer-keeper.ts'
import type { Idempotency } from '../../idempotency/answer-seal.ts'
import type { PlainAnswer, RunOnce } from '../../idempotency/run-once.ts'

/** Bytes that are hashed in one turn of the event loop: a millisecond's. */
const turnBytes = 1_048_576

/** What stands for a body in what a repeat must send again: a digest, for it may have megabytes. */
export async function digestOfBody(body: Buffer): Promise<string> {
  const hash = createHash('sha256')
  for (let at = 0; at < body.length; at += turnBytes) {
    if (at > 0) await processScheduler.yieldTurn()
    hash.update(body.subarray(at, at + turnBytes))
  }
  return hash.digest('base64url')
}

/** Not 2xx: whatever ran under the key is not kept. */
const nothing: PlainAnswer = { status: 0, headers: {}, body: '' }

/**
 * Reserves an idempotency key for a call, or gives the answer that is kept under it. `runOnce`
 * waits for what the call comes to, and the call for that to be durable.
 *
 * @throws Refusal `idempotency_in_flight`, `idempotency_mismatch`, `storage_exhausted`
 * @throws Fault `overloaded`, `store_unavailable`
 */
export async function openKeeper(
  runOnce: RunOnce,
  idempotency: Idempotency,
  reserveMs: number,
): Promise<AnswerKeeper | PlainAnswer> {
  const begun = Promise.withResolvers<undefined>()
  const answered = Promise.withResolvers<PlainAnswer>()
  const kept = runOnce(
    idempotency,
    () => {
      begun.resolve(undefined)
      return answered.promise
    },
    { reserveMs },
  )
  const known = await Promise.race([begun.promise, kept])
  if (known !== undefined) return known
  return {
    async keep(answer) {
      answered.resolve(plainOf(answer))
      await kept
    },
    async release() {
      answered.resolve(nothing)
      // An answer that could not be kept was the fault that its caller has had.
      await kept.catch(() => undefined)
    },
  }
}

/** Sends what a call was answered with the first time, byte for byte, or the job that it became. */
export function sendKept(reply: FastifyReply, { status, headers, body }: PlainAnswer): FastifyReply {
  const isJob = headers['location'] !== undefined
  return reply
    .code(status)
    .headers(headers)
    .send(isJob ? body : bytesOf(body))
}

/** A body is text, as JSON is, unless an upstream coded it; the first letter says which. */
function plainOf({ status, headers, body }: KeptAnswer): PlainAnswer {
  return { status, headers, body: isUtf8(body) ? `t${body.toString()}` : `b${body.toString('base64')}` }
}

function bytesOf(body: string): Buffer {
  return Buffer.from(body.slice(1), body.startsWith('t') ? 'utf8' : 'base64')
}
