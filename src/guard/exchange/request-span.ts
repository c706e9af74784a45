import type { Span } from '../../telemetry/tracing.ts'

// Of the process, as the exchange's own: see `attached-exchange.ts`.
const spanKey: unique symbol = Symbol.for('modelward.span')

interface SpannedRequest {
  [spanKey]?: Span
  /** What a framework's request stands for. */
  readonly raw?: SpannedRequest
}

/** Puts the span of a whole request at the object that stands for it. */
export function attachRequestSpan(request: object, span: Span): void {
  const holder: SpannedRequest = request
  holder[spanKey] = span
}

/** The span of a whole request: of our own server alone, at its request or Fastify's. */
export function findRequestSpan(request: object): Span | undefined {
  const { [spanKey]: span, raw } = request as SpannedRequest
  return span ?? raw?.[spanKey]
}
