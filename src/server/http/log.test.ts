import { afterEach, describe, expect, test } from 'vitest'
import { openTestApp, type TestApp, type TestAppOptions } from '../../../test/support/test-app.ts'
import { createLog } from './log.ts'

const apps: TestApp[] = []
afterEach(async () => {
  await Promise.all(apps.splice(0).map(({ app }) => app.close()))
})

async function open(options: TestAppOptions): Promise<TestApp> {
  const opened = await openTestApp(options)
  apps.push(opened)
  return opened
}

const key = `mw_live_Qm2xT0bKc9Za_${'s'.repeat(43)}abcdef`

describe('the log', () => {
  test('holds no key, wherever one is written, but its id', () => {
    const lines: string[] = []
    const log = createLog({
      level: 'info',
      keyHeader: 'X-Token',
      stream: { write: (line) => void lines.push(line) },
    })
    const headers = {
      authorization: 'Bearer imported-1',
      'x-api-key': 'imported-2',
      cookie: 'imported-3',
      'x-token': 'imported-4',
    }
    log.info({ headers, req: { headers }, ...headers }, 'headers')
    log.error({ err: new Error(`bad key ${key}`) }, `path /${key}`)
    const written = lines.join('')
    expect(written).not.toMatch(/imported-\d/)
    expect(written).not.toContain('ssss')
    expect(written).toContain('mw_live_Qm2xT0bKc9Za_[redacted]')
    expect(lines.map((line) => JSON.parse(line).level)).toEqual(['info', 'error'])
  })

  test('holds no key that is cut short, or one character too long, or of another prefix', () => {
    const lines: string[] = []
    const log = createLog({
      level: 'info',
      keyHeader: 'X-Token',
      stream: { write: (line) => void lines.push(line) },
    })
    for (const text of [key.slice(0, -1), key.slice(0, -40), `${key}x`, `my${key.slice(2)}`, `x_${key}`])
      log.info(`got ${text}`)
    expect(lines.join('')).not.toContain('sss')
    expect(lines.join('').match(/_live_Qm2xT0bKc9Za_\[redacted\]"/g)).toHaveLength(5)
  })

  test('has a line for every request where that is asked for, by its pattern and never by its path', async () => {
    const { app, keys, lines } = await open({ logLevel: 'info', logRequests: true })
    const answer = await app.inject({
      url: `/v1/keys/self?key=${keys.admin}`,
      headers: { 'x-api-key': keys.right },
    })
    expect(JSON.parse(lines[0] ?? '')).toMatchObject({
      request_id: answer.headers['x-request-id'],
      method: 'GET',
      route: '/v1/keys/self',
      status: 200,
      key_id: answer.json().id,
      address: '127.0.0.1',
    })
    expect(lines.join('')).not.toContain(keys.admin.slice(21))
  })

  test('is silent about requests otherwise, and about why one was refused below debug', async () => {
    const { app, keys, lines } = await open({ logLevel: 'info' })
    await app.inject({ url: '/docs', headers: { 'x-api-key': keys.wrong } })
    await app.inject({ url: '/docs', headers: { 'x-api-key': keys.right } })
    expect(lines).toEqual([])
    const debugging = await open({ logLevel: 'debug' })
    await debugging.app.inject({ url: '/docs', headers: { 'x-api-key': 'nonsense' } })
    expect(debugging.lines.map((line) => JSON.parse(line))).toMatchObject([
      { code: 'key_invalid', reason: 'malformed' },
    ])
  })
})
