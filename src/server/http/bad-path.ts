import type { FastifyRequest } from 'fastify'
import { asError } from '../../core/problem.ts'
import type { Guard } from '../../guard/guard.ts'
import { NodeHead } from '../../guard/node/node-head.ts'
import { classifyError } from './classify-error.ts'

/**
 * What answers a request whose path cannot be read, once it is recorded. No hook has run for it, so
 * the key comes first here too.
 *
 * @param error what Fastify says of the path
 */
export async function decideBadPath(guard: Guard, request: FastifyRequest, error: Error): Promise<Error> {
  const exchange = guard.open(request, new NodeHead(request.raw, request), request.method)
  let thrown = error
  try {
    const verdict = await guard.admit(exchange, { anyKey: true, session: 'read' })
    if (!verdict.admitted) thrown = verdict.refusal
  } catch (fault) {
    thrown = asError(fault)
  }
  exchange.problem = classifyError(thrown)
  try {
    await exchange.answer({ status: exchange.problem.status, route: null, requestId: request.id })
    return thrown
  } catch (fault) {
    return asError(fault)
  }
}
