import type { FastifyRequest } from 'fastify'
import { asError } from '../../core/problem.ts'
import type { Guard } from '../../guard/guard.ts'
import { NodeHead } from '../../guard/node/node-head.ts'
import { classifyError } from './classify-error.ts'

/**
 * What answers a request whose path cannot be read, once it is recorded: no hook has run for it, so who it is comes first here too.
 *
 * @param error what Fastify says of the path
 */
export async function decideBadPath(gate: Guard, request: FastifyRequest, error: Error): Promise<Error> {
  const exchange = gate.open(request, () => new NodeHead(request.raw, request), request.method)
  let thrown = error
  try {
    const verdict = await gate.admit(exchange, { anyKey: true, session: 'read' })
    if (!verdict.admitted) thrown = verdict.refusal
  } catch (fault) {
    thrown = asError(fault)
  }
  const { status, code } = classifyError(thrown)
  try {
    await exchange.answer({ status, code, route: null, requestId: request.id })
    return thrown
  } catch (fault) {
    return asError(fault)
  }
}
