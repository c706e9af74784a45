import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { startServer } from '../../src/server/start-server.ts'
import { openStorage } from '../../src/ward/open-storage.ts'
import { fillDisk, mountSmallDisk } from '../contract/small-disk.ts'
import { createTemporaryFolder } from '../contract/temporary-folder.ts'
import { collectLogged } from '../support/collect-events.ts'
import { appOptions } from '../support/test-app.ts'
import { testUpstream } from '../support/test-upstream.ts'
import { readToItsEnd } from './ending-calls.ts'
import {
  type Behaviour,
  chunk,
  done,
  said,
  sseHead,
  startHostile,
  usage,
  whole,
} from './simulators/hostile.ts'

const MiB = 2 ** 20

const answers: Behaviour = async ({ text, write, turn }) => {
  if (!text.includes('"stream":true')) {
    await write(whole(200, JSON.stringify({ usage }), ['content-type: application/json']))
    return
  }
  await write(sseHead)
  await write(chunk(said('one')))
  await turn()
  await write(chunk(said('two', { usage }) + done))
  await write('0\r\n\r\n')
}

/** A server before an upstream, on a disk of its own of 12 MiB. */
async function open(folder: string) {
  const upstream = await startHostile(answers)
  onTestFinished(upstream.close)
  let admin = ''
  const { logStream, until } = collectLogged()
  const server = await startServer({
    ...appOptions,
    ...{ logLevel: 'info', logStream, data: join(folder, 'data'), port: 0, scheme: ['bearer'] },
    ...{ limitDefault: [], jobWorkers: 0, diskReserve: 0, servedModels: [], firstKeys: 'report' },
    gateway: {
      upstreams: [testUpstream({ preset: 'openai', url: upstream.url })],
      models: [{ name: 'm', to: [{ upstream: 'openai', model: 'm' }], limits: [] }],
      bodyMax: MiB,
      answerMax: MiB,
    },
    onFirstKeys(report) {
      if ('keys' in report) admin = report.keys.admin
    },
  })
  onTestFinished(() => server.close())
  const ask = (path: string, key: string, body?: unknown): Promise<Response> =>
    fetch(server.address + path, {
      headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
      ...(body !== undefined && { method: 'POST', body: JSON.stringify(body) }),
    })
  const created = await ask('/v1/keys', admin, { name: 'k', limits: ['1000000 tokens/h'] })
  const { key } = (await created.json()) as { readonly key: string }
  const messages = [{ role: 'user', content: 'why' }]
  return {
    upstream,
    until,
    call: (more: object = {}) =>
      ask('/v1/chat/completions', key, { model: 'm', max_tokens: 100, messages, ...more }),
    close: () => server.close({ drain: false }),
  }
}

test('a disk that is full to its last byte: a call is 503, a stream under way is broken off, and its end is recorded once there is room', async (context) => {
  const folder = createTemporaryFolder()
  if (!mountSmallDisk(folder, 12)) return context.skip('mounting a small disk takes root')
  const { call, close, upstream, until } = await open(folder)
  const reading = readToItsEnd(await call({ stream: true }))

  fillDisk(join(folder, 'filler'))
  // What the files of the ledger have left is used up.
  let refused = await call()
  for (let left = 10_000; refused.status === 200 && left > 0; left -= 1) {
    await refused.text()
    refused = await call()
  }
  expect([refused.status, await refused.json()]).toMatchObject([503, { code: 'ledger_unavailable' }])
  upstream.next()
  const broken = await reading
  expect(broken.isWhole).toBe(false)
  expect(broken.text).toContain('"two"')
  expect(broken.text).toContain('"code":"ledger_unavailable"')
  expect(broken.text).not.toContain('[DONE]')

  rmSync(join(folder, 'filler'))
  await until('store.back')
  await expect.poll(async () => (await call()).status).toBe(200)
  // A server that closes tries all that is left once more.
  await close()
  const storage = await openStorage({ data: join(folder, 'data') }, { create: false })
  onTestFinished(() => storage.close())
  const finished = await storage.ledger?.query({ event: 'request.finished', limit: 10, order: 'oldest' })
  expect(finished?.records).toMatchObject([
    { measures: { requests: 1, tokens: 5 }, detail: { end: 'ledger', late: true, usage: 'upstream' } },
  ])
})
