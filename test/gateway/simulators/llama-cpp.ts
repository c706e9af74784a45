import { countTokens, messages } from './anthropic-routes.ts'
import { chat, completions, embeddings, models, type OpenaiFlavour, responses } from './openai-routes.ts'
import { type Body, type Reply, type Simulator, type SimulatorOptions, startSimulator } from './simulator.ts'
import { countWords, event, numberOf, say, textOf, usualWords } from './words.ts'

export interface LlamaCppOptions extends SimulatorOptions {
  /** Its alias, the one name that it lists. */
  readonly model?: string
  /** Whether it still loads its model: 503 on every route. @default false */
  readonly isLoading?: boolean
}

/**
 * llama.cpp's server: https://github.com/ggml-org/llama.cpp/blob/master/tools/server/README.md. It
 * has one model and answers for it whatever `model` says; `n_predict` −1 is no bound.
 */
export function startLlamaCpp(options: LlamaCppOptions = {}): Promise<Simulator> {
  const { words = usualWords, model = 'qwen3-4b', isLoading = false } = options
  const flavour: OpenaiFlavour = {
    models: [model],
    words,
    saysUsageNull: false,
    noModel: () => failure(404, 'model not found', 'not_found_error'),
  }
  const itsOwn = (answer: (body: Body) => Reply) => (body: Body) =>
    isLoading ? failure(503, 'Loading model', 'unavailable_error') : answer({ ...body, model })
  return startSimulator(
    {
      'POST /completion': itsOwn((body) => completion(words, body)),
      'POST /infill': itsOwn((body) =>
        completion(words, { ...body, prompt: [body['input_prefix'], body['input_suffix']].join(' ') }),
      ),
      'POST /v1/chat/completions': itsOwn((body) => chat(flavour, body)),
      'POST /v1/completions': itsOwn((body) => completions(flavour, body)),
      'POST /v1/responses': itsOwn((body) => responses(flavour, body)),
      'POST /v1/messages': itsOwn((body) => messages({ ...flavour, startsWithZero: false }, body)),
      'POST /v1/messages/count_tokens': itsOwn(countTokens),
      'POST /v1/embeddings': itsOwn((body) => embeddings(flavour, body)),
      'POST /v1/rerank': itsOwn(rerank),
      'POST /rerank': itsOwn(rerank),
      'POST /tokenize': itsOwn((body) => ({
        json: { tokens: Array.from({ length: countWords(textOf(body['content'])) }, (_, at) => at) },
      })),
      'POST /detokenize': itsOwn(() => ({ json: { content: words.join('') } })),
      'POST /apply-template': itsOwn((body) => ({ json: { prompt: `<s>${textOf(body['messages'])}</s>` } })),
      'GET /v1/models': () => models(flavour),
      'GET /health': itsOwn(() => ({ json: { status: 'ok' } })),
      ...management,
    },
    () => failure(404, 'File Not Found', 'not_found_error'),
    options,
  )
}

/** A call that reaches these has read what others asked, or changed the server. */
const management = {
  'GET /props': () => ({ json: { chat_template: '', total_slots: 1 } }),
  'POST /props': () => ({ json: { success: true } }),
  'GET /slots': () => ({ json: [{ id: 0, prompt: 'what another client asked' }] }),
  'POST /slots/*': () => ({ json: { filename: 'slot.bin' } }),
  'GET /lora-adapters': () => ({ json: [] }),
  'POST /lora-adapters': () => ({ json: { success: true } }),
  'POST /models/*': () => ({ json: { success: true } }),
  'GET /metrics': () => ({ text: 'llamacpp:tokens_predicted_total 0\n' }),
}

function failure(code: number, message: string, type: string): Reply {
  return { status: code, json: { error: { code, message, type } } }
}

function completion(all: readonly string[], body: Body): Reply {
  const { words, isCut } = say(all, numberOf(body, 'n_predict'))
  const prompts = Array.isArray(body['prompt']) ? body['prompt'] : [body['prompt']]
  const answers = prompts.flatMap((prompt) => {
    const copies = Array.from({ length: numberOf(body, 'n_cmpl') ?? 1 }, () => prompt)
    return copies.map((one) => countWords(textOf(one)))
  })
  const endOf = (tokens_evaluated: number, content: string, index: number): Body => ({
    index,
    content,
    tokens: [],
    id_slot: 0,
    stop: true,
    model: body['model'],
    tokens_predicted: words.length,
    tokens_evaluated,
    truncated: false,
    stop_type: isCut ? 'limit' : 'eos',
    stopping_word: '',
    tokens_cached: tokens_evaluated + words.length,
  })
  if (body['stream'] === true) {
    const pieces = answers.flatMap((tokens_evaluated, index) => [
      ...words.map((content, at) =>
        event({
          index,
          content,
          tokens: [at],
          stop: false,
          id_slot: 0,
          tokens_predicted: at + 1,
          tokens_evaluated,
        }),
      ),
      event(endOf(tokens_evaluated, '', index)),
    ])
    return { type: 'text/event-stream', pieces }
  }
  const whole = answers.map((tokens, index) => endOf(tokens, words.join(''), index))
  return { json: whole.length === 1 ? whole[0] : whole }
}

function rerank(body: Body): Reply {
  const documents = [body['documents']].flat()
  const tokens = countWords(textOf(body['query'])) * documents.length + countWords(textOf(documents))
  const results = documents.map((_, index) => ({ index, relevance_score: 1 / (index + 1) }))
  return {
    json: {
      model: body['model'],
      object: 'list',
      usage: { prompt_tokens: tokens, total_tokens: tokens },
      results,
    },
  }
}
