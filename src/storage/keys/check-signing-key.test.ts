import { generateKeyPairSync } from 'node:crypto'
import { expect, test } from 'vitest'
import { publicKeyOf } from '../../ledger/format/checkpoint.ts'
import { compareSigningKey, storeSigningKey } from './check-signing-key.ts'

type Outcome = Promise<string>

/** Settings of a deployment, and what nodes and commands with these keys say, the first signs. */
function createDeployment() {
  const settings = new Map<string, string>()
  const store = {
    findSetting: async (name: string) => settings.get(name),
    async addSetting(name: string, value: string) {
      if (!settings.has(name)) settings.set(name, value)
      return settings.get(name) ?? value
    },
  }
  const codeOf = (error: { readonly code: string }): string => error.code
  const keysOf = ([key, ...earlier]: readonly Key[]) => ({
    key: (key as Key).privateKey,
    earlier: earlier.map(({ publicKey }) => publicKeyOf(publicKey)),
  })
  return {
    settings,
    node: (...keys: readonly Key[]): Outcome =>
      storeSigningKey(store, keysOf(keys)).then(() => 'starts', codeOf),
    command: (...keys: readonly Key[]): Outcome => compareSigningKey(store, keysOf(keys)).catch(codeOf),
  }
}

const draw = () => generateKeyPairSync('ed25519')
type Key = ReturnType<typeof draw>
const [old, fresh, third, strange] = [draw(), draw(), draw(), draw()] as const

test('the first node’s key is the deployment’s; another one is refused, and nothing is stored of it', async () => {
  const { node, command, settings } = createDeployment()
  expect(await command(strange)).toBe('current')
  expect(settings.size).toBe(0)
  expect(await node(old)).toBe('starts')
  expect(await node(strange)).toBe('signing_key_mismatch')
  expect(await node(strange, fresh)).toBe('signing_key_mismatch')
  expect(await command(strange)).toBe('signing_key_mismatch')
  expect(await command(old)).toBe('current')
  expect([...settings.values()]).toEqual([publicKeyOf(old.publicKey)])
})

test('a node with the public half of the deployment’s key behind its own replaces it, a command does not', async () => {
  const { node, command, settings } = createDeployment()
  expect(await node(old)).toBe('starts')
  expect(await command(fresh, old)).toBe('next')
  expect(settings.size).toBe(1)
  expect(await node(fresh, old)).toBe('starts')
  // As long as nodes are rolled, both start, and others than these do not.
  expect(await node(old)).toBe('starts')
  expect(await command(old)).toBe('previous')
  expect(await node(fresh, old)).toBe('starts')
  expect(await node(fresh)).toBe('starts')
  expect(await node(strange)).toBe('signing_key_mismatch')
  expect(await node(third, old)).toBe('signing_key_mismatch')
  expect(await node(third, fresh, old)).toBe('starts')
  expect(await node(old)).toBe('signing_key_mismatch')
  expect(settings.size).toBe(3)
})

test('of nodes that replace it at once by two keys those of one start', async () => {
  const { node, settings } = createDeployment()
  expect(await node(old)).toBe('starts')
  const outcomes = await Promise.all([fresh, third, fresh, third].map((key) => node(key, old)))
  expect(outcomes).toEqual(['starts', 'signing_key_mismatch', 'starts', 'signing_key_mismatch'])
  expect(settings.size).toBe(2)
})

test('a stored value that is no public key is not shown, and keeps nodes from starting', async () => {
  const { node, settings } = createDeployment()
  expect(await node(old)).toBe('starts')
  for (const name of settings.keys()) settings.set(name, '\u001b[2J')
  expect(await node(old)).toBe('data_corrupt')
})
