import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import type { LedgerEvent } from '../../src/ledger/format/event.ts'
import type { LedgerRecord } from '../../src/ledger/format/record.ts'
import { openStorage } from '../../src/ward/open-storage.ts'
import { readToItsEnd } from '../gateway/ending-calls.ts'
import { chunk, done, said, sseHead, startHostile, usage, whole } from '../gateway/simulators/hostile.ts'
import { startServe, temporaryFolder } from './run-cli.ts'

const streams = 100

test('a signal with 100 streams under way: those that end in time are whole, all others say that they are cut, each has its end on record, and the server ends with 0', async () => {
  using folder = temporaryFolder()
  const data = join(folder.path, 'data')
  // Half of the streams end at the test's word, the others never do.
  await using upstream = await startHostile(async ({ text, write, turn }) => {
    if (text.startsWith('GET ')) {
      await write(whole(200, '{"data":[{"id":"m"}]}', ['content-type: application/json']))
      return
    }
    await write(sseHead)
    await write(chunk(said('one')))
    if (text.includes('"user":"odd"')) return
    await turn()
    await write(chunk(said('two', { usage }) + done))
    await write('0\r\n\r\n')
  })
  await using server = await startServe(data, [
    ...['--upstream', upstream.url, '--preset', 'vllm', '--shutdown-grace', '5s', '--limit-default', 'none'],
  ])
  const { admin } = JSON.parse(readFileSync(join(data, 'first-keys.json'), 'utf8')) as {
    readonly admin: string
  }
  const created = await fetch(`${server.address}/v1/keys`, {
    method: 'POST',
    headers: { 'x-api-key': admin, 'content-type': 'application/json' },
    body: JSON.stringify({ name: 'k', limits: ['1000000 tokens/h'] }),
  })
  const { key } = (await created.json()) as { readonly key: string }
  const ask = (index: number): Promise<Response> =>
    fetch(`${server.address}/v1/chat/completions`, {
      method: 'POST',
      headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
      body: JSON.stringify({
        ...{ model: 'm', stream: true, max_tokens: 100, user: index % 2 === 0 ? 'even' : 'odd' },
        messages: [{ role: 'user', content: 'why' }],
      }),
    })
  const answers = await Promise.all(Array.from({ length: streams }, (_, index) => ask(index)))
  expect(answers.map(({ status }) => status)).toEqual(Array(streams).fill(200))
  const reading = answers.map(readToItsEnd)

  const ended = once(server.child, 'exit')
  server.child.kill('SIGTERM')
  // It accepts no more connections: the signal has been heard.
  const isHeard = (): Promise<boolean> =>
    fetch(`${server.address}/health`, { headers: { connection: 'close' } }).then(
      () => false,
      () => true,
    )
  await expect.poll(isHeard, { interval: 10 }).toBe(true)
  for (let even = 0; even < streams / 2; even += 1) upstream.next()
  const got = await Promise.all(reading)
  expect(await ended).toEqual([0, null])

  const isWhole = got.filter((one) => one.isWhole && one.text.endsWith(done))
  const isCut = got.filter((one) => !one.isWhole && /"code":"overloaded"\}\}\s*$/.test(one.text))
  expect([isWhole.length, isCut.length]).toEqual([streams / 2, streams / 2])
  const storage = await openStorage({ data }, { create: false })
  onTestFinished(() => storage.close())
  const query = async (event: LedgerEvent): Promise<readonly LedgerRecord[]> =>
    (await storage.ledger?.query({ event, limit: 1_000, order: 'oldest' }))?.records ?? []
  const idsOf = (records: readonly LedgerRecord[]): readonly (string | null)[] =>
    records.map(({ requestId }) => requestId).toSorted()
  const ends = await query('request.finished')
  expect(new Set(idsOf(ends)).size).toBe(streams)
  expect(idsOf(ends)).toEqual(idsOf(await query('request.started')))
  expect(ends.filter(({ detail }) => detail?.['end'] === 'shutdown')).toHaveLength(streams / 2)
  expect(ends.filter(({ detail }) => detail?.['late'] === true)).toEqual([])
})
