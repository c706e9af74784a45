import type { ClosedField, Preset } from './preset.ts'
import {
  chatCompletions,
  closedOfResponses,
  completions,
  embeddings,
  hostedTools,
  models,
  responses,
} from './shared-routes.ts'

/** Reasoning that does not come with the call is looked up by its id. */
function withEncryptedReasoning(closed: ClosedField): ClosedField {
  if (closed.types === undefined) return closed
  return { ...closed, types: { ...closed.types, needs: { reasoning: 'encrypted_content' } } }
}

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
  closedFields: [
    { field: 'service_tier' },
    { field: 'store', paths: ['/v1/chat/completions'], value: true },
    { field: 'web_search_options', paths: ['/v1/chat/completions'] },
    hostedTools('/v1/chat/completions', '/v1/responses'),
    ...closedOfResponses.map(withEncryptedReasoning),
    // What it has said before, by its id.
    { field: 'audio.id', isInItems: true },
  ],
  refusesMediaByUrl: false,
  lists: { path: '/v1/models', form: 'openai' },
  hasTags: false,
  models: 'listed',
}
