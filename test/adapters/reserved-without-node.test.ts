import { Hono } from 'hono'
import { beforeEach, describe, expect, test } from 'vitest'
import type { UsageReservation } from '../../src/guard/exchange/reserve.ts'
import { guardApp } from '../../src/hono/index.ts'
import { createTestWard, type TestWard } from '../../src/ward/test-ward.ts'
import { guard } from '../../src/web/index.ts'
import { createFakeLedger, type FakeLedger } from './fake-ledger.ts'

type Ward = TestWard<'one', true>
type Settle = UsageReservation<'tokens'>['settle']
type Door = (request: Request) => Promise<Response>

/** What the handlers of abandoned answers settle with, in the order of their requests. */
type Settles = Settle[]

/** A piece at once, then no end until its client goes; what settles it is kept. */
async function answer(ward: Ward, request: object, settles: Settles): Promise<Response> {
  const { settle } = await ward.reserve(request, { tokens: 1_200 })
  settles.push(settle)
  const body = new ReadableStream<Uint8Array>({
    start: (controller) => controller.enqueue(new TextEncoder().encode('data: one\n\n')),
  })
  return new Response(body, { headers: { 'content-type': 'text/event-stream' } })
}

/** Doors that are functions of a `Request`, as they run where there is no Node. */
const doors: Readonly<Record<string, (ward: Ward, settles: Settles) => Door>> = {
  'a route handler of Next.js': (ward, settles) => {
    type Context = { readonly params: Promise<{ readonly chat: string }> }
    const POST = guard(
      ward,
      {},
      async (request: Request, _caller, { params }: Context) => {
        const { chat } = await params
        return chat === '7' ? answer(ward, request, settles) : new Response(null, { status: 404 })
      },
      { route: '/chats/[chat]', onFault: () => {} },
    )
    return (request) => POST(request, { params: Promise.resolve({ chat: '7' }) })
  },
  Hono: (ward, settles) => {
    const app = guardApp(new Hono(), { ward, onFault: () => {} })
    app.post('/chats/:chat', (c) => answer(ward, c, settles))
    return async (request) => app.fetch(request)
  },
}

describe.each(Object.entries(doors))('%s: what a stream reserves', (_, open) => {
  let ledger: FakeLedger
  let ward: Ward
  let settles: Settles
  let door: Door
  beforeEach(async () => {
    ledger = createFakeLedger()
    ward = await createTestWard({
      ledger,
      keys: { one: { limits: ['1000000000 tokens/h', '100000 concurrent'] } },
    })
    ledger.entries.length = 0
    settles = []
    door = open(ward, settles)
  })

  const used = async () => (await ward.limits.status(ward.ids.one)).map((status) => status.used)
  const ends = () => ledger.entries.filter(({ event }) => event === 'request.finished')

  /** Takes the first piece of an answer; gives what its client leaves by. */
  async function begin(): Promise<() => Promise<void>> {
    const headers = { 'x-api-key': ward.testKeys.one }
    const response = await door(new Request('http://x/chats/7', { method: 'POST', headers }))
    expect(response.status).toBe(200)
    const reader = (response.body as ReadableStream<Uint8Array>).getReader()
    expect(Buffer.from((await reader.read()).value ?? []).toString()).toBe('data: one\n\n')
    return () => reader.cancel()
  }

  test('is taken while it streams, and is what its handler settles when its client has gone', async () => {
    const leave = await begin()
    expect(await used()).toEqual([1_200, 1])
    await leave()
    expect(ends()).toEqual([])
    await settles[0]?.({ tokens: 10 })
    await expect
      .poll(ends)
      .toMatchObject([{ measures: { requests: 1, tokens: 10 }, detail: { aborted: true } }])
    await expect.poll(used).toEqual([10, 0])
  })

  test('waits for 4,096 handlers whose clients have gone: with one more the oldest is recorded as reserved', async () => {
    for (let client = 0; client < 4_096; client += 1) await (await begin())()
    expect(ends()).toEqual([])
    await (await begin())()
    await expect
      .poll(ends)
      .toMatchObject([{ measures: { tokens: 1_200 }, detail: { aborted: true, usage: 'reserved' } }])
    // Too late for the first; in time for the last.
    await settles[0]?.({ tokens: 10 })
    await settles[4_096]?.({ tokens: 20 })
    await expect.poll(() => ends().map(({ measures }) => measures['tokens'])).toEqual([1_200, 20])
    expect(await used()).toEqual([4_096 * 1_200 + 20, 4_095])
    await ward.close()
    await expect.poll(() => ends().length).toBe(4_097)
  })
})
