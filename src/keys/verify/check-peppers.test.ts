import { expect, test } from 'vitest'
import { parsePeppers } from '../../secrets/peppers.ts'
import { checkPeppers } from './check-peppers.ts'

function pepper(version: number, byte = version): string {
  return `${version}:${Buffer.alloc(32, byte).toString('base64url')}`
}

/** Settings of a deployment, and how it is opened under peppers: `right`, or why not. */
function createDeployment() {
  const settings = new Map<string, string>()
  const store = {
    findSetting: async (name: string) => settings.get(name),
    async addSetting(name: string, value: string) {
      if (!settings.has(name)) settings.set(name, value)
      return settings.get(name) ?? value
    },
  }
  return (...lines: readonly string[]) =>
    checkPeppers(store, parsePeppers(lines.join('\n'), 'the test')).then(
      () => 'right',
      (error: { readonly code: string }) => error.code,
    )
}

test('peppers that are not the deployment’s are refused, and its own are right as before', async () => {
  const open = createDeployment()
  expect(await open(pepper(1))).toBe('right')
  expect(await open(pepper(2))).toBe('pepper_missing')
  expect(await open(pepper(1, 9), pepper(2))).toBe('pepper_mismatch')
  expect(await open(pepper(3), pepper(5))).toBe('pepper_missing')
  expect(await open(pepper(1))).toBe('right')
})

test('a pepper that was added is needed from then on', async () => {
  const open = createDeployment()
  expect(await open(pepper(1))).toBe('right')
  expect(await open(pepper(1), pepper(2))).toBe('right')
  expect(await open(pepper(1))).toBe('pepper_missing')
  expect(await open(pepper(2))).toBe('pepper_missing')
  expect(await open(pepper(1), pepper(2, 9))).toBe('pepper_mismatch')
  expect(await open(pepper(1), pepper(2))).toBe('right')
})
