import { chat, models, type OpenaiFlavour } from './openai-routes.ts'
import { type Body, type Reply, type Simulator, type SimulatorOptions, startSimulator } from './simulator.ts'
import { countWords, event, numberOf, objectOf, say, textOf, usualWords } from './words.ts'

/**
 * Text Generation Inference: https://huggingface.github.io/text-generation-inference, and
 * `router/src/server.rs`. It has one model and answers for it whatever `model` says. `details` are
 * null unless `parameters.details` asks for them; only those of a stream have `input_length`, a
 * whole answer says it in `x-prompt-tokens`. A fault of a stream is an event of status 200. Each
 * prompt of `/v1/completions` is a call of its own; `n` is not read, and of a prompt that is in the
 * cache the body counts nothing.
 */
export function startTgi(options: SimulatorOptions & { readonly model?: string } = {}): Promise<Simulator> {
  const { words = usualWords, model = 'HuggingFaceH4/zephyr-7b-beta' } = options
  const flavour: OpenaiFlavour = {
    models: [model],
    words,
    saysUsageNull: false,
    noModel: () => ({ json: {} }),
  }
  const asItsModel = (body: Body): Body => ({ ...body, model })
  return startSimulator(
    {
      'POST /generate': (body) => generate(words, body),
      'POST /generate_stream': (body) => generateStream(words, body),
      'POST /v1/chat/completions': (body) => chat(flavour, asItsModel(body)),
      'POST /v1/completions': (body) => complete(words, model, body),
      'POST /tokenize': (body) => {
        const tokens = textOf(body['inputs']).split(/\s+/)
        return { json: tokens.map((text, id) => ({ id, text, start: 0, stop: text.length })) }
      },
      'GET /v1/models': () => models(flavour),
      'GET /health': () => ({ text: '' }),
      // Open by itself, and closed by the gateway: the same inference under other names.
      'POST /': (body) => (body['stream'] === true ? generateStream(words, body) : generate(words, body)),
      'POST /invocations': (body) => generate(words, body),
      'POST /vertex': (body) => generate(words, body),
      'GET /info': () => ({ json: { model_id: model, max_total_tokens: 4096 } }),
      'GET /ping': () => ({ text: '' }),
      'POST /chat_tokenize': () => ({ json: {} }),
      'GET /metrics': () => ({ text: 'tgi_request_count 0\n' }),
    },
    () => ({ status: 404, text: '' }),
    options,
  )
}

interface Generation {
  readonly text: string
  readonly words: readonly string[]
  readonly input: number
  readonly details: Body
}

function generation(all: readonly string[], body: Body): Generation {
  const parameters = objectOf(body, 'parameters')
  // Its default is 100.
  const { words, isCut } = say(all, numberOf(parameters, 'max_new_tokens') ?? 100)
  const details = {
    finish_reason: isCut ? 'length' : 'eos_token',
    generated_tokens: words.length,
    seed: null,
  }
  return { text: words.join(''), words, input: countWords(textOf(body['inputs'])), details }
}

function tokensOf(words: readonly string[]): readonly Body[] {
  return words.map((text, id) => ({ id, text, logprob: -0.5, special: false }))
}

function generate(all: readonly string[], body: Body): Reply {
  const parameters = objectOf(body, 'parameters')
  const { text, words, input, details } = generation(all, body)
  const others = (numberOf(parameters, 'best_of') ?? 1) - 1
  const sequence = { generated_text: text, ...details, prefill: [], tokens: tokensOf(words) }
  const best = others > 0 && { best_of_sequences: Array.from({ length: others }, () => sequence) }
  const asked = parameters['details'] === true || parameters['decoder_input_details'] === true
  return {
    headers: { 'x-prompt-tokens': String(input), 'x-generated-tokens': String(words.length) },
    json: {
      generated_text: text,
      details: asked ? { ...details, prefill: [], tokens: tokensOf(words), ...best } : null,
    },
  }
}

function generateStream(all: readonly string[], body: Body): Reply {
  const parameters = objectOf(body, 'parameters')
  if ((numberOf(parameters, 'best_of') ?? 1) !== 1) {
    const error = 'Input validation error: `best_of` != 1 is not supported when streaming tokens'
    return { type: 'text/event-stream', pieces: [event({ error, error_type: 'validation' })] }
  }
  const { text, words, input, details } = generation(all, body)
  const asked = parameters['details'] === true
  const pieces = tokensOf(words).map((token, at) => {
    const isLast = at === words.length - 1
    const end = isLast && {
      generated_text: text,
      details: asked ? { ...details, input_length: input } : null,
    }
    return event({ index: at + 1, token, generated_text: null, details: null, ...end })
  })
  return { type: 'text/event-stream', pieces }
}

function complete(all: readonly string[], model: string, body: Body): Reply {
  const { words, isCut } = say(all, numberOf(body, 'max_tokens') ?? 100)
  const prompts = [body['prompt']].flat()
  const head = { object: 'text_completion', id: '', created: 1, model, system_fingerprint: '3-native' }
  const finish_reason = isCut ? 'length' : 'eos_token'
  if (body['stream'] !== true) {
    const choices = prompts.map((_, index) => ({
      index,
      text: words.join(''),
      logprobs: null,
      finish_reason,
    }))
    const tokens = words.length * prompts.length
    return {
      headers: {
        'x-prompt-tokens': String(countWords(textOf(prompts))),
        'x-generated-tokens': String(tokens),
      },
      json: { ...head, choices, usage: usageOf(0, tokens) },
    }
  }
  const pieces = words.flatMap((text, at) =>
    prompts.map((prompt, index) => {
      const isLast = at === words.length - 1
      const choices = [{ index, text, logprobs: null, finish_reason: isLast ? finish_reason : '' }]
      const usage = usageOf(countWords(textOf(prompt)), words.length)
      return event({ ...head, choices, ...(isLast && { usage }) })
    }),
  )
  return { type: 'text/event-stream', pieces: [...pieces, 'data: [DONE]\n\n'] }
}

function usageOf(prompt_tokens: number, completion_tokens: number): Body {
  return { prompt_tokens, completion_tokens, total_tokens: prompt_tokens + completion_tokens }
}
