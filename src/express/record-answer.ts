import { randomUUID } from 'node:crypto'
import type { Request, Response } from 'express'
import type { RequestHead } from '../core/request-head.ts'
import type { RequestRecording } from '../guard/exchange.ts'
import { holdAnswer } from '../guard/node/recorded-response.ts'
import type { Recorder } from '../guard/recorder.ts'
import { type FaultListener, findAnsweredCode } from './answer-problem.ts'
import { routeOf } from './route-pattern.ts'

/** Begins to record a request at its outermost guard, and has its answer wait for the record; undefined where nothing is recorded. */
export function recordAnswer(
  recorder: Recorder,
  head: RequestHead,
  request: Request,
  response: Response,
  onFault: FaultListener,
): RequestRecording | undefined {
  if (!recorder.isOn) return undefined
  const outer = recorder.find(response)
  if (outer !== undefined) return outer
  const recording = recorder.begin(response, head, request.method)
  const given = response.getHeader('x-request-id')
  const requestId = typeof given === 'string' ? given : randomUUID()
  response.setHeader('x-request-id', requestId)
  holdAnswer(response, {
    recording,
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
  return recording
}
