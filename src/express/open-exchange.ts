import type { Request, Response } from 'express'
import type { Exchange } from '../guard/exchange/exchange.ts'
import type { Guard } from '../guard/guard.ts'
import { NodeHead } from '../guard/node/node-head.ts'
import { recordNamed } from '../guard/node/recorded-response.ts'
import type { FaultListener } from './answer-problem.ts'
import { routeOf } from './route-pattern.ts'

/** The exchange of a request; its outermost guard makes the answer wait for the record. */
export function openExchange(
  guard: Guard,
  request: Request,
  response: Response,
  onFault: FaultListener,
): Exchange {
  const known = guard.find(response)
  if (known !== undefined) return known
  const id = response.getHeader('x-request-id')
  const head = new NodeHead(request, request)
  const exchange = guard.open(response, head, request.method, typeof id === 'string' ? id : undefined)
  if (guard.isRecorded) recordNamed(response, { exchange, routeOf: () => routeOf(request), onFault })
  return exchange
}
