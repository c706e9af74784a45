import type { Fault } from '../../core/fault.ts'
import { problemOf } from '../../core/problem.ts'
import type { Refusal } from '../../core/refusal.ts'
import type { AnswerForm } from '../presets/preset.ts'
import { wordsOf } from './error-words.ts'
import { sentenceIn } from './problem-in.ts'

/**
 * What is said in a stream that cannot go on, as one whole event: it belongs behind a whole event,
 * and what follows it is no proper end. A clean end without the terminal event is success to many
 * clients.
 */
export function brokenStream(form: AnswerForm, thrown: Refusal | Fault): Buffer {
  const { body } = problemOf(thrown, '')
  const { openai: type, openaiCode: code = body.code } = wordsOf(thrown, body)
  return Buffer.from(events[form]({ message: sentenceIn(body), type, code }))
}

interface Said {
  readonly message: string
  /** OpenAI's. */
  readonly type: string
  /** OpenAI's. */
  readonly code: string
}

const inOpenai = ({ message, type, code }: Said): string =>
  sse({ error: { message, type, param: null, code } })

const events: Readonly<Record<AnswerForm, (said: Said) => string>> = {
  openai: inOpenai,
  'llama.cpp': inOpenai,
  responses: ({ message, code }) => sse({ type: 'error', code, message, param: null }, 'error'),
  anthropic: ({ message }) => sse({ type: 'error', error: { type: 'api_error', message } }, 'error'),
  ollama: ({ message }) => `${JSON.stringify({ error: message })}\n`,
  tgi: ({ message }) => sse({ error: message, error_type: 'generation' }),
}

/** A server-sent event; JSON has no line end of its own. */
function sse(data: object, name?: string): string {
  return `${name === undefined ? '' : `event: ${name}\n`}data: ${JSON.stringify(data)}\n\n`
}
