import type { TraceContext } from '../../telemetry/trace-context.ts'
import { endOf, type Span, type Tracing } from '../../telemetry/tracing.ts'

/**
 * Tells of a record that is being written: `modelward.ledger.commit` lasts until it is durable.
 *
 * @param written as the ledger gave it: records of one commit share it
 * @param under the span of what is recorded
 */
export type TraceCommit = (written: Promise<void>, under: TraceContext) => void

/**
 * Spans of records. Those of one commit are linked to its own span, `modelward.ledger.batch`, which
 * stands under the first of them that is traced: none of them stands for the others.
 */
export function traceCommits(tracing: Tracing): TraceCommit {
  let batch: { readonly of: Promise<void>; readonly span: Span | undefined } | undefined

  return function traceCommit(written, under) {
    const span = tracing.begin('modelward.ledger.commit', { parent: under })
    if (span === undefined) return
    if (batch?.of !== written) {
      batch = { of: written, span: span.begin('modelward.ledger.batch') }
      endWith(batch.span, written)
    }
    if (batch.span !== undefined) span.link(batch.span.context)
    endWith(span, written)
  }
}

function endWith(span: Span | undefined, written: Promise<void>): void {
  if (span === undefined) return
  written.then(
    () => span.end(),
    (thrown: unknown) => span.end(endOf(thrown)),
  )
}
