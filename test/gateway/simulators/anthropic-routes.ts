import type { Body, Reply } from './simulator.ts'
import { countWords, event, numberOf, say, textOf } from './words.ts'

export interface AnthropicFlavour {
  readonly models: readonly string[]
  readonly words: readonly string[]
  /** What `message_start` says of the prompt: the real count, or 0, corrected at the end. */
  readonly startsWithZero: boolean
  readonly noModel: (model: unknown) => Reply
}

/** `POST /v1/messages` */
export function messages(flavour: AnthropicFlavour, body: Body): Reply {
  const { model } = body
  if (typeof model !== 'string' || !flavour.models.includes(model)) return flavour.noModel(model)
  const { words, isCut } = say(flavour.words, numberOf(body, 'max_tokens'))
  const input_tokens = countPrompt(body)
  const stop_reason = isCut ? 'max_tokens' : 'end_turn'
  const head = { id: 'msg_1', type: 'message', role: 'assistant', model, stop_sequence: null }
  if (body['stream'] !== true) {
    const content = [{ type: 'text', text: words.join('') }]
    const usage = { input_tokens, output_tokens: words.length }
    return { json: { ...head, content, stop_reason, usage } }
  }
  const begun = { input_tokens: flavour.startsWithZero ? 0 : input_tokens, output_tokens: 0 }
  const ended = { ...(flavour.startsWithZero && { input_tokens }), output_tokens: words.length }
  const events: readonly Body[] = [
    { type: 'message_start', message: { ...head, content: [], stop_reason: null, usage: begun } },
    { type: 'content_block_start', index: 0, content_block: { type: 'text', text: '' } },
    ...words.map((text) => ({ type: 'content_block_delta', index: 0, delta: { type: 'text_delta', text } })),
    { type: 'content_block_stop', index: 0 },
    { type: 'message_delta', delta: { stop_reason, stop_sequence: null }, usage: ended },
    { type: 'message_stop' },
  ]
  return {
    type: 'text/event-stream',
    pieces: events.map((data) => event(data, String(data['type']))),
  }
}

/** `POST /v1/messages/count_tokens` */
export function countTokens(body: Body): Reply {
  return { json: { input_tokens: countPrompt(body) } }
}

function countPrompt(body: Body): number {
  return countWords(textOf(body['system'])) + countWords(textOf(body['messages']))
}
