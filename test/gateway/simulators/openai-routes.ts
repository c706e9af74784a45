import type { Body, Reply } from './simulator.ts'
import { countWords, event, numberOf, objectOf, say, textOf } from './words.ts'

/** How a server speaks the API of OpenAI. */
export interface OpenaiFlavour {
  readonly models: readonly string[]
  readonly words: readonly string[]
  /** Whether each event before the one of usage says `"usage":null`, where usage was asked for. */
  readonly saysUsageNull: boolean
  /** How it says that it has no such model. */
  readonly noModel: (model: unknown) => Reply
}

const ok = { id: 'chatcmpl-1', created: 1_767_225_600 } as const

function withModel(flavour: OpenaiFlavour, body: Body, answer: (model: string) => Reply): Reply {
  const { model } = body
  return typeof model === 'string' && flavour.models.includes(model) ? answer(model) : flavour.noModel(model)
}

function usageOf(prompt: number, completion: number): Body {
  return { prompt_tokens: prompt, completion_tokens: completion, total_tokens: prompt + completion }
}

/** A stream of chunks: those of each answer, usage where it was asked for, and the end. */
function streamOf(
  { saysUsageNull }: OpenaiFlavour,
  body: Body,
  head: Body,
  choices: readonly Body[],
  usage: Body,
): Reply {
  const asked = objectOf(body, 'stream_options')['include_usage'] === true
  const others = asked && saysUsageNull ? { usage: null } : {}
  return {
    type: 'text/event-stream',
    pieces: [
      ...choices.map((choice) => event({ ...head, choices: [choice], ...others })),
      ...(asked ? [event({ ...head, choices: [], usage })] : []),
      event('[DONE]'),
    ],
  }
}

/** `POST /v1/chat/completions` */
export function chat(flavour: OpenaiFlavour, body: Body): Reply {
  return withModel(flavour, body, (model) => {
    const bound = numberOf(body, 'max_completion_tokens') ?? numberOf(body, 'max_tokens')
    const { words, isCut } = say(flavour.words, bound)
    const answers = numberOf(body, 'n') ?? 1
    const indexes = Array.from({ length: answers }, (_, index) => index)
    const usage = usageOf(countWords(textOf(body['messages'])), words.length * answers)
    const finish_reason = isCut ? 'length' : 'stop'
    if (body['stream'] === true) {
      const head = { ...ok, object: 'chat.completion.chunk', model }
      const choices = indexes.flatMap((index) => [
        { index, delta: { role: 'assistant', content: '' }, finish_reason: null },
        ...words.map((content) => ({ index, delta: { content }, finish_reason: null })),
        { index, delta: {}, finish_reason },
      ])
      return streamOf(flavour, body, head, choices, usage)
    }
    const message = { role: 'assistant', content: words.join('') }
    const choices = indexes.map((index) => ({ index, message, logprobs: null, finish_reason }))
    return { json: { ...ok, object: 'chat.completion', model, choices, usage } }
  })
}

/** `POST /v1/completions` */
export function completions(flavour: OpenaiFlavour, body: Body): Reply {
  return withModel(flavour, body, (model) => {
    const prompts = Array.isArray(body['prompt']) ? body['prompt'] : [body['prompt']]
    const { words, isCut } = say(flavour.words, numberOf(body, 'max_tokens') ?? 16)
    const answers = prompts.length * (numberOf(body, 'n') ?? 1)
    // Of the answers to one prompt the best are sent, and all of them are counted.
    const made = prompts.length * Math.max(numberOf(body, 'n') ?? 1, numberOf(body, 'best_of') ?? 1)
    const indexes = Array.from({ length: answers }, (_, index) => index)
    const usage = usageOf(countWords(textOf(prompts)), words.length * made)
    const head = { ...ok, id: 'cmpl-1', object: 'text_completion', model }
    const last = isCut ? 'length' : 'stop'
    if (body['stream'] === true) {
      const choices = indexes.flatMap((index) =>
        words.map((text, at) => ({
          index,
          text,
          logprobs: null,
          finish_reason: at === words.length - 1 ? last : null,
        })),
      )
      return streamOf(flavour, body, head, choices, usage)
    }
    const choices = indexes.map((index) => ({
      index,
      text: words.join(''),
      logprobs: null,
      finish_reason: last,
    }))
    return { json: { ...head, choices, usage } }
  })
}

/** `POST /v1/embeddings` */
export function embeddings(flavour: OpenaiFlavour, body: Body): Reply {
  return withModel(flavour, body, (model) => {
    const inputs = Array.isArray(body['input']) ? body['input'] : [body['input']]
    const prompt_tokens = countWords(textOf(inputs))
    const data = inputs.map((_, index) => ({ object: 'embedding', index, embedding: [0.25, -0.5, 1] }))
    return { json: { object: 'list', data, model, usage: { prompt_tokens, total_tokens: prompt_tokens } } }
  })
}

/** `POST /v1/responses` */
export function responses(flavour: OpenaiFlavour, body: Body): Reply {
  return withModel(flavour, body, (model) => {
    const { words, isCut } = say(flavour.words, numberOf(body, 'max_output_tokens'))
    const input = countWords(textOf(body['instructions'])) + countWords(textOf(body['input']))
    const usage = {
      input_tokens: input,
      input_tokens_details: { cached_tokens: 0 },
      output_tokens: words.length,
      output_tokens_details: { reasoning_tokens: 0 },
      total_tokens: input + words.length,
    }
    const status = isCut ? 'incomplete' : 'completed'
    const part = { type: 'output_text', text: words.join(''), annotations: [] }
    const item = { type: 'message', id: 'msg_1', status, role: 'assistant', content: [part] }
    const head = { id: 'resp_1', object: 'response', created_at: ok.created, model }
    const whole = {
      ...head,
      status,
      incomplete_details: isCut ? { reason: 'max_output_tokens' } : null,
      output: [item],
      usage,
    }
    if (body['stream'] !== true) return { json: whole }
    const begun = { response: { ...head, status: 'in_progress', output: [], usage: null } }
    const at = { item_id: 'msg_1', output_index: 0, content_index: 0 }
    const events: readonly (readonly [string, Body])[] = [
      ['response.created', begun],
      ['response.in_progress', begun],
      [
        'response.output_item.added',
        { output_index: 0, item: { ...item, status: 'in_progress', content: [] } },
      ],
      ['response.content_part.added', { ...at, part: { ...part, text: '' } }],
      ...words.map((delta): readonly [string, Body] => ['response.output_text.delta', { ...at, delta }]),
      ['response.output_text.done', { ...at, text: part.text }],
      ['response.content_part.done', { ...at, part }],
      ['response.output_item.done', { output_index: 0, item }],
      [`response.${status}`, { response: whole }],
    ]
    return {
      type: 'text/event-stream',
      pieces: events.map(([type, data], sequence_number) => event({ type, sequence_number, ...data }, type)),
    }
  })
}

/** `GET /v1/models` */
export function models({ models: ids }: OpenaiFlavour): Reply {
  const data = ids.map((id) => ({ id, object: 'model', created: ok.created, owned_by: 'simulator' }))
  return { json: { object: 'list', data } }
}
