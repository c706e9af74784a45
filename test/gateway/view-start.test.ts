import { expect, test } from 'vitest'
import { viewUpstreamsAtStart } from '../../src/server/gateway/view-start.ts'
import { openGateway } from './open-gateway.ts'
import { startOllama } from './simulators/ollama.ts'

test('a server that has begun to listen knows a model to chat with, and no model of embeddings', async () => {
  await using ollama = await startOllama({ models: ['all-minilm:latest', 'llama3.2:3b'] })
  await using open = await openGateway({ upstreams: [{ preset: 'ollama', url: ollama.url }] })
  expect(await viewUpstreamsAtStart(open.gateway)).toEqual({
    upstreams: [{ name: 'ollama', url: ollama.url, isOut: false, lacksModels: false }],
    chat: { path: '/v1/chat/completions', model: 'llama3.2:3b' },
  })
})

test('an upstream that cannot be reached is out, and a name of the operator’s own comes first', async () => {
  const url = 'http://127.0.0.1:9'
  await using open = await openGateway({
    upstreams: [{ preset: 'ollama', url, prefix: '/local' }],
    models: [{ name: 'fast', to: [{ upstream: 'ollama', model: 'llama3.2:3b' }], limits: [] }],
  })
  expect(await viewUpstreamsAtStart(open.gateway)).toEqual({
    upstreams: [{ name: 'ollama', url, isOut: true, lacksModels: false }],
    chat: { path: '/local/v1/chat/completions', model: 'fast' },
  })
})

test('an upstream of which only named models are served lacks models where none is named', async () => {
  const url = 'http://127.0.0.1:9'
  const named = [{ name: 'fast', to: [{ upstream: 'openai', model: 'gpt-5-mini' }], limits: [] }]
  for (const models of [[], named]) {
    await using open = await openGateway({ upstreams: [{ preset: 'openai', url }], models })
    const { upstreams } = await viewUpstreamsAtStart(open.gateway)
    expect(upstreams).toEqual([{ name: 'openai', url, isOut: false, lacksModels: models.length === 0 }])
  }
})
