import { countTokens, messages } from './anthropic-routes.ts'
import { chat, completions, embeddings, models, type OpenaiFlavour, responses } from './openai-routes.ts'
import { type Body, type Reply, type Simulator, type SimulatorOptions, startSimulator } from './simulator.ts'
import { countWords, textOf, usualWords } from './words.ts'

/**
 * vLLM: https://docs.vllm.ai/en/latest/serving/openai_compatible_server.html. Its own `--api-key`
 * guards `/v1` alone: all that is behind other paths answers without.
 */
export function startVllm(
  options: SimulatorOptions & { readonly models?: readonly string[] } = {},
): Promise<Simulator> {
  const flavour: OpenaiFlavour = {
    models: options.models ?? ['meta-llama/Llama-3.2-3B'],
    words: options.words ?? usualWords,
    saysUsageNull: false,
    noModel: (model) => failure(404, `The model \`${String(model)}\` does not exist.`, 'NotFoundError'),
  }
  return startSimulator(
    {
      'POST /v1/chat/completions': (body) => chat(flavour, body),
      'POST /v1/completions': (body) => completions(flavour, body),
      'POST /v1/responses': (body) => responses(flavour, body),
      'POST /v1/messages': (body) => messages({ ...flavour, startsWithZero: false }, body),
      'POST /v1/messages/count_tokens': countTokens,
      'POST /v1/embeddings': (body) => embeddings(flavour, body),
      'POST /v1/rerank': rerank,
      'POST /rerank': rerank,
      'POST /v1/score': score,
      'POST /score': score,
      'POST /classify': (body) => scored(body, 'input', { label: 'LABEL_0', probs: [0.75, 0.25] }),
      'POST /pooling': (body) => scored(body, 'input', { data: [0.25, -0.5] }),
      'POST /tokenize': (body) => {
        const count = countWords(textOf(body['prompt'] ?? body['messages']))
        return { json: { count, max_model_len: 4096, tokens: Array.from({ length: count }, (_, at) => at) } }
      },
      'POST /detokenize': () => ({ json: { prompt: flavour.words.join('') } }),
      'GET /v1/models': () => models(flavour),
      'GET /health': () => ({ text: '' }),
      ...management,
    },
    () => ({ status: 404, json: { detail: 'Not Found' } }),
    options,
  )
}

const done: Reply = { text: '' }

/** A call that reaches these has loaded a file of its choice, or stopped the server. */
const management = {
  'POST /v1/load_lora_adapter': () => ({ text: 'Success: LoRA adapter added successfully.' }),
  'POST /v1/unload_lora_adapter': () => done,
  'POST /invocations': (body: Body) => scored(body, 'messages', { generated: true }),
  'POST /pause': () => done,
  'POST /resume': () => done,
  'POST /sleep': () => done,
  'POST /wake_up': () => done,
  'POST /collective_rpc': () => done,
  'POST /reset_prefix_cache': () => done,
  'POST /start_profile': () => done,
  'POST /stop_profile': () => done,
  'GET /server_info': () => ({ json: { vllm_config: 'everything' } }),
  'GET /load': () => ({ json: { server_load: 0 } }),
  'GET /version': () => ({ json: { version: '0.13.0' } }),
  'GET /metrics': () => ({ text: 'vllm:num_requests_running 0\n' }),
}

function failure(code: number, message: string, type: string): Reply {
  return { status: code, json: { error: { message, type, param: null, code } } }
}

function usageOf(tokens: number): Body {
  return { prompt_tokens: tokens, total_tokens: tokens }
}

function rerank(body: Body): Reply {
  const documents = [body['documents']].flat()
  const tokens = countWords(textOf(body['query'])) * documents.length + countWords(textOf(documents))
  const results = documents.map((text, index) => ({
    index,
    document: { text },
    relevance_score: 1 / (index + 1),
  }))
  return { json: { id: 'rerank-1', model: body['model'], usage: usageOf(tokens), results } }
}

function score(body: Body): Reply {
  return scored(body, 'text_2', { object: 'score', score: 0.5 }, countWords(textOf(body['text_1'])))
}

function scored(body: Body, member: string, each: Body, more = 0): Reply {
  const inputs = [body[member]].flat()
  const usage = usageOf(countWords(textOf(inputs)) + more)
  const data = inputs.map((_, index) => ({ index, ...each }))
  return { json: { id: 'score-1', object: 'list', model: body['model'], data, usage } }
}
