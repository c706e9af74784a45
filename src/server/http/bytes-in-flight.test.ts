import { once } from 'node:events'
import { createServer, IncomingMessage } from 'node:http'
import { type AddressInfo, connect, Socket } from 'node:net'
import { afterEach, describe, expect, test } from 'vitest'
import { formatRequest, RawConnection } from '../../../test/parity/raw-http.ts'
import { createHeldModel } from '../../../test/support/held-model.ts'
import { type AskingApp, closeApps, openAskingApp } from '../../../test/support/open-asking-app.ts'
import type { Model } from '../../models/model.ts'
import { ByteBudget } from './byte-budget.ts'
import { type BytesHolder, holdAnswer, holdBody, holdParsed } from './bytes-in-flight.ts'

afterEach(closeApps)

const mebibyte = 1_048_576

async function listen(server: AskingApp): Promise<number> {
  await server.app.listen({ port: 0, host: '127.0.0.1' })
  return (server.app.server.address() as AddressInfo).port
}

/** A prediction whose body has so many bytes, past Fastify or through it. */
function requestOf(key: string, bytes: number, more: readonly (readonly [string, string])[] = []): Buffer {
  const rest = JSON.stringify({ text: 'abc', other: '' }).length
  const body = JSON.stringify({ text: 'abc', other: 'x'.repeat(bytes - rest) })
  return formatRequest({ headers: [['Content-Type', 'application/json'], ['X-API-Key', key], ...more], body })
}

const ways: readonly (readonly [string, readonly (readonly [string, string])[]])[] = [
  ['direct', []],
  ['Fastify', [['Forwarded', 'for=192.0.2.1']]],
]

describe.each(ways)('%s: bodies under way', (_way, more) => {
  test('hold memory of their owner, who is answered 503 beyond it, and of no other', async () => {
    const { model, call } = createHeldModel()
    const server = await openAskingApp({ model, inFlightMax: 4 * mebibyte, bodyMax: 2 * mebibyte })
    const port = await listen(server)
    const [one, other] = await Promise.all(['one', 'other'].map((owner) => server.createKey({ owner })))
    const clients: RawConnection[] = []
    const ask = async (key = '', bytes: number): Promise<RawConnection> => {
      const client = new RawConnection(port)
      clients.push(client)
      await client.write(requestOf(key, bytes, more))
      return client
    }
    // 1.5 of 4 MiB: another would be 3, and leave 1.
    const first = await ask(one, 1.5 * mebibyte)
    const held = await call(0)
    const refused = await (await ask(one, 1.5 * mebibyte)).answer()
    expect(refused.status).toBe(503)
    expect(refused.headers.get('retry-after')).toEqual(['1'])
    expect(JSON.parse(refused.body)).toMatchObject({ code: 'overloaded' })
    await ask(other, mebibyte)
    const ofOther = await call(1)
    held.answer()
    expect((await first.answer()).status).toBe(200)
    ofOther.answer()
    // What was held is free with the answer.
    const again = await ask(one, 1.5 * mebibyte)
    ;(await call(2)).answer()
    expect((await again.answer()).status).toBe(200)
    for (const client of clients) client.close()
  })
})

/** Answers every text with one of 15 MiB: more than what the machine's own buffers take. */
const large: Model<string> = {
  name: 'large',
  version: 'large-1',
  runs: 'inline',
  predict: (texts) => texts.map(() => 'x'.repeat(15 * mebibyte)),
}

describe('large answers', () => {
  test.each(ways)(
    '%s: that are not read hold memory of their owner, who is answered 503 beyond it',
    async (_way, more) => {
      const server = await openAskingApp({ model: large, inFlightMax: 257 * mebibyte })
      const port = await listen(server)
      const key = await server.createKey({ owner: 'one' })
      const unread: Socket[] = []
      const statuses: number[] = []
      // Of 30 MiB each in memory: four fit, for an owner holds as much as is free.
      for (let index = 0; index < 8; index += 1) {
        const client = connect(port, '127.0.0.1')
        unread.push(client)
        client.write(requestOf(key, 100, more))
        await once(client, 'readable')
        statuses.push(Number(String(client.read(12)).slice(9)))
      }
      expect(statuses).toEqual([200, 200, 200, 200, 503, 503, 503, 503])
      const other = await server.ask('POST', '/predict', {
        key: await server.createKey({ owner: 'other' }),
        body: { text: 'abc' },
      })
      expect(other.statusCode).toBe(200)
      for (const client of unread) client.destroy()
    },
  )

  test('a job’s result is answered as it was written, whatever it holds', async () => {
    const answer = { 'a "b"': [1, { result: null }], text: 'own' }
    const odd: Model<string> = { ...large, predict: (texts) => texts.map(() => answer) }
    const server = await openAskingApp({ model: odd })
    const { id } = await server.submit('abc')
    const shown = await server.ask('GET', `/jobs/${id}?wait=5`)
    expect(shown.headers['content-type']).toBe('application/json; charset=utf-8')
    expect(shown.json()).toMatchObject({ id, status: 'succeeded', error: null, attempts: 1 })
    expect(shown.json().result).toEqual({ ...answer, model: 'large', model_version: 'large-1' })
    expect(Object.keys(shown.json()).slice(0, 7)).toEqual([
      'id',
      'status',
      'model',
      'kind',
      'progress',
      'errors',
      'result',
    ])
  })
})

test('what is answered to a client that has hung up holds nothing', async () => {
  const budget = new ByteBudget(mebibyte)
  const came = Promise.withResolvers<BytesHolder>()
  const server = createServer((request, response) => came.resolve({ request, response, owner: 'one' }))
  await once(server.listen(0, '127.0.0.1'), 'listening')
  const client = connect((server.address() as AddressInfo).port, '127.0.0.1')
  client.write(formatRequest({}))
  const holder = await came.promise
  holdBody(budget, 10_000, holder)
  expect(budget.held).toBe(10_000)
  const gone = once(holder.response, 'close')
  client.destroy()
  await gone
  holdParsed(holder.request, 20_000)
  holdAnswer(budget, 'x'.repeat(10_000), holder)
  expect(budget.held).toBe(0)
  const second = { ...holder, request: new IncomingMessage(new Socket()) }
  holdAnswer(budget, 'x'.repeat(10_000), second)
  expect(budget.held).toBe(0)
  server.close()
})

describe('bodies that would become many times their size', () => {
  test.each([
    ['of empty objects', '/predict/batch', `{"texts":[${'{},'.repeat(2_000_000)}{}]}`, 'too_many_values'],
    ['of numbers', '/predict', `{"text":"a","other":[${'0,'.repeat(400_000)}0]}`, 'too_many_values'],
    ['of brackets', '/predict', `{"text":"a","other":${'['.repeat(500_000)}`, 'recursion'],
    ['of brackets, 67 deep', '/predict', `{"text":"a","b":${'['.repeat(66)}${']'.repeat(66)}}`, 'recursion'],
  ])('%s are 422 before they are parsed', async (_name, url, body, type) => {
    const server = await openAskingApp()
    const headers = { 'content-type': 'application/json' }
    const answer = await server.ask('POST', url, { body, headers })
    expect(answer.statusCode).toBe(422)
    expect(answer.json().errors[0]).toMatchObject({ loc: ['body'], type })
  })
})
