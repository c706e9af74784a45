import { messages } from './anthropic-routes.ts'
import { chat, completions, embeddings, models, type OpenaiFlavour, responses } from './openai-routes.ts'
import { type Body, type Reply, type Simulator, type SimulatorOptions, startSimulator } from './simulator.ts'
import { countWords, objectOf, say, textOf, usualWords } from './words.ts'

export interface OllamaOptions extends SimulatorOptions {
  /** @default llama3.2:3b and all-minilm:latest */
  readonly models?: readonly string[]
  /** Whether the prompt is in its cache: then it says nothing of its tokens. @default false */
  readonly isCached?: boolean
}

const createdAt = '2026-01-01T00:00:00Z'

/**
 * Ollama: https://github.com/ollama/ollama/blob/main/docs/api.md. `/api/chat` and `/api/generate`
 * stream unless `stream` is false; a name without a tag means `:latest`; names are compared without
 * regard to case.
 */
export function startOllama(options: OllamaOptions = {}): Promise<Simulator> {
  const { words = usualWords, isCached = false } = options
  const names = options.models ?? ['llama3.2:3b', 'all-minilm:latest']
  const nativeOf = (answer: (model: string, body: Body) => Reply) => (body: Body) => {
    const model = findModel(names, body['model'])
    return model === undefined ? noModel(body['model']) : answer(model, body)
  }
  const openai: OpenaiFlavour = {
    models: [...names, ...names.map((name) => name.replace(/:latest$/, ''))],
    words,
    saysUsageNull: false,
    noModel: (model) => openaiError(404, `model '${String(model)}' not found`),
  }
  return startSimulator(
    {
      'POST /api/chat': nativeOf((model, body) =>
        generated(body, countWords(textOf(body['messages'])), { words, isCached }, (content) => ({
          model,
          created_at: createdAt,
          message: { role: 'assistant', content },
        })),
      ),
      'POST /api/generate': nativeOf((model, body) =>
        generated(
          body,
          countWords(textOf([body['system'], body['prompt']])),
          { words, isCached },
          (response) => ({
            model,
            created_at: createdAt,
            response,
          }),
        ),
      ),
      'POST /api/embed': nativeOf((model, body) => {
        const inputs = [body['input']].flat()
        const prompt_eval_count = countWords(textOf(inputs))
        return { json: { model, embeddings: inputs.map(() => [0.25, -0.5, 1]), prompt_eval_count } }
      }),
      'POST /api/embeddings': nativeOf(() => ({ json: { embedding: [0.25, -0.5, 1] } })),
      'POST /api/show': nativeOf((model) => ({
        json: { modelfile: `FROM ${model}`, details: { family: 'llama' }, capabilities: ['completion'] },
      })),
      'GET /api/tags': () => ({
        json: { models: names.map((name) => ({ name, model: name, modified_at: createdAt, size: 1 })) },
      }),
      'GET /api/version': () => ({ json: { version: '0.13.0' } }),
      'HEAD /': () => ({ text: '' }),
      'GET /': () => ({ text: 'Ollama is running' }),
      'POST /v1/chat/completions': (body) => chat(openai, body),
      'POST /v1/completions': (body) => completions(openai, body),
      'POST /v1/responses': (body) => responses(openai, body),
      'POST /v1/embeddings': (body) => embeddings(openai, body),
      'POST /v1/messages': (body) => messages({ ...openai, startsWithZero: true }, body),
      'GET /v1/models': () => models({ ...openai, models: names }),
      ...management,
    },
    () => ({ status: 404, text: '404 page not found' }),
    options,
  )
}

const done: Reply = { json: { status: 'success' } }

/** A call that reaches these has deleted a model, or filled the disk. */
const management = {
  'POST /api/pull': () => done,
  'POST /api/push': () => done,
  'POST /api/create': () => done,
  'POST /api/copy': () => done,
  'DELETE /api/delete': () => done,
  'POST /api/blobs/*': () => done,
  'HEAD /api/blobs/*': () => done,
  'GET /api/ps': () => ({ json: { models: [] } }),
}

function findModel(names: readonly string[], asked: unknown): string | undefined {
  if (typeof asked !== 'string') return undefined
  const full = (asked.includes(':') ? asked : `${asked}:latest`).toLowerCase()
  return names.find((name) => name.toLowerCase() === full)
}

/** A line for each token, and one that is done; or all of it at once. */
function generated(
  body: Body,
  promptTokens: number,
  { words: all, isCached }: { readonly words: readonly string[]; readonly isCached: boolean },
  lineOf: (text: string) => Body,
): Reply {
  const { words, isCut } = say(all, objectOf(body, 'options')['num_predict'])
  const end = {
    done: true,
    done_reason: isCut ? 'length' : 'stop',
    total_duration: 5_000_000,
    load_duration: 1_000_000,
    ...(!isCached && { prompt_eval_count: promptTokens }),
    prompt_eval_duration: 1_000_000,
    eval_count: words.length,
    eval_duration: 3_000_000,
  }
  if (body['stream'] === false) return { json: { ...lineOf(words.join('')), ...end } }
  const lines = [...words.map((word) => ({ ...lineOf(word), done: false })), { ...lineOf(''), ...end }]
  return { type: 'application/x-ndjson', pieces: lines.map((line) => `${JSON.stringify(line)}\n`) }
}

function noModel(model: unknown): Reply {
  if (typeof model !== 'string' || model === '') return { status: 400, json: { error: 'model is required' } }
  return { status: 404, json: { error: `model '${model}' not found` } }
}

function openaiError(status: number, message: string): Reply {
  return { status, json: { error: { message, type: 'not_found_error', param: null, code: null } } }
}
