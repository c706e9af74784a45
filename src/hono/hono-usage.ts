import type { ServerResponse } from 'node:http'
import type { Context } from 'hono'
import { endUsage, endWithAnswer } from '../limits/end-usage.ts'
import { noUsage, type Usage } from '../limits/usage.ts'
import type { FaultListener } from './answer-problem.ts'

/** Tells the client how its limits stand; on Node, ends what is counted at once when the answer is gone. */
export function beginUsage(c: Context, usage: Usage, onFault: FaultListener): void {
  if (usage === noUsage) return
  for (const [name, value] of Object.entries(usage.headers)) c.header(name, value)
  const outgoing = outgoingOf(c)
  if (outgoing !== undefined) endWithAnswer(outgoing, usage, onFault)
}

/** Once the handler has answered: an answer that it made by itself is told too, and so is what was taken meanwhile. */
export async function concludeUsage(c: Context, usage: Usage, onFault: FaultListener): Promise<void> {
  const { ratelimit } = usage.headers
  if (ratelimit !== undefined && c.res.headers.get('ratelimit') !== ratelimit)
    for (const [name, value] of Object.entries(usage.headers)) c.header(name, value)
  // Where nobody tells when an answer is gone, its handler's end is the end.
  if (usage.isOpen && outgoingOf(c) === undefined)
    await endUsage(usage, c.req.raw.signal.aborted ? 'aborted' : 'answered', onFault)
}

function outgoingOf({ env }: Context): ServerResponse | undefined {
  const outgoing: unknown = (env as { readonly outgoing?: unknown } | undefined)?.outgoing
  const isNode = typeof outgoing === 'object' && outgoing !== null && 'writableFinished' in outgoing
  return isNode ? (outgoing as ServerResponse) : undefined
}
