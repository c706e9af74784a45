import type { Preset } from './preset.ts'
import {
  chatCompletions,
  closedOfResponses,
  completions,
  embeddings,
  models,
  responses,
} from './shared-routes.ts'

/** OpenAI, and who offers the same over the internet: https://platform.openai.com/docs/api-reference */
export const openai: Preset = {
  name: 'openai',
  routes: [
    {
      ...chatCompletions,
      // Its newer models refuse `max_tokens`.
      output: { ...chatCompletions.output, writes: 'max_completion_tokens' },
    },
    completions,
    responses,
    embeddings,
    ...models,
  ],
  management: [
    '/v1/files*',
    '/v1/batches*',
    '/v1/fine_tuning*',
    '/v1/assistants*',
    '/v1/threads*',
    '/v1/vector_stores*',
    '/v1/responses/*',
    '/v1/conversations*',
    '/v1/organization*',
    '/v1/audio*',
    '/v1/images*',
    '/v1/realtime*',
  ],
  closedFields: [{ field: 'service_tier' }, ...closedOfResponses],
  refusesMediaByUrl: false,
  lists: { path: '/v1/models', form: 'openai' },
  hasTags: false,
  models: 'listed',
}
