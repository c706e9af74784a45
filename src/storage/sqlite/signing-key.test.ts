import { generateKeyPairSync } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { collectEvents } from '../../../test/support/collect-events.ts'
import { openFolderLedger } from '../../../test/support/open-folder-ledger.ts'
import { SetupError } from '../../core/setup-error.ts'
import { publicKeyOf } from '../../ledger/format/checkpoint.ts'
import { noTelemetry } from '../../telemetry/telemetry.ts'
import { type DataFolder, openDataFolder } from './data-folder.ts'
import { openSigningKey } from './signing-key.ts'

function temporaryFolder(): Disposable & { readonly folder: DataFolder } {
  const path = mkdtempSync(join(tmpdir(), 'modelward-ledger-'))
  return {
    folder: openDataFolder(path, { create: true }),
    [Symbol.dispose]: () => rmSync(path, { recursive: true, force: true }),
  }
}

test('a folder has one signing key for good, made when it is first wanted, for its owner alone', async () => {
  using opened = temporaryFolder()
  const { folder } = opened
  const ledger = await openFolderLedger(folder)
  const { key } = await ledger.checkpoint()
  await ledger.close()
  expect(statSync(join(folder.path, 'signing-key')).mode & 0o777).toBe(0o600)
  expect(readFileSync(join(folder.path, 'signing-key'), 'utf8')).toMatch(/^-----BEGIN PRIVATE KEY-----\n/)
  expect(publicKeyOf(openSigningKey(folder, noTelemetry))).toBe(key)
  const again = await openFolderLedger(folder)
  expect((await again.checkpoint()).key).toBe(key)
  await again.close()
})

test('a signing key that was lost is made anew, which is told with the new one; a first one is not', async () => {
  using opened = temporaryFolder()
  const { folder } = opened
  const { telemetry, events } = collectEvents()
  const first = await openFolderLedger(folder, { telemetry })
  const lost = (await first.checkpoint()).key
  await first.close()
  expect(events).toEqual([])
  rmSync(join(folder.path, 'signing-key'))
  const again = await openFolderLedger(folder, { telemetry })
  const { key } = await again.checkpoint()
  await again.close()
  expect(key).not.toBe(lost)
  expect(events).toMatchObject([{ name: 'ledger.signing_key_new', fields: { public_key: key } }])
  await (await openFolderLedger(folder, { telemetry })).close()
  expect(events).toHaveLength(1)
})

test.each([
  '',
  'MC4CAQAwBQYDK2VwBCIEIA-not-a-pem',
  generateKeyPairSync('x25519').privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
])('an invalid signing key is reported, never shown and never replaced: %#', (text) => {
  using opened = temporaryFolder()
  const { folder } = opened
  const file = join(folder.path, 'signing-key')
  writeFileSync(file, text, { mode: 0o600 })
  const refused = (): unknown => openSigningKey(folder, noTelemetry)
  expect(refused).toThrow(SetupError)
  expect(refused).toThrow(/signing-key: expected an Ed25519 private key/)
  if (text !== '') expect(refused).not.toThrow(text.replaceAll(/-----.*-----|\n/g, '').slice(0, 20))
  expect(readFileSync(file, 'utf8')).toBe(text)
})
