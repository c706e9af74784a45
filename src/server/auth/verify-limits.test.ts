import { afterEach, describe, expect, test } from 'vitest'
import { closeApps } from '../../../test/support/open-asking-app.ts'
import { openVerifyingApp as open } from '../../../test/support/open-verifying-app.ts'

afterEach(closeApps)

const idOf = (key: string): string => key.split('_')[2] ?? ''

describe('limits of a key that a program asks about', () => {
  test('100 at once against 10/min: 10 valid; 1000/day beside it lost 10; the next window admits again', async () => {
    const { ward, createKey, verify } = await open()
    const key = await createKey({ limits: ['10/min', '1000/day'] })
    const answers = await Promise.all(Array.from({ length: 100 }, () => verify(key)))
    const verdicts = answers.map((answer) => answer.json())
    expect(new Set(answers.map(({ statusCode }) => statusCode))).toEqual(new Set([200]))
    expect(verdicts.filter(({ valid }) => valid)).toHaveLength(10)
    expect(verdicts.filter(({ code }) => code === 'rate_limited')).toHaveLength(90)
    expect(verdicts.at(-1).limits).toMatchObject([
      { limit: '10/min', used: 10, remaining: 0 },
      { limit: '1000/day', used: 10, remaining: 990 },
    ])
    ward.time.now += 60_000
    ward.time.monotonic += 60_000
    expect((await verify(key)).json()).toMatchObject({
      valid: true,
      limits: [{ used: 1 }, { used: 11, remaining: 989 }],
    })
  })

  test('what counts at once comes free at once: a hundred, one after the other, all pass', async () => {
    const { ward, createKey, verify } = await open()
    const key = await createKey({ limits: ['1 concurrent'] })
    for (let turn = 0; turn < 100; turn += 1) expect((await verify(key)).json().valid).toBe(true)
    expect(await ward.limits.status(idOf(key))).toMatchObject([{ used: 0 }])
  })

  test('a cost is taken of its measures, beside the one request', async () => {
    const { createKey, verify, records } = await open()
    const key = await createKey({ limits: ['5/min', '1000 tokens/min'] })
    const { limits } = (await verify(key, { cost: { tokens: 600, images: 2 } })).json()
    expect(limits).toMatchObject([{ used: 1 }, { used: 600 }])
    expect((await verify(key, { cost: { tokens: 600 } })).json()).toMatchObject({
      code: 'rate_limited',
      limits: [{ used: 1 }, { used: 600 }],
    })
    expect((await records())[0]?.measures).toEqual({ requests: 1, tokens: 600, images: 2 })
  })

  test('a cost that no limit counts is recorded: without any limit, and of a limit in shadow that is full', async () => {
    const { createKey, verify, records } = await open()
    const free = await createKey({ limits: [] })
    expect((await verify(free, { cost: { tokens: 500, images: 2 } })).json()).toMatchObject({ limits: [] })
    await verify(free, { cost: { tokens: 500 }, take: false })
    const shadowed = await createKey({ limits: ['shadow 100 tokens/min'] })
    await verify(shadowed, { cost: { tokens: 80 } })
    await verify(shadowed, { cost: { tokens: 80 } })
    expect((await records()).map(({ measures }) => measures)).toEqual([
      { requests: 1, tokens: 500, images: 2 },
      {},
      { requests: 1, tokens: 80 },
      { requests: 1, tokens: 80 },
    ])
  })

  test('a refused request has used nothing of what no limit counts either', async () => {
    const { createKey, verify, records } = await open()
    const key = await createKey({ limits: ['1/min'] })
    await verify(key, { cost: { images: 2 } })
    expect((await verify(key, { cost: { images: 2 } })).json().code).toBe('rate_limited')
    expect((await records()).map(({ measures }) => measures)).toEqual([
      { requests: 1, images: 2 },
      { requests: 0 },
    ])
  })

  test('16 measures that a program makes names of are recorded by name, all others as `other`; what a limit counts always is', async () => {
    const { createKey, verify, records } = await open()
    const key = await createKey({ limits: ['1000 tokens/min'] })
    for (let number = 0; number < 40; number += 1)
      await verify(key, { cost: { [`made_${number}`]: number, tokens: 1 } })
    const named = new Set((await records()).flatMap(({ measures }) => Object.keys(measures)))
    const own = Array.from({ length: 16 }, (_, number) => `made_${number}`)
    expect(named).toEqual(new Set(['requests', 'tokens', ...own, 'other']))
    expect((await records()).at(-1)?.measures).toEqual({ requests: 1, tokens: 1, other: 39 })
  })

  test('the names that one program makes take none from another', async () => {
    const { ward, createKey, verify, ask, records } = await open()
    const key = await createKey({ limits: [] })
    for (let number = 0; number < 20; number += 1) await verify(key, { cost: { [`made_${number}`]: 1 } })
    const { text } = await ward.keys.create({ name: 'another', scopes: ['keys:verify'], limits: [] })
    await ask('POST', '/v1/keys/verify', { key: text, body: { key, cost: { images: 3 } } })
    expect((await records()).at(-1)?.measures).toEqual({ requests: 1, images: 3 })
  })

  test('a longest cost is recorded beside what limits count; what is beyond 16 measures is summed up', async () => {
    const { createKey, verify, records } = await open()
    const key = await createKey({ limits: ['5/min', '9 zebras/min'] })
    const cost = Object.fromEntries(Array.from({ length: 15 }, (_, number) => [`m${number}`, number]))
    await verify(key, { cost: { ...cost, zebras: 1 } })
    const [record] = await records()
    expect(record?.measures).toMatchObject({ requests: 1, zebras: 1, m0: 0, m12: 12, other: 13 + 14 })
    expect(Object.keys(record?.measures ?? {})).toHaveLength(16)
  })

  test('`take: false` gives the same verdict, takes nothing, and is recorded as no request', async () => {
    const { ward, createKey, verify, records } = await open()
    const key = await createKey({ limits: ['1/min', '9 tokens/min', '1 concurrent'] })
    const look = { take: false, cost: { tokens: 5 } }
    for (let turn = 0; turn < 3; turn += 1)
      expect((await verify(key, look)).json()).toMatchObject({ valid: true, limits: [{ used: 0 }, {}, {}] })
    await verify(key)
    expect((await verify(key, look)).json()).toMatchObject({ code: 'rate_limited', retry_after: 60 })
    expect(await ward.limits.status(idOf(key))).toMatchObject([{ used: 1 }, { used: 0 }, { used: 0 }])
    expect((await records()).map(({ measures }) => measures)).toEqual([
      {},
      {},
      {},
      { requests: 1, tokens: 0 },
      { requests: 0 },
    ])
  })
})
