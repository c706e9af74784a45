import { expect, test } from 'vitest'
import { testUpstream } from '../../../test/support/test-upstream.ts'
import type { JobInput } from '../../gateway/call/job-call.ts'
import { createGatewayJobs, laneOf } from './gateway-jobs.ts'

const input: JobInput = { path: '/v1/chat/completions', body: '{}', headers: {}, requestId: 'request-1' }

test('jobs hold no more memory at once than they may, whichever lane they wait in: others are tried later', async () => {
  const upstreams = ['one', 'two'].map((name) => testUpstream({ preset: 'vllm', name }))
  const { lanes, open } = createGatewayJobs({ upstreams, answerMax: 1_000 }, 3_500)
  const answer = Promise.withResolvers<string>()
  open({ runJob: () => answer.promise })
  const run = async (upstream: string, owner: string) =>
    lanes.get(laneOf(upstream))?.predict([input], {
      owner,
      keyId: 'key',
      signal: new AbortController().signal,
      deadlineMs: 1_000,
      onQueued() {},
      onUsed() {},
    })
  const first = run('one', 'acme')
  await expect(run('two', 'acme')).rejects.toMatchObject({ code: 'overloaded' })
  const other = run('two', 'globex')
  await expect(run('one', 'initech')).rejects.toMatchObject({ code: 'overloaded' })
  answer.resolve('1')
  expect(await Promise.all([first, other])).toEqual(['[1]', '[1]'])
  expect(await run('two', 'initech')).toBe('[1]')
})
