import type { OutputBound, Preset, PresetRoute } from './preset.ts'
import {
  chatCompletions,
  closedOfResponses,
  completions,
  countTokens,
  detokenize,
  embeddings,
  hostedTools,
  messages,
  models,
  rerank,
  responses,
  tokenize,
} from './shared-routes.ts'

/**
 * On every route but Anthropic's it reads its own names too, and before all others: `n_predict`
 * stands against `max_tokens`, `n_cmpl` against `n`; −1 is no bound under any name.
 * https://github.com/ggml-org/llama.cpp/blob/master/tools/server/server-schema.cpp
 */
const output: OutputBound = {
  fields: ['n_predict', 'max_completion_tokens', 'max_tokens'],
  writes: 'n_predict',
  isOpenBelowOne: true,
  answers: [['n_cmpl', 'n']],
}

const completion: PresetRoute = {
  method: 'POST',
  path: '/completion',
  asks: 'its model',
  answeredBy: 'upstream',
  dialect: 'openai',
  form: 'llama.cpp',
  streams: 'asked',
  output: { ...output, prompts: 'prompt' },
}

/** llama.cpp's server: https://github.com/ggml-org/llama.cpp/blob/master/tools/server/README.md */
export const llamaCpp: Preset = {
  name: 'llama.cpp',
  routes: [
    { ...chatCompletions, output },
    {
      ...completions,
      output: { ...output, answers: [['n_cmpl', 'n', 'best_of']], prompts: 'prompt' },
    },
    { ...responses, output: { ...output, fields: ['max_output_tokens', ...output.fields] } },
    { ...messages, output: { ...messages.output, isOpenBelowOne: true } },
    countTokens,
    embeddings,
    ...rerank,
    completion,
    { ...completion, path: '/infill' },
    tokenize,
    detokenize,
    { ...tokenize, path: '/apply-template' },
    ...models,
  ],
  management: ['/props', '/slots*', '/lora-adapters', '/models/*', '/tools', '/api/*'],
  closedFields: [
    { field: 'id_slot' },
    { field: 'lora' },
    // It can leave out what usage and the end are read from.
    { field: 'response_fields', paths: ['/completion', '/infill'] },
    hostedTools('/v1/chat/completions', '/v1/responses', '/v1/messages'),
    ...closedOfResponses,
  ],
  refusesMediaByUrl: true,
  counter: 'llama.cpp',
  health: '/health',
  lists: { path: '/v1/models', form: 'openai' },
  hasTags: false,
  models: 'any',
}
