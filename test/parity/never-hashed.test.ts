import type * as Crypto from 'node:crypto'
import { afterAll, beforeAll, beforeEach, expect, test, vi } from 'vitest'
import { createKey, expectProblem, keyHeader, predict } from './ask.ts'
import type { ParityTarget } from './parity-target.ts'
import { startServerTarget } from './start-server-target.ts'

/** Everything that `node:crypto` was given to hash. */
const hashed = vi.hoisted(() => [] as string[])

vi.mock('node:crypto', async (original) => {
  const crypto = await original<typeof Crypto>()
  const watched = {
    ...crypto,
    hash: (...[algorithm, data, ...rest]: Parameters<typeof crypto.hash>) => {
      hashed.push(String(data))
      return crypto.hash(algorithm, data, ...rest)
    },
    createHmac: (...args: Parameters<typeof crypto.createHmac>) => {
      const hmac = crypto.createHmac(...args)
      const update = hmac.update.bind(hmac)
      return Object.assign(hmac, {
        update(data: string) {
          hashed.push(data)
          return update(data)
        },
      })
    },
  }
  // Its functions are imported by name, and as members of the whole.
  return { ...watched, default: watched }
})

let target: ParityTarget
let key: string
beforeAll(async () => {
  target = await startServerTarget()
  key = await createKey(target)
})
afterAll(() => target.close())
beforeEach(() => {
  hashed.length = 0
})

test('12 a key of ordinary length is hashed, so that this file would see it', async () => {
  expect((await predict(target, { headers: [keyHeader(key)] })).status).toBe(200)
  expect(hashed).toContain(key)
})

test.each([
  ['12', 17 * 1_024, 431, 'headers_too_large'],
  ['13', 100 * 1_024, 431, 'headers_too_large'],
  ['12', 15 * 1_024, 403, 'key_invalid'],
  ['12', 513, 403, 'key_invalid'],
] as const)('%s a key of %i bytes is never hashed', async (_, size, status, code) => {
  expectProblem(await predict(target, { headers: [keyHeader('k'.repeat(size))] }), status, code)
  expect(hashed.filter((text) => text.includes('kkkkkkkk'))).toEqual([])
})
