import type { FastifyInstance, FastifyRequest } from 'fastify'
import type { RequestHead } from '../../core/request-head.ts'
import { keysVerifyScope } from '../../core/scope.ts'
import type { Exchange } from '../../guard/exchange/exchange.ts'
import { admittedExchange, type Guard } from '../../guard/guard.ts'
import type { Ward } from '../../ward/ward.ts'
import { adminOr } from '../api/admin-or.ts'
import { compileBody } from '../http/compile-schema.ts'
import type { DirectEndpoint, DirectRequest } from '../http/direct-listener.ts'
import { verifySchema as schema } from './describe-verify.ts'
import { endAtOnce } from './end-at-once.ts'
import { type VerifyAnswer, viewVerdict } from './verify-answer.ts'
import { readVerify, type VerifyBody, verifyBody, verifyBytesMax } from './verify-input.ts'

const route = '/v1/keys/verify'
const demand = adminOr(keysVerifyScope)

/**
 * `POST /v1/keys/verify`, for programs that ask about a key that was presented to them. For the
 * program that asks the request is operational; for the key that it asks about it is billable, and
 * is judged, counted and recorded as one that the key had come with.
 */
export function addVerifyRoute(app: FastifyInstance, { guard }: Pick<Ward, 'guard'>): void {
  app.post<{ Body: VerifyBody }>(
    route,
    { config: { guard: demand }, schema, bodyLimit: verifyBytesMax },
    (request) => answerVerify(guard, request.body, admittedExchange(guard, request), request),
  )
}

/** The same past the framework, by its path. */
export function directVerify({ guard }: Pick<Ward, 'guard'>): readonly [string, DirectEndpoint] {
  const check = compileBody(verifyBody)
  async function answer(body: unknown, { id, exchange, response }: DirectRequest): Promise<string> {
    return JSON.stringify(await answerVerify(guard, check(body), exchange, { id, raw: response.req }))
  }
  return [route, { route, demand, bodyMax: verifyBytesMax, answer }]
}

/** @param asking of the program that asks */
async function answerVerify(
  guard: Guard,
  body: VerifyBody,
  asking: Exchange,
  { id, raw }: Pick<FastifyRequest, 'id' | 'raw'>,
): Promise<VerifyAnswer> {
  const { asked, demand, address, route } = readVerify(body)
  // By `raw` its spans are found to be this request's.
  const judged = guard.open({ raw }, headFrom(address), undefined, id)
  const verdict = await guard.judge(judged, { ...asked, verifier: asking.known?.keyId }, demand)
  if (verdict.admitted) await endAtOnce(verdict.usage)
  const status = verdict.admitted ? 200 : verdict.refusal.status
  await recordFor(asking, judged.answer({ status, route, requestId: id }))
  return viewVerdict(verdict, judged)
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
async function recordFor(asking: Exchange, writing: Promise<void> | undefined): Promise<void> {
  asking.isRecordedElsewhere = true
  try {
    await writing
  } catch (thrown) {
    asking.isRecordedElsewhere = false
    throw thrown
  }
}
