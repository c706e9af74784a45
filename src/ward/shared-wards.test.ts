import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, relative } from 'node:path'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { apiKeyHeader } from '../guard/scheme.ts'
import { WebHead } from '../guard/web/web-head.ts'
import { type OpenOptions, openModelward } from './open-modelward.ts'
import type { FolderPlaceOptions } from './place-options.ts'
import type { Ward } from './ward.ts'

let folder: string
let data: string
let opened: Ward[]

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'modelward-shared-'))
  data = join(folder, 'data')
  opened = []
})
afterEach(async () => {
  await Promise.allSettled(opened.map((ward) => ward.close()))
  rmSync(folder, { recursive: true, force: true })
})

async function open(options: Partial<FolderPlaceOptions & OpenOptions> = {}): Promise<Ward> {
  const ward = await openModelward({ data, ...options })
  opened.push(ward)
  return ward
}

/** What a ward says of a request with a key: admitted, or the code of the refusal or fault. */
async function ask(ward: Ward, key: string): Promise<string> {
  const request = new Request('https://models.example/', { headers: { 'X-API-Key': key } })
  try {
    const verdict = await ward.admit(new WebHead(request, '203.0.113.7'))
    return verdict.admitted ? 'admitted' : verdict.refusal.code
  } catch (fault) {
    return (fault as { readonly code: string }).code
  }
}

async function createKey(ward: Ward, ...limits: readonly string[]): Promise<string> {
  return (await ward.keys.create({ name: 'a', owner: 'acme', limits })).text
}

test('a folder that this process opens again admits no more than its limits, one window for all', async () => {
  const first = await open()
  const key = await createKey(first, '3/h')
  expect([await ask(first, key), await ask(first, key)]).toEqual(['admitted', 'admitted'])
  const second = await open()
  expect([await ask(second, key), await ask(second, key)]).toEqual(['admitted', 'rate_limited'])
  expect(await ask(first, key)).toBe('rate_limited')
})

test('a module that is loaded again, as hot reload does, finds the ward and what was used', async () => {
  const first = await open()
  const key = await createKey(first, '2/min')
  await ask(first, key)
  vi.resetModules()
  const again = await import('./open-modelward.ts')
  expect(again.openModelward).not.toBe(openModelward)
  const second = await again.openModelward({ data, scheme: apiKeyHeader({ name: 'X-API-Key' }) })
  opened.push(second)
  expect([await ask(second, key), await ask(second, key)]).toEqual(['admitted', 'rate_limited'])
})

test('openings at once, and by other paths, are openings of one folder', async () => {
  mkdirSync(join(folder, 'real'))
  symlinkSync('real', join(folder, 'link'))
  const wards = await Promise.all(
    ['real/data', 'link/data', 'link/../real/data'].map((path) => open({ data: join(folder, path) })),
  )
  wards.push(await open({ data: relative('.', join(folder, 'link/data')) }))
  expect(new Set(wards.map(({ guard }) => guard)).size).toBe(1)
})

test('it stays open until its last opening is closed; closing one of them twice counts once', async () => {
  const first = await open()
  const second = await open()
  const key = await createKey(first)
  await first.close()
  await first.close()
  expect(await ask(second, key)).toBe('admitted')
  await second.close()
  expect(await ask(second, key)).toBe('store_unavailable')
})

test('an opening that comes while the last one closes waits for it, and keeps its limits', async () => {
  const heard: string[] = []
  const onEvent = ({ name }: { readonly name: string }): void => void heard.push(name)
  const first = await open({ onEvent })
  const key = await createKey(first, '1/h')
  expect(await ask(first, key)).toBe('admitted')
  const closing = first.close()
  const [second, third] = await Promise.all([open({ onEvent }), open({ onEvent })])
  await closing
  expect(second.guard).toBe(third.guard)
  expect(second.guard).not.toBe(first.guard)
  expect(await ask(second, key)).toBe('rate_limited')
  expect(heard.filter((name) => name !== 'ledger.checkpoint')).toEqual([])
})

test('other options are refused in one sentence that names them, and no secret; the ward goes on', async () => {
  const pepper = `1:${'A'.repeat(43)}`
  const onEvent = (): void => {}
  const options = { pepper, limitDefault: ['60/min'], onEvent }
  const first = await open(options)
  const key = await createKey(first)
  const others = {
    pepper: `1:${'B'.repeat(43)}`,
    limitDefault: ['61/min'],
    onEvent: (): void => {},
    scheme: apiKeyHeader({ name: 'X-Other-Key' }),
    realm: 'other',
  }
  const refusal = await open(others).catch((error: unknown) => error as Error & { code: string })
  expect(refusal).toMatchObject({
    code: 'data_in_use',
    message: expect.stringMatching(
      /data: this process .* `limitDefault`, `onEvent`, `scheme`, `pepper`, `realm`; .*`globalThis`/,
    ),
  })
  expect(JSON.stringify([refusal, (refusal as Error).message])).not.toMatch(/A{43}|B{43}/)
  expect(await ask(first, key)).toBe('admitted')
  // The same said again is the same: another array, another scheme of the same name.
  const same = { ...options, limitDefault: ['60/min'], scheme: apiKeyHeader({ name: 'X-API-Key' }) }
  expect((await open(same)).guard).toBe(first.guard)
  expect((await open({ ...options, create: false })).guard).toBe(first.guard)
})

test('an opening that failed is not kept: the next one tries anew', async () => {
  writeFileSync(data, 'a file in the place of the folder')
  const failed = await Promise.allSettled([open(), open()])
  expect(failed.map(({ status }) => status)).toEqual(['rejected', 'rejected'])
  rmSync(data)
  expect(await ask(await open(), 'wrong')).toBe('key_invalid')
})

test('a folder that was replaced under its ward is another one', async () => {
  const first = await open()
  const key = await createKey(first)
  rmSync(data, { recursive: true })
  const second = await open()
  expect(second.guard).not.toBe(first.guard)
  expect(await ask(second, key)).toBe('key_invalid')
  // Its ledger cannot end, for the files are gone: that is an event, and no reason to stay open.
  await first.close()
  expect((await open()).guard).toBe(second.guard)
})
