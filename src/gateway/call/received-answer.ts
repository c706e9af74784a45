import { addHeaderUsage, contentOfAll } from '../answer/add-header-usage.ts'
import { readContent } from '../answer/read-content.ts'
import { readUsage } from '../answer/read-usage.ts'
import type { ReceivedContent, SaidUsage } from '../answer/stream-reader.ts'
import type { AnswerForm } from '../presets/preset.ts'
import type { BegunAnswer } from './begin-attempt.ts'

/** What was delivered of an answer, for what an upstream does not say. */
export interface Delivered extends ReceivedContent {
  readonly said: SaidUsage | undefined
}

export const nothingDelivered: Delivered = { said: undefined, contentEvents: 0, contentBytes: 0 }

/** A call as its answer is read. */
export interface AnsweredCall {
  /** Undefined where its route has no tokens. */
  readonly form: AnswerForm | undefined
  /** How many answers it asked for. */
  readonly answers: number
}

/** What a whole answer says of its usage, and what there is to estimate it by where it does not. */
export function readDelivered(
  { form, answers }: AnsweredCall,
  { status, headers, upstream }: Pick<BegunAnswer, 'status' | 'headers' | 'upstream'>,
  body: Buffer,
): Delivered {
  const { usageHeaders } = upstream.preset
  const isReadable = form !== undefined && headers['content-encoding'] === undefined
  const inBody = isReadable ? readUsage(form, body) : undefined
  const said =
    form === undefined || usageHeaders === undefined
      ? inBody
      : addHeaderUsage(inBody, headers, usageHeaders, answers)
  if (status >= 400 || said?.completion !== undefined) return { ...nothingDelivered, said }
  // A page, say, has its text nowhere that is known.
  const isText = isReadable && isJson(headers)
  const sent = isText ? readContent(form, body) : { contentEvents: 0, contentBytes: body.length }
  const content = usageHeaders === undefined ? sent : contentOfAll(sent, headers, usageHeaders, answers)
  return { said, ...content }
}

/** Unless its upstream says that it is something else. */
function isJson(headers: BegunAnswer['headers']): boolean {
  return /json/i.test(String(headers['content-type'] ?? 'json'))
}
