import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { calendarSpanOf } from '../../src/limits/calendar.ts'
import { type Limit, parseLimit } from '../../src/limits/limit.ts'
import { runJson, startServe, temporaryFolder } from '../e2e/run-cli.ts'
import { scaled } from '../support/scaled.ts'
import { openEndingCalls, readToItsEnd } from './ending-calls.ts'
import { type Behaviour, chunk, hostile, said, sseHead, startHostile, whole } from './simulators/hostile.ts'

const done = 'data: [DONE]\n\n'

const usageOf = (prompt: number, completion: number) => ({
  prompt_tokens: prompt,
  completion_tokens: completion,
})

/** Says at its end that it has used so much. */
function streams(prompt: number, completion: number, until?: Promise<void>): Behaviour {
  return async ({ write }) => {
    await write(sseHead)
    if (completion > 0) await write(chunk(said('a')))
    await until
    const last = JSON.stringify({ choices: [], usage: usageOf(prompt, completion) })
    await write(Buffer.concat([chunk(`data: ${last}\n\n${done}`), Buffer.from('0\r\n\r\n')]))
  }
}

function answersWhole(prompt: number, completion: number): Behaviour {
  const body = JSON.stringify({ choices: [], usage: usageOf(prompt, completion) })
  return ({ write }) => write(whole(200, body, ['content-type: application/json']))
}

interface UsageRows {
  readonly usage: readonly { readonly key_id: string; readonly measures: Readonly<Record<string, number>> }[]
}

interface Explained {
  readonly limits: readonly { readonly limit: string; readonly used: number }[]
}

test('200 streams at once get no more than 5000 tokens of an hour, and usage and limit agree on them', async () => {
  using folder = temporaryFolder()
  const decided = Promise.withResolvers<void>()
  // Each uses all that it may: a token for each byte, what a template adds, and its whole output.
  await using upstream = await startHostile((request) =>
    streams(promptOf(request.text), 300, decided.promise)(request),
  )
  const { path: cwd } = folder
  const settings = {
    upstreams: { local: { url: upstream.url, preset: 'openai' } },
    models: { m: { to: [{ upstream: 'local', model: 'm' }] } },
  }
  writeFileSync(join(cwd, 'modelward.json'), JSON.stringify(settings))
  const data = join(cwd, 'data')
  const flags = ['--limit-default', '', '--log-level', 'fatal']
  await using server = await startServe(data, flags, { cwd })
  const limit = '5000 tokens/h'
  const create = ['keys', 'create', '--name', 'k', '--limit', limit, '--data', data]
  const { id, key } = await runJson<{ readonly id: string; readonly key: string }>(create)
  let refused = 0
  const reading = Array.from({ length: 200 }, async () => {
    const answer = await fetch(`${server.address}/v1/chat/completions`, {
      method: 'POST',
      headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
      body: JSON.stringify({
        model: 'm',
        stream: true,
        max_tokens: 300,
        messages: [{ role: 'user', content: 'why is the sky blue' }],
      }),
    })
    if (answer.status === 429) refused += 1
    const { status, isWhole } = await readToItsEnd(answer)
    return isWhole ? status : 'broken'
  })
  // None has ended before all have asked.
  await expect.poll(() => refused + upstream.requests.length).toBe(200)
  decided.resolve()
  const admitted = (await Promise.all(reading)).filter((status) => status === 200).length
  const each = promptOf(upstream.requests[0]?.text ?? '') + 300
  expect(admitted).toBe(Math.floor(5_000 / each))
  expect(refused).toBe(200 - admitted)

  const [{ usage }, { limits }] = await Promise.all([
    runJson<UsageRows>(['usage', '--by', 'key', '--data', data]),
    runJson<Explained>(['limits', 'explain', id, '--data', data]),
  ])
  const recorded = usage.find((row) => row.key_id === id)?.measures['tokens']
  expect(recorded).toBe(admitted * each)
  expect(limits.find((one) => one.limit === limit)?.used).toBe(recorded)
}, 120_000)

/** The most tokens that the prompt of a request can be, by the default settings. */
function promptOf(text: string): number {
  return text.length - text.indexOf('\r\n\r\n') - 4 + 512
}

