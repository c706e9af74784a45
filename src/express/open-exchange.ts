import { randomUUID } from 'node:crypto'
import type { Request, Response } from 'express'
import type { Exchange } from '../guard/exchange.ts'
import type { Guard } from '../guard/guard.ts'
import { NodeHead } from '../guard/node/node-head.ts'
import { holdAnswer } from '../guard/node/recorded-response.ts'
import { type FaultListener, findAnsweredCode } from './answer-problem.ts'
import { routeOf } from './route-pattern.ts'

/** The exchange of a request; at its outermost guard its answer is made to wait for the record. */
export function openExchange(
  gate: Guard,
  request: Request,
  response: Response,
  onFault: FaultListener,
): Exchange {
  const known = gate.find(response)
  if (known !== undefined) return known
  const exchange = gate.open(response, () => new NodeHead(request, request), request.method)
  if (!gate.recorder.isOn) return exchange
  const given = response.getHeader('x-request-id')
  const requestId = typeof given === 'string' ? given : randomUUID()
  response.setHeader('x-request-id', requestId)
  holdAnswer(response, {
    recording: exchange,
    requestId,
    onFault,
    describe: () => {
      const id = response.getHeader('x-request-id')
      return {
        code: findAnsweredCode(response),
        route: routeOf(request),
        requestId: typeof id === 'string' ? id : requestId,
      }
    },
  })
  return exchange
}
