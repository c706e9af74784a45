import { afterEach, expect, test } from 'vitest'
import { createKey, expectProblem, get, keyHeader, predict, withOtherSecret } from './ask.ts'
import type { ParityTarget, StartTarget, TargetOptions } from './parity-target.ts'
import type { RawAnswer } from './raw-http.ts'

const minuteMs = 60_000

/** Rows 37 and 38: how much, and how often wrong. */
export function describeLimitRows(start: StartTarget): void {
  let target: ParityTarget
  afterEach(() => target.close())
  async function open(options: TargetOptions): Promise<string> {
    target = await start(options)
    return createKey(target)
  }
  const ask = (key: string, body?: string) =>
    predict(target, { headers: [keyHeader(key)], ...(body !== undefined && { body }) })
  const header = (answer: RawAnswer, name: string) => answer.headers.get(name)?.join()

  test('37 limit + 1 requests: 429 with Retry-After, RateLimit and RateLimit-Policy; another key is not concerned', async () => {
    const key = await open({ limitDefault: ['10/min'] })
    const other = await createKey(target)
    for (let requests = 1; requests <= 10; requests += 1) {
      const answer = await ask(key)
      expect(answer.status).toBe(200)
      expect(header(answer, 'ratelimit-policy')).toBe('"minute";q=10;w=60')
      expect(header(answer, 'ratelimit')).toBe(`"minute";r=${10 - requests};t=60`)
      expect(header(answer, 'x-ratelimit-remaining-requests')).toBe(String(10 - requests))
    }
    target.time.now += 500
    const predicted = target.predicted.length
    const refused = await ask(key)
    expect(expectProblem(refused, 429, 'rate_limited').detail).toBe(
      'The limit of this API key, 10/min, is used up; try again in 60 s.',
    )
    expect(header(refused, 'retry-after')).toBe('60')
    expect(header(refused, 'ratelimit')).toBe('"minute";r=0;t=60')
    expect(header(refused, 'ratelimit-policy')).toBe('"minute";q=10;w=60')
    expect(target.predicted.length).toBe(predicted)
    expect((await ask(other)).status).toBe(200)
  })

  test('37 Retry-After is true: the same request passes then, and not a moment before', async () => {
    const key = await open({ limitDefault: ['2/min'] })
    await ask(key)
    target.time.now += 20_000
    await ask(key)
    const refused = await ask(key)
    expect(header(refused, 'retry-after')).toBe('40')
    target.time.now += 39_999
    expectProblem(await ask(key), 429, 'rate_limited')
    target.time.now += 1
    expect((await ask(key)).status).toBe(200)
  })

  test('37 no burst at the edge of a minute: at most the limit in any minute', async () => {
    const key = await open({ limitDefault: ['10/min'] })
    target.time.now = Math.ceil(target.time.now / minuteMs) * minuteMs - 1_000
    const statuses: number[] = []
    for (const ms of [0, 2_000]) {
      target.time.now += ms
      for (let requests = 0; requests < 10; requests += 1) statuses.push((await ask(key)).status)
    }
    expect(statuses.filter((status) => status === 200)).toHaveLength(10)
  })

  test('37 a refused request consumes nothing: neither of the limit that refused nor of the others', async () => {
    await open({})
    const key = await createKey(target, { limits: ['1/min', '3/day'] })
    expect((await ask(key)).status).toBe(200)
    for (let requests = 0; requests < 5; requests += 1) expectProblem(await ask(key), 429, 'rate_limited')
    for (const status of [200, 200]) {
      target.time.now += minuteMs
      expect((await ask(key)).status).toBe(status)
    }
    target.time.now += minuteMs
    expect(expectProblem(await ask(key), 429, 'rate_limited').detail).toContain('3/day')
  })

  test('37 keys of one owner share the owner’s limits, and everyone shares everyone’s', async () => {
    await open({ limitEveryone: ['3/min'] })
    await target.owners.set('acme', ['2/min'])
    const [one, two] = [
      await createKey(target, { owner: 'acme' }),
      await createKey(target, { owner: 'acme' }),
    ]
    const stranger = await createKey(target)
    await target.hear()
    expect([(await ask(one)).status, (await ask(two)).status]).toEqual([200, 200])
    expect(expectProblem(await ask(one), 429, 'rate_limited').detail).toContain('its owner, 2/min')
    expect((await ask(stranger)).status).toBe(200)
    expect(expectProblem(await ask(stranger), 429, 'rate_limited').detail).toContain('everyone, 3/min')
  })

  test('37 auth comes first: a wrong key, a missing scope or a missing key use nothing', async () => {
    const key = await open({ limitDefault: ['1/min'] })
    const reader = await createKey(target, { scopes: ['read'] })
    for (let requests = 0; requests < 3; requests += 1) {
      expectProblem(await ask(withOtherSecret(key, target)), 403, 'key_invalid')
      expectProblem(await ask(reader), 403, 'scope_missing')
      expectProblem(await predict(target), 401, 'key_missing')
    }
    expect((await ask(key)).status).toBe(200)
  })

  test('37 characters are counted once the body is read; what does not fit takes nothing, and what never can says so', async () => {
    await open({})
    const key = await createKey(target, { limits: ['10/min', '20 characters/min'] })
    const answered = await ask(key, '{"text":"twelve chars"}')
    expect(answered.status).toBe(200)
    expect(header(answered, 'ratelimit')).toBe('"minute";r=9;t=60, "minute-characters";r=8;t=60')
    const refused = await ask(key, '{"text":"nine char"}')
    expect(expectProblem(refused, 429, 'rate_limited').detail).toContain('20 characters/min')
    expect((await ask(key, '{"text":"8 chars…"}')).status).toBe(200)
    const never = await ask(key, JSON.stringify({ text: 'x'.repeat(21) }))
    expect(expectProblem(never, 422, 'input_invalid').detail).toContain('can never pass')
    expect(never.headers.has('retry-after')).toBe(false)
    expect(JSON.parse((await get(target, '/v1/keys/self', [keyHeader(key)])).body).limits_left).toMatchObject(
      [
        { limit: '10/min', of: 'key', used: 2, remaining: 8 },
        { limit: '20 characters/min', used: 20, remaining: 0, passes_in: 60 },
      ],
    )
  })

  test('37 so many at once: one more is refused, and let in when another has ended, its client gone or not', async () => {
    await open({ modelDeadline: 60_000 })
    const key = await createKey(target, { limits: ['1 concurrent'] })
    target.model.does = 'work until aborted'
    const gone = new AbortController()
    const hanging = fetch(`http://127.0.0.1:${target.port}/predict`, {
      method: 'POST',
      headers: { 'x-api-key': key, 'content-type': 'application/json' },
      body: '{"text":"slow"}',
      signal: gone.signal,
    }).catch(() => undefined)
    await expect.poll(() => target.predicted.at(-1)).toBe('slow')
    target.model.does = 'answer'
    const refused = await ask(key)
    expectProblem(refused, 429, 'concurrency_limited')
    expect(header(refused, 'retry-after')).toBe('1')
    gone.abort()
    await hanging
    await expect.poll(async () => (await ask(key)).status).toBe(200)
  })

  test('38 many wrong keys from one address: 429, stricter; a right key from that address: still 200', async () => {
    const key = await open({ limitBadKeys: '5/min' })
    const wrong = withOtherSecret(key, target)
    for (let requests = 0; requests < 5; requests += 1) expectProblem(await ask(wrong), 403, 'key_invalid')
    const refused = await ask(wrong)
    expectProblem(refused, 429, 'too_many_bad_keys')
    expect(header(refused, 'retry-after')).toBe('60')
    expectProblem(await ask('garbage'), 429, 'too_many_bad_keys')
    expectProblem(await predict(target), 401, 'key_missing')
    for (let requests = 0; requests < 3; requests += 1) expect((await ask(key)).status).toBe(200)
    target.time.now += minuteMs
    expectProblem(await ask(wrong), 403, 'key_invalid')
  })
}
