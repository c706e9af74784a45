import { expect, test } from 'vitest'
import { type OpenGateway, openGateway } from './open-gateway.ts'
import { startTgi } from './simulators/tgi.ts'

/** Four words in, five out. */
const inputs = 'why is it blue'

async function openTgi(): Promise<{ readonly gateway: OpenGateway } & AsyncDisposable> {
  const tgi = await startTgi()
  const gateway = await openGateway({ upstreams: [{ preset: 'tgi', url: tgi.url }] })
  return {
    gateway,
    async [Symbol.asyncDispose]() {
      await gateway[Symbol.asyncDispose]()
      await tgi.close()
    },
  }
}

const generates = (path: string, more: object = {}) =>
  [path, { inputs, parameters: { max_new_tokens: 20, ...more } }] as const
const completes = (prompt: unknown, more: object = {}) =>
  ['/v1/completions', { prompt, max_tokens: 20, ...more }] as const

test.each([
  ['a whole answer, by its headers', generates('/generate'), 'upstream', 4, 5],
  [
    'one with details, whose body counts the answer alone',
    generates('/generate', { details: true }),
    'upstream',
    4,
    5,
  ],
  [
    'the best of two, with details of both',
    generates('/generate', { details: true, best_of: 2 }),
    'upstream',
    4,
    10,
  ],
  [
    'the best of two, of which the headers count one',
    generates('/generate', { best_of: 2 }),
    'estimated',
    4,
    10,
  ],
  ['a stream with details', generates('/generate_stream', { details: true }), 'upstream', 4, 5],
  ['a prompt of which the body counts nothing', completes(inputs), 'upstream', 4, 5],
  ['two prompts', completes([inputs, 'why so']), 'upstream', 6, 10],
  [
    'two prompts in a stream, each with a usage of its own',
    completes([inputs, 'why so'], { stream: true }),
    'upstream',
    6,
    10,
  ],
  ['one prompt in a stream', completes([inputs], { stream: true }), 'upstream', 4, 5],
] as const)('TGI’s usage is counted of %s', async (_, [path, body], usage, prompt, completion) => {
  await using opened = await openTgi()
  const { gateway } = opened
  const answer = await gateway.post(path, body)
  expect([answer.status, await answer.text()]).toEqual([200, expect.stringContaining('blue')])
  expect(gateway.records().at(-1)).toMatchObject({
    detail: { usage },
    measures: { prompt_tokens: prompt, completion_tokens: completion, tokens: prompt + completion },
  })
})
