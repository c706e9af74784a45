import type { UsageHeaders } from '../presets/preset.ts'
import type { ReceivedContent, SaidUsage } from './stream-reader.ts'

type Headers = Readonly<Record<string, string | readonly string[] | undefined>>

/**
 * What a whole answer used by its body and its head together: of a prompt the larger counts, for a
 * server that has it in a cache may say less of it in the body.
 *
 * @param answers how many answers were asked for; the head counts one of them alone
 */
export function addHeaderUsage(
  said: SaidUsage | undefined,
  headers: Headers,
  names: UsageHeaders,
  answers: number,
): SaidUsage | undefined {
  const inHead = countOf(headers[names.prompt])
  const prompt =
    said?.prompt === undefined || inHead === undefined
      ? (said?.prompt ?? inHead)
      : Math.max(said.prompt, inHead)
  const completion = said?.completion ?? (answers === 1 ? countOf(headers[names.completion]) : undefined)
  if (prompt === undefined && completion === undefined) return undefined
  return { ...said, prompt, completion }
}

/** What several answers came to, of which one was sent: each is taken to be as long as that. */
export function contentOfAll(
  sent: ReceivedContent,
  headers: Headers,
  names: UsageHeaders,
  answers: number,
): ReceivedContent {
  const tokens = countOf(headers[names.completion]) ?? sent.contentEvents
  return { contentEvents: tokens * answers, contentBytes: sent.contentBytes * answers }
}

function countOf(value: Headers[string]): number | undefined {
  return typeof value === 'string' && /^\d{1,15}$/.test(value) ? Number(value) : undefined
}
