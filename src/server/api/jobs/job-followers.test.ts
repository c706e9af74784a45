import { once } from 'node:events'
import { get as httpGet, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text as readText } from 'node:stream/consumers'
import { afterEach, describe, expect, test } from 'vitest'
import { createFakeLedger } from '../../../../test/adapters/fake-ledger.ts'
import { createHeldModel } from '../../../../test/support/held-model.ts'
import { type AskingApp, closeApps, openAskingApp as open } from '../../../../test/support/open-asking-app.ts'

const streams: IncomingMessage[] = []
afterEach(async () => {
  for (const stream of streams.splice(0)) stream.destroy()
  await closeApps()
})

interface Event {
  readonly id: number
  readonly event: string
  readonly data: { readonly status: string; readonly version: number; readonly result: unknown }
}

function parseEvents(text: string): readonly Event[] {
  return text.split('\n\n').flatMap((block) => {
    const [, id, event, data] = /^id: (\d+)\nevent: (\w+)\ndata: (.*)$/.exec(block) ?? []
    return data === undefined ? [] : [{ id: Number(id), event: event ?? '', data: JSON.parse(data) }]
  })
}

/** Follows a job over a connection of its own. */
async function follow({ app, keys }: AskingApp, id: string, headers = {}): Promise<IncomingMessage> {
  if (!app.server.listening) await app.listen({ port: 0, host: '127.0.0.1' })
  const { port } = app.server.address() as AddressInfo
  const request = httpGet({
    port,
    path: `/jobs/${id}/events`,
    headers: { 'x-api-key': keys.right, ...headers },
    agent: false,
  })
  const [answer] = (await once(request, 'response')) as [IncomingMessage]
  answer.on('error', () => {})
  streams.push(answer)
  return answer
}

describe('GET /jobs/{id}/events', () => {
  test('tells how the job stands and each change, with versions that grow, until it has ended', async () => {
    const held = createHeldModel()
    const opened = await open({ model: held.model })
    const { id } = await opened.submit('abc')
    const stream = await follow(opened, id)
    ;(await held.call(0)).answer()
    expect(stream.headers['content-type']).toBe('text/event-stream')
    expect(stream.headers['cache-control']).toBe('no-store')
    const events = parseEvents(await readText(stream))
    const ids = events.map((event) => event.id)
    expect(ids).toEqual(ids.toSorted((one, other) => one - other))
    expect(new Set(ids).size).toBe(ids.length)
    expect(
      events.every(({ event, id: version, data }) => event === 'status' && data.version === version),
    ).toBe(true)
    expect(events.at(-1)?.data).toMatchObject({ status: 'succeeded', result: { text: 'abc', output: 3 } })
  })

  test('resumes with what is newer than the last event that came, and is 204 where nothing is', async () => {
    const { ask, submit } = await open()
    const { id } = await submit()
    const { version } = (await ask('GET', `/jobs/${id}?wait=30`)).json()
    const resume = (last: string) => ask('GET', `/jobs/${id}/events`, { headers: { 'last-event-id': last } })
    expect((await resume(String(version))).statusCode).toBe(204)
    for (const last of ['1', '0', '', 'x', '-1', '1e3', '999999', '9'.repeat(40)])
      expect(parseEvents((await resume(last)).body).map((event) => event.id)).toEqual([version])
    expect((await ask('HEAD', `/jobs/${id}/events`)).statusCode).toBe(405)
  })

  test('is recorded when it begins and when it ends', async () => {
    const ledger = createFakeLedger()
    const { ask, submit } = await open({ ward: { ledger } })
    const { id } = await submit()
    await ask('GET', `/jobs/${id}?wait=30`)
    await ask('GET', `/jobs/${id}/events`)
    const records = ledger.entries.filter(({ route }) => route === '/jobs/:id/events')
    expect(records.map(({ event }) => event)).toEqual(['request.started', 'request.finished'])
  })

  test('is open so many times at once, of one owner and in all; a place is free when its client has gone', async () => {
    const held = createHeldModel()
    const opened = await open({ model: held.model, followersMax: 3, ownerFollowersMax: 2 })
    const { id } = await opened.submit()
    const first = await follow(opened, id)
    await follow(opened, id)
    const third = await opened.ask('GET', `/jobs/${id}/events`)
    expect(third.json()).toMatchObject({ status: 503, code: 'overloaded' })
    const key = await opened.createKey({ owner: 'other' })
    const others = await opened.submit('a', key)
    await follow(opened, others.id, { 'x-api-key': key })
    expect((await opened.ask('GET', `/jobs/${others.id}/events`, { key })).statusCode).toBe(503)
    first.destroy()
    const again = await untilFree(() => follow(opened, id))
    expect(again.statusCode).toBe(200)
  })

  test('ends for every follower when the server closes', async () => {
    const held = createHeldModel()
    const closing = new AbortController()
    const opened = await open({ model: held.model, closing: closing.signal })
    const { id } = await opened.submit()
    await held.call(0)
    const stream = await follow(opened, id)
    const [first] = (await once(stream, 'data')) as [Buffer]
    closing.abort()
    const snapshots = parseEvents(first.toString() + (await readText(stream)))
    expect(snapshots.map(({ data }) => data.status)).not.toContain('succeeded')
  })

  test('a thousand follow one job, and all are told of its end', async () => {
    const held = createHeldModel()
    const { ask, submit } = await open({
      model: held.model,
      ownerFollowersMax: 1_000,
      ward: { limitOperational: 'none' },
    })
    const { id } = await submit()
    const call = await held.call(0)
    const following = Array.from({ length: 1_000 }, () => ask('GET', `/jobs/${id}/events`))
    await ask('GET', `/jobs/${id}`)
    call.answer()
    for (const answer of await Promise.all(following))
      expect(parseEvents(answer.body).at(-1)?.data.status).toBe('succeeded')
  })
})

/** The server hears a moment later that a client has gone: asks until it has. */
async function untilFree(ask: () => Promise<IncomingMessage>): Promise<IncomingMessage> {
  for (;;) {
    const answer = await ask()
    if (answer.statusCode !== 503) return answer
    answer.resume()
  }
}
