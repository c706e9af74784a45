import type { Preset, PresetRoute } from './preset.ts'
import { chatCompletions, completions, models, tokenize } from './shared-routes.ts'

const generate: PresetRoute = {
  method: 'POST',
  path: '/generate',
  asks: 'its model',
  answeredBy: 'upstream',
  dialect: 'tgi',
  form: 'tgi',
  streams: 'never',
  output: {
    fields: ['parameters.max_new_tokens'],
    writes: 'parameters.max_new_tokens',
    isOpenBelowOne: false,
    answers: [['parameters.best_of']],
  },
}

/** Text Generation Inference: https://huggingface.co/docs/text-generation-inference */
export const tgi: Preset = {
  name: 'tgi',
  routes: [
    chatCompletions,
    // Each prompt is a call of its own, whose last event says its usage.
    { ...completions, addsUsages: true },
    generate,
    { ...generate, path: '/generate_stream', streams: 'always' },
    { ...tokenize, dialect: 'tgi' },
    ...models,
  ],
  management: ['/', '/invocations', '/vertex', '/info', '/chat_tokenize', '/ping', '/v2/*'],
  closedFields: [{ field: 'parameters.adapter_id' }],
  refusesMediaByUrl: true,
  readsImagesInText: true,
  // A body leaves out what was in its cache, and says nothing without `details`.
  usageHeaders: { prompt: 'x-prompt-tokens', completion: 'x-generated-tokens' },
  health: '/health',
  lists: { path: '/v1/models', form: 'openai' },
  hasTags: false,
  models: 'any',
}
