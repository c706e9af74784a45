import type { FastifyRequest } from 'fastify'
import { asError } from '../../core/as-error.ts'
import type { Gate } from '../../guard/guard.ts'
import { NodeHead } from '../../guard/node/node-head.ts'
import { classifyError } from './classify-error.ts'

/**
 * What answers a request whose path cannot be read, once it is recorded: no hook has run for it, so who it is comes first here too.
 *
 * @param error what Fastify says of the path
 */
export async function decideBadPath(gate: Gate, request: FastifyRequest, error: Error): Promise<Error> {
  const head = new NodeHead(request.raw, request)
  const { recorder } = gate
  const recording = recorder.isOn ? recorder.begin(request, head, request.method) : undefined
  let thrown = error
  try {
    const verdict = await gate.admit(head, { anyKey: true, session: 'read' })
    recording?.decide(verdict)
    if (!verdict.admitted) thrown = verdict.refusal
  } catch (fault) {
    recording?.fail(fault)
    thrown = asError(fault)
  }
  const { status, code } = classifyError(thrown)
  try {
    await recording?.answer({ status, code, route: null, requestId: request.id })
    return thrown
  } catch (fault) {
    return asError(fault)
  }
}
