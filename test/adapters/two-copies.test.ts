import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import express from 'express'
import { fastify } from 'fastify'
import { Hono } from 'hono'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { packageVersion } from '../../src/core/runtime/package-version.ts'
import { createTestWard, openModelward, SetupError, type TestWard } from '../../src/index.ts'
import { createFakeLedger } from './fake-ledger.ts'

/** Everything once more, as an app and one of its dependencies may each have it. */
async function loadCopy(version: string = packageVersion) {
  vi.resetModules()
  vi.doMock(import('../../src/core/runtime/package-version.ts'), () => ({ packageVersion: version }) as never)
  return {
    root: await import('../../src/index.ts'),
    fastify: await import('../../src/fastify/index.ts'),
    hono: await import('../../src/hono/index.ts'),
    express: await import('../../src/express/index.ts'),
    web: await import('../../src/web/index.ts'),
  }
}

afterEach(() => {
  vi.doUnmock('../../src/core/runtime/package-version.ts')
  vi.resetModules()
})

test('the version is the one in package.json', () => {
  expect(packageVersion).toBe(JSON.parse(readFileSync('package.json', 'utf8')).version)
})

describe('a ward of another copy of the same version', () => {
  const ledger = createFakeLedger()
  let ward: TestWard<'right', true>
  beforeEach(async () => {
    ward = await createTestWard({ ledger, keys: { right: { owner: 'acme' } } })
    ledger.entries.length = 0
  })
  afterEach(() => ward.close())

  type Copy = Awaited<ReturnType<typeof loadCopy>>
  type Ask = (headers: Readonly<Record<string, string>>) => Promise<number>

  const adapters: readonly (readonly [string, (copy: Copy) => Promise<Ask>])[] = [
    [
      'Fastify',
      async (copy) => {
        const app = fastify()
        await app.register(copy.fastify.modelward, { ward })
        app.get('/', async (request) => request.caller.owner)
        return async (headers) => (await app.inject({ url: '/', headers })).statusCode
      },
    ],
    [
      'Hono',
      async (copy) => {
        const app = copy.hono.guardApp(new Hono(), { ward })
        app.get('/', (c) => c.text(copy.hono.callerOf(ward, c).owner))
        return async (headers) => (await app.request('/', { headers })).status
      },
    ],
    [
      'a web-standard handler',
      async (copy) => {
        const handler = copy.web.guard(ward, {}, (_request, caller) => new Response(caller.owner))
        return async (headers) => (await handler(new Request('http://localhost/', { headers }))).status
      },
    ],
  ]

  test.each(adapters)('%s: guards and records as its own', async (_, open) => {
    const ask = await open(await loadCopy())
    expect(await ask({})).toBe(401)
    expect(await ask({ 'x-api-key': 'wrong' })).toBe(403)
    expect(await ask({ 'x-api-key': ward.testKeys.right })).toBe(200)
    expect(ledger.entries.map(({ event, code, status }) => [event, code, status])).toEqual([
      ['request.refused', 'key_missing', 401],
      ['request.refused', 'key_invalid', 403],
      ['request.admitted', null, 200],
    ])
  })
})

describe('another version', () => {
  test('whose ward an adapter is given is refused where it is declared, with both versions and what to do', async () => {
    const ward = await createTestWard()
    const copy = await loadCopy('9.9.9')
    const ok = (): Response => new Response('ok')
    const says = `the ward is of modelward ${packageVersion}, and this adapter of 9.9.9; one process needs one version: \`npm ls modelward\` shows which packages bring which`
    for (const declare of [
      () => copy.hono.guard(ward),
      () => copy.hono.guardApp(new Hono(), { ward }),
      () => copy.express.guard(ward),
      () => copy.express.guardApp(express(), { ward }),
      () => copy.web.guard(ward, {}, ok),
      () => copy.web.guardApp(ok, { ward }),
    ])
      expect(declare).toThrow(new TypeError(`guard: ${says}`))
    const app = fastify()
    app.register(copy.fastify.modelward, { ward })
    await expect(app.ready()).rejects.toThrow(`modelward: ${says}`)
    const faults: unknown[] = []
    const lazy = copy.web.guard(async () => ward, {}, ok, { onFault: ({ cause }) => faults.push(cause) })
    expect((await lazy(new Request('http://localhost/'))).status).toBe(503)
    expect(String(faults)).toContain(says)
  })

  test('does not open a folder that this one has open in the same process, until that is closed', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'modelward-copies-'))
    try {
      const data = join(folder, 'data')
      const ward = await openModelward({ data })
      const { root } = await loadCopy('9.9.9')
      await expect(root.openModelward({ data })).rejects.toMatchObject({
        code: 'data_in_use',
        message: `${data}: modelward ${packageVersion} has this deployment open in this process, and this is 9.9.9; one process needs one version: \`npm ls modelward\` shows which packages bring which`,
      })
      await ward.close()
      const other = await root.openModelward({ data })
      await other.close()
    } finally {
      rmSync(folder, { recursive: true })
    }
  })

  test('makes setup errors that are known here as well', async () => {
    const { root } = await loadCopy('9.9.9')
    const error = new root.SetupError('data_missing', 'there is no such folder')
    expect(Object.getPrototypeOf(error)).not.toBe(SetupError.prototype)
    expect(error).toBeInstanceOf(SetupError)
    expect(new SetupError('data_missing', 'none')).toBeInstanceOf(root.SetupError)
    expect({ ...error, message: 'data_missing' }).not.toBeInstanceOf(SetupError)
    expect(new Error('data_missing')).not.toBeInstanceOf(SetupError)
  })
})