describe('the tokens of the calls admitted in any window', () => {
  const planned = fc.record({
    end: fc.constantFrom('whole', 'streamed', 'says no usage', 'dies', 'fails', 'client leaves'),
    maxTokens: fc.integer({ min: 1, max: 60 }),
    answers: fc.integer({ min: 1, max: 3 }),
    /** How much of its bound it uses, in percent. */
    uses: fc.integer({ min: 0, max: 100 }),
    /** How many waves later it ends. */
    lasts: fc.integer({ min: 0, max: 2 }),
  })
  type Planned = typeof planned extends fc.Arbitrary<infer P> ? P : never
  /** Calls that come together, and how long no other comes, in percent of the longest window. */
  const wave = fc.record({
    calls: fc.array(planned, { maxLength: 16 }),
    pause: fc.integer({ min: 0, max: 70 }),
  })
  const limitsOf = fc.constantFrom(
    ['3000 tokens/min'],
    ['2500 prompt_tokens/h', '64 completion_tokens/h'],
    ['400 completion_tokens/10s', '4000 tokens/min'],
    ['4000 tokens/calendar day'],
  )

  function behaviourOf({ end, maxTokens, answers, uses }: Planned, over: Promise<void>, leave: () => void) {
    const behave: Behaviour = async (request) => {
      const prompt = Math.floor((promptOf(request.text) * uses) / 100)
      const completion = Math.floor((maxTokens * answers * uses) / 100)
      if (end === 'fails') await hostile['answers 503'](request)
      else if (end === 'streamed') await streams(prompt, completion, over)(request)
      else if (end === 'whole') {
        await over
        await answersWhole(prompt, completion)(request)
      } else {
        await request.write(sseHead)
        for (let event = 0; event < Math.max(1, completion); event += 1) await request.write(chunk(said('a')))
        await over
        if (end === 'client leaves') leave()
        else if (end === 'dies') request.reset()
        else await request.write(`${chunk(done)}0\r\n\r\n`)
      }
    }
    return behave
  }

  test('are at most what it holds, and what is recorded is what is counted', {
    timeout: 300_000,
  }, async () => {
    await using calls = await openEndingCalls()
    const { ward, records } = calls.gateway

    async function play(
      limits: readonly string[],
      waves: readonly (typeof wave extends fc.Arbitrary<infer W> ? W : never)[],
    ) {
      const { text: key, record } = await ward.keys.create({ name: 'k', limits })
      const windows = limits.map((text) => parseLimit(text) as Limit)
      const longestMs = Math.max(...windows.map(lengthOf))
      /** When each call was admitted, by the id that its upstream was told. */
      const admittedAt = new Map<string, number>()
      const over = waves.map(() => Promise.withResolvers<void>())
      const reading: Promise<unknown>[] = []

      /** Resolves when the call is refused, over, or at its upstream. */
      function ask(plan: Planned, index: number): Promise<void> {
        const leaving = new AbortController()
        const { promise: asked, resolve } = Promise.withResolvers<void>()
        const until = over[index + plan.lasts]?.promise ?? Promise.resolve()
        const behave = behaviourOf(plan, until, () => leaving.abort())
        const at = ward.time.now
        const read = calls.read(
          (request) => {
            admittedAt.set(/^x-request-id: (\S+)\r?$/im.exec(request.text)?.[1] ?? '', at)
            resolve()
            return behave(request)
          },
          { stream: plan.end !== 'whole', max_tokens: plan.maxTokens, n: plan.answers },
          { key, signal: leaving.signal },
        )
        const ended = read.catch(() => {}).then(() => resolve())
        reading.push(ended)
        return asked
      }

      for (const [index, { calls: plans, pause }] of waves.entries()) {
        await Promise.all(plans.map((plan) => ask(plan, index)))
        over[index]?.resolve()
        const passed = index < waves.length - 1 ? Math.floor((longestMs * pause) / 100) : 0
        ward.time.now += passed
        ward.time.monotonic += passed
      }
      await Promise.all(reading)
      await calls.quiet()

      for (const limit of windows) {
        const used = (since: number, until: number): number =>
          records()
            .filter(({ keyId, event }) => keyId === record.id && event !== 'request.started')
            .map(({ requestId, measures }) => ({
              at: admittedAt.get(requestId ?? '') ?? Number.NaN,
              tokens: measures[limit.measure] ?? 0,
            }))
            .filter(({ at, tokens }) => tokens > 0 && !(at <= since) && !(at > until))
            .reduce((sum, { tokens }) => sum + tokens, 0)
        for (const at of admittedAt.values())
          expect(used(startOf(limit, at), at)).toBeLessThanOrEqual(limit.amount)
        // A window in slots seems up to 1/64 longer than it is.
        const { now } = ward.time
        const slack = limit.kind === 'window' ? limit.windowMs / 64 : 0
        const difference = async (): Promise<number> => {
          const views = await ward.limits.status(record.id)
          const counted = views.find((view) => view.limit === limit.text)?.used ?? Number.NaN
          const [least, most] = [used(startOf(limit, now), now), used(startOf(limit, now) - slack, now)]
          return counted - Math.min(most, Math.max(least, counted))
        }
        // A client that left is noticed, settled and recorded when it is.
        await expect.poll(difference).toBe(0)
      }
    }

    const runs = fc.asyncProperty(limitsOf, fc.array(wave, { minLength: 1, maxLength: 4 }), play)
    await fc.assert(runs, { numRuns: scaled(15), endOnFailure: true })
  })
})

/** When the window, or the stretch of the calendar, begins that ends at a time: it is outside. */
function startOf(limit: Limit, at: number): number {
  return limit.kind === 'window' ? at - limit.windowMs : calendarSpanOf('day', at).beginsAt - 1
}

function lengthOf(limit: Limit): number {
  return limit.kind === 'window' ? limit.windowMs : 86_400_000
}
