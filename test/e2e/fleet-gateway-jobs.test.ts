import { afterAll, beforeAll, expect, test } from 'vitest'
import type { JobView } from '../../src/jobs/view-job.ts'
import type { RunningServer } from '../../src/server/server-options.ts'
import { type Behaviour, startHostile, usage, whole } from '../gateway/simulators/hostile.ts'
import { openFleetServers } from '../support/fleet-servers.ts'
import { testUpstream } from '../support/test-upstream.ts'

const body = JSON.stringify({ choices: [{ message: { content: 'one' } }], usage })
const limits = ['100000 tokens/min', '100000 tokens/h', '100000 tokens/calendar day']

let behaviour: Behaviour = () => {}
const opened: (() => PromiseLike<unknown>)[] = []
let fleet: Awaited<ReturnType<typeof startFleet>>
beforeAll(async () => {
  fleet = await startFleet()
}, 120_000)
afterAll(async () => {
  for (const close of opened.toReversed()) await close()
})

/** A node that accepts jobs and runs none, one that runs them, and one that has no model server. */
async function startFleet() {
  const upstream = await startHostile((request) => behaviour(request))
  const servers = await openFleetServers()
  opened.push(upstream.close, servers.close)
  const gateway = {
    upstreams: [testUpstream({ preset: 'openai', url: upstream.url })],
    models: [{ name: 'm', to: [{ upstream: 'openai', model: 'm' }], limits: [] }],
    bodyMax: 16 * 1_048_576,
    answerMax: 8 * 1_048_576,
  }
  const accepting = await servers.start({ gateway, jobWorkers: 0 })
  const other = await servers.start()
  const running = await servers.start({ gateway })
  const { admin } = servers.firstKeys()
  async function ask<T>(node: RunningServer, path: string, more: RequestInit = {}, key = admin): Promise<T> {
    const answer = await fetch(`${node.address}${path}`, {
      ...more,
      headers: { 'x-api-key': key, 'content-type': 'application/json', ...more.headers },
    })
    const text = await answer.text()
    if (!answer.ok) throw new Error(`${path}: ${answer.status} ${text}`)
    return JSON.parse(text) as T
  }
  const made = await ask<{ readonly id: string; readonly key: string }>(accepting, '/v1/keys', {
    method: 'POST',
    body: JSON.stringify({ name: 'k', owner: 'acme', limits }),
  })
  return {
    upstream,
    accepting,
    other,
    running,
    submit: () =>
      ask<JobView>(
        accepting,
        '/v1/chat/completions',
        {
          method: 'POST',
          headers: { prefer: 'respond-async' },
          body: JSON.stringify({ model: 'm', max_tokens: 100, messages: [{ role: 'user', content: 'why' }] }),
        },
        made.key,
      ),
    job: (node: RunningServer, id: string) => ask<JobView>(node, `/jobs/${id}?wait=30`, {}, made.key),
    cancel: (node: RunningServer, id: string) =>
      ask<JobView>(node, `/jobs/${id}`, { method: 'DELETE' }, made.key),
    async used(node: RunningServer): Promise<readonly number[]> {
      const told = await ask<{
        readonly limits: readonly { readonly limit: string; readonly used: number }[]
      }>(node, `/v1/keys/${made.id}/limits`)
      return told.limits.filter(({ limit }) => limit.includes('tokens')).map(({ used }) => used)
    },
  }
}

test('a call that one node accepts is run and settled by another that has its upstream, for all nodes', async () => {
  behaviour = ({ write }) => write(whole(200, body, ['content-type: application/json']))
  const { id } = await fleet.submit()
  expect(await fleet.job(fleet.other, id)).toMatchObject({ status: 'succeeded', model: 'm', attempts: 1 })
  for (const node of [fleet.accepting, fleet.running, fleet.other])
    await expect.poll(() => fleet.used(node)).toEqual([5, 5, 5])
  expect(fleet.upstream.requests).toHaveLength(1)
})

test('a call that one node runs is let go upstream where another cancels it, which settles it once', async () => {
  const [before = 0] = await fleet.used(fleet.accepting)
  const asked = Promise.withResolvers<void>()
  behaviour = () => asked.resolve()
  const { id } = await fleet.submit()
  await asked.promise
  const [reserved = 0] = await fleet.used(fleet.accepting)
  expect(await fleet.cancel(fleet.accepting, id)).toMatchObject({ status: 'cancelled' })
  await fleet.upstream.requests.at(-1)?.closed
  const [tokens = 0] = await fleet.used(fleet.running)
  expect(tokens).toBeGreaterThan(before)
  expect(tokens).toBeLessThan(reserved)
  expect(await fleet.used(fleet.accepting)).toEqual([tokens, tokens, tokens])
})
