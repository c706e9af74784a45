import type { ClosedField, OutputBound, PresetRoute } from './preset.ts'

/** A route whose answers have tokens. */
interface AnsweredRoute extends PresetRoute {
  readonly output: OutputBound
}

/** Routes that several kinds of servers have, as OpenAI and Anthropic define them. */

export const chatCompletions: AnsweredRoute = {
  method: 'POST',
  path: '/v1/chat/completions',
  asks: 'its model',
  answeredBy: 'upstream',
  dialect: 'openai',
  form: 'openai',
  streams: 'asked',
  output: {
    fields: ['max_completion_tokens', 'max_tokens'],
    writes: 'max_tokens',
    isOpenBelowOne: false,
    answers: [['n']],
  },
}

export const completions: AnsweredRoute = {
  method: 'POST',
  path: '/v1/completions',
  asks: 'its model',
  answeredBy: 'upstream',
  dialect: 'openai',
  form: 'openai',
  streams: 'asked',
  output: {
    fields: ['max_tokens'],
    writes: 'max_tokens',
    isOpenBelowOne: false,
    answers: [['n', 'best_of']],
    prompts: 'prompt',
  },
}

export const responses: AnsweredRoute = {
  method: 'POST',
  path: '/v1/responses',
  asks: 'its model',
  answeredBy: 'upstream',
  dialect: 'openai',
  form: 'responses',
  streams: 'asked',
  output: {
    fields: ['max_output_tokens'],
    writes: 'max_output_tokens',
    isOpenBelowOne: false,
    answers: [],
  },
}

export const messages: AnsweredRoute = {
  method: 'POST',
  path: '/v1/messages',
  asks: 'its model',
  answeredBy: 'upstream',
  dialect: 'anthropic',
  form: 'anthropic',
  streams: 'asked',
  output: { fields: ['max_tokens'], writes: 'max_tokens', isOpenBelowOne: false, answers: [] },
}

export const countTokens: PresetRoute = {
  method: 'POST',
  path: '/v1/messages/count_tokens',
  asks: 'its model',
  answeredBy: 'upstream',
  dialect: 'anthropic',
  streams: 'never',
}

export const embeddings: PresetRoute = {
  method: 'POST',
  path: '/v1/embeddings',
  asks: 'its model',
  answeredBy: 'upstream',
  dialect: 'openai',
  form: 'openai',
  streams: 'never',
}

export const rerank: readonly PresetRoute[] = [
  { ...embeddings, path: '/v1/rerank' },
  { ...embeddings, path: '/rerank' },
]

/** What works on text without a model's answer: of `/tokenize` the prompt alone is read. */
export const tokenize: PresetRoute = {
  method: 'POST',
  path: '/tokenize',
  asks: 'its model',
  answeredBy: 'upstream',
  dialect: 'openai',
  streams: 'never',
}

export const detokenize: PresetRoute = { ...tokenize, path: '/detokenize' }

/** Answered by the gateway: an upstream would name models that a key may not use. */
export const models: readonly PresetRoute[] = [
  {
    method: 'GET',
    path: '/v1/models',
    asks: 'any model',
    answeredBy: 'model list',
    dialect: 'openai',
    streams: 'never',
  },
  {
    method: 'GET',
    path: '/v1/models/{id}',
    asks: 'any model',
    answeredBy: 'model',
    dialect: 'openai',
    streams: 'never',
  },
]

/**
 * What lives behind an id at an upstream belongs to its one credential: any caller could read
 * another's. In the background an answer would have no end that is charged.
 *
 * https://platform.openai.com/docs/api-reference/responses/create: a response is stored unless
 * `store` is false, and an item without a `type` is a reference where it has an `id` alone.
 */
export const closedOfResponses: readonly ClosedField[] = [
  { field: 'previous_response_id', paths: ['/v1/responses'] },
  { field: 'conversation', paths: ['/v1/responses'] },
  { field: 'prompt', paths: ['/v1/responses'] },
  { field: 'background', paths: ['/v1/responses'], value: true },
  { field: 'store', paths: ['/v1/responses'], value: true, isWrittenFalse: true },
  {
    field: 'input',
    paths: ['/v1/responses'],
    types: {
      open: [
        'message',
        'function_call',
        'function_call_output',
        'custom_tool_call',
        'custom_tool_call_output',
        'reasoning',
      ],
      untyped: ['role', 'content'],
    },
  },
  { field: 'file_id', isInItems: true },
]

/**
 * Tools that the caller runs itself. All others run at the upstream, on its credential: they
 * search, run code, read its files, and ask servers that a caller names.
 */
export function hostedTools(...paths: readonly string[]): ClosedField {
  return { field: 'tools', paths, types: { open: ['function', 'custom'] } }
}
