import type { FastifyInstance } from 'fastify'
import type { RequestHead } from '../../core/request-head.ts'
import { keysVerifyScope } from '../../core/scope.ts'
import type { Exchange } from '../../guard/exchange.ts'
import type { Ward } from '../../ward/ward.ts'
import { adminOr } from '../api/admin-or.ts'
import { verifySchema as schema } from './describe-verify.ts'
import { endAtOnce } from './end-at-once.ts'
import { type VerifyAnswer, viewVerdict } from './verify-answer.ts'
import { readVerify, type VerifyBody, verifyBytesMax } from './verify-input.ts'

/**
 * `POST /v1/keys/verify`, for programs that ask about a key that was presented to them. For the
 * program that asks the request is operational; for the key that it asks about it is billable, and
 * is judged, counted and recorded as one that the key had come with.
 */
export function addVerifyRoute(app: FastifyInstance, { guard }: Pick<Ward, 'guard'>): void {
  app.post<{ Body: VerifyBody }>(
    '/v1/keys/verify',
    { config: { guard: adminOr(keysVerifyScope) }, schema, bodyLimit: verifyBytesMax },
    async (request): Promise<VerifyAnswer> => {
      const { asked, demand, address, route } = readVerify(request.body)
      // By `raw` its spans are found to be this request's.
      const judged = guard.open({ raw: request.raw }, headFrom(address), undefined, request.id)
      judged.verifier = request.caller.keyId
      const verdict = await guard.judge(judged, asked, demand)
      if (verdict.admitted) await endAtOnce(verdict.usage)
      const status = verdict.admitted ? 200 : verdict.refusal.status
      await recordFor(guard.find(request), judged.answer({ status, route, requestId: request.id }))
      return viewVerdict(verdict, judged)
    },
  )
}

const none: readonly string[] = []

/** Nothing of what the client sent is known but its address. */
function headFrom(address: string | undefined): RequestHead {
  return { headerValues: () => none, queryValues: () => none, address }
}

/**
 * Waits for the verdict's record, which names who asked and is the only one of the request: theirs
 * would count it twice. Where it cannot be written, the fault is recorded under who asked, if that
 * can be.
 */
async function recordFor(asking: Exchange | undefined, writing: Promise<void> | undefined): Promise<void> {
  if (asking !== undefined) asking.isRecordedElsewhere = true
  try {
    await writing
  } catch (thrown) {
    if (asking !== undefined) asking.isRecordedElsewhere = false
    throw thrown
  }
}
