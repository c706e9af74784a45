import { generateKeyPairSync } from 'node:crypto'
import { readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { createTemporaryFolder } from '../../../test/contract/temporary-folder.ts'
import { SetupError } from '../../core/setup-error.ts'
import { openDataFolder } from './data-folder.ts'
import { openFolder } from './open-folder.ts'
import { openSigningKey, readPublicKey } from './signing-key.ts'

/** Opens a folder, and returns the key that signs its checkpoints. */
async function keyOf(data: string, onNewSigningKey = (..._given: readonly string[]): void => {}) {
  const storage = await openFolder(data, { create: true, ledger: { onNewSigningKey } })
  try {
    return (await storage.ledger?.checkpoint())?.key
  } finally {
    await storage.close()
  }
}

test('a folder has one signing key for good, made when it is first wanted, for its owner alone', async () => {
  const data = createTemporaryFolder()
  const file = join(data, 'signing-key')
  const key = await keyOf(data)
  expect(statSync(file).mode & 0o777).toBe(0o600)
  expect(readFileSync(file, 'utf8')).toMatch(/^-----BEGIN PRIVATE KEY-----\n/)
  expect(readPublicKey(data)).toBe(key)
  expect(await keyOf(data)).toBe(key)
})

test('a lost signing key is replaced, which is reported with the new one; a first one is not', async () => {
  const data = createTemporaryFolder()
  const reported: (readonly string[])[] = []
  const report = (...given: readonly string[]): void => void reported.push(given)
  const lost = await keyOf(data, report)
  expect(reported).toEqual([])
  rmSync(join(data, 'signing-key'))
  const key = await keyOf(data, report)
  expect(key).not.toBe(lost)
  expect(reported).toEqual([
    [expect.stringMatching(/^the ledger was there and its signing key was not/), key],
  ])
  await keyOf(data, report)
  expect(reported).toHaveLength(1)
})

test.each([
  '',
  'MC4CAQAwBQYDK2VwBCIEIA-not-a-pem',
  generateKeyPairSync('x25519').privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
])('a file that is no signing key is reported, never shown and never replaced: %#', (text) => {
  const folder = openDataFolder(createTemporaryFolder(), { create: true })
  const file = join(folder.path, 'signing-key')
  writeFileSync(file, text, { mode: 0o600 })
  for (const refused of [() => openSigningKey(folder), () => readPublicKey(folder.path)]) {
    expect(refused).toThrow(SetupError)
    expect(refused).toThrow(/signing-key: expected an Ed25519 private key in PEM/)
    if (text !== '') expect(refused).not.toThrow(text.replaceAll(/-----.*-----|\n/g, '').slice(0, 20))
  }
  expect(readFileSync(file, 'utf8')).toBe(text)
})
