import type { OutputBound, Preset, PresetRoute } from './preset.ts'
import {
  chatCompletions,
  closedOfResponses,
  completions,
  embeddings,
  hostedTools,
  messages,
  models,
  responses,
} from './shared-routes.ts'

/** Its own API streams unless it is told not to. */
const ollamaChat: PresetRoute = {
  method: 'POST',
  path: '/api/chat',
  asks: 'its model',
  answeredBy: 'upstream',
  dialect: 'ollama',
  form: 'ollama',
  streams: 'unless refused',
  output: {
    fields: ['options.num_predict'],
    writes: 'options.num_predict',
    isOpenBelowOne: true,
    answers: [],
  },
}

const ollamaEmbed: PresetRoute = {
  method: 'POST',
  path: '/api/embed',
  asks: 'its model',
  answeredBy: 'upstream',
  dialect: 'ollama',
  form: 'ollama',
  streams: 'never',
}

/**
 * It reads `max_tokens` alone, hands it on as `num_predict`, and means no bound by 0 and −1.
 * https://github.com/ollama/ollama/blob/main/openai/openai.go
 */
const chatOutput: OutputBound = {
  ...chatCompletions.output,
  fields: ['max_tokens'],
  isOpenBelowOne: true,
}

/** Ollama: https://docs.ollama.com/api */
export const ollama: Preset = {
  name: 'ollama',
  routes: [
    { ...chatCompletions, output: chatOutput },
    { ...completions, output: { ...completions.output, isOpenBelowOne: true } },
    { ...responses, output: { ...responses.output, isOpenBelowOne: true } },
    messages,
    embeddings,
    ollamaChat,
    { ...ollamaChat, path: '/api/generate' },
    ollamaEmbed,
    { ...ollamaEmbed, path: '/api/embeddings' },
    {
      method: 'POST',
      path: '/api/show',
      asks: 'its model',
      answeredBy: 'upstream',
      dialect: 'ollama',
      streams: 'never',
    },
    {
      method: 'GET',
      path: '/api/version',
      asks: 'any model',
      answeredBy: 'upstream',
      dialect: 'ollama',
      streams: 'never',
    },
    // Its client asks this first, to know whether the server is there.
    {
      method: 'HEAD',
      path: '/',
      asks: 'any model',
      answeredBy: 'upstream',
      dialect: 'ollama',
      streams: 'never',
    },
    ...models,
    {
      method: 'GET',
      path: '/api/tags',
      asks: 'any model',
      answeredBy: 'model list',
      dialect: 'ollama',
      streams: 'never',
    },
  ],
  management: [
    '/api/pull',
    '/api/push',
    '/api/delete',
    '/api/create',
    '/api/copy',
    '/api/blobs/*',
    '/api/ps',
    '/api/status',
    '/api/me',
    '/api/signout',
    '/api/user/*',
    '/api/experimental/*',
  ],
  closedFields: [
    { field: 'keep_alive' },
    { field: 'options.num_ctx' },
    { field: 'options.num_gpu' },
    { field: 'options.main_gpu' },
    { field: 'options.num_thread' },
    { field: 'options.use_mmap' },
    // An older word for the model.
    { field: 'name', paths: ['/api/show'] },
    hostedTools('/v1/chat/completions', '/v1/responses', '/v1/messages'),
    ...closedOfResponses,
  ],
  refusesMediaByUrl: true,
  health: '/api/version',
  lists: { path: '/api/tags', form: 'ollama' },
  hasTags: true,
  models: 'any',
}
