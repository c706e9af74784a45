import { chat, completions, embeddings, models, type OpenaiFlavour, responses } from './openai-routes.ts'
import { type Reply, type Simulator, type SimulatorOptions, startSimulator } from './simulator.ts'
import { usualWords } from './words.ts'

/** Its own management: answered, so that a call that reaches it is seen to have had an effect. */
const managed: Reply = { json: { object: 'list', data: [], has_more: false } }

/**
 * The API of OpenAI: https://platform.openai.com/docs/api-reference. Usage comes in a stream only
 * where `stream_options.include_usage` asks, in an event without choices, and `"usage":null` in all
 * before it.
 */
export function startOpenai(
  options: SimulatorOptions & { readonly models?: readonly string[] } = {},
): Promise<Simulator> {
  const flavour: OpenaiFlavour = {
    models: options.models ?? ['gpt-5-mini'],
    words: options.words ?? usualWords,
    saysUsageNull: true,
    noModel: (model) => failure(404, `The model \`${String(model)}\` does not exist`, 'model_not_found'),
  }
  return startSimulator(
    {
      'POST /v1/chat/completions': (body) => chat(flavour, body),
      'POST /v1/completions': (body) => completions(flavour, body),
      'POST /v1/responses': (body) => responses(flavour, body),
      'POST /v1/embeddings': (body) => embeddings(flavour, body),
      'GET /v1/models': () => models(flavour),
      'GET /v1/files*': () => managed,
      'POST /v1/files*': () => managed,
      'GET /v1/responses/*': () => managed,
      'GET /v1/batches*': () => managed,
      'POST /v1/batches*': () => managed,
      'GET /v1/organization*': () => managed,
    },
    (method, path) => failure(404, `Invalid URL (${method} ${path})`, null),
    options,
  )
}

function failure(status: number, message: string, code: string | null): Reply {
  return { status, json: { error: { message, type: 'invalid_request_error', param: null, code } } }
}
