import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import { drawPepper } from '../secrets/peppers.ts'
import { drawSigningKey, drawSigningKeyLine } from '../secrets/signing-key.ts'
import { readSecrets, type SecretFlags } from './read-secrets.ts'
import { type SecretName, secretNames, secretSettings } from './secret-settings.ts'

const samples: Readonly<Record<SecretName, readonly string[]>> = {
  pepper: [drawPepper(1), `${drawPepper(1)},${drawPepper(2)}`],
  signingKey: [drawSigningKey().trim(), drawSigningKeyLine()],
  databaseUrl: ['postgres://u:p@db.example:5432/app', 'postgresql://u@[::1]/app?schema=mw'],
  redisUrl: [
    ...['redis://:p@127.0.0.1:6379/0', 'rediss://u:p@cache.example'],
    ...['redis+sentinel://a:26379,b:26379/main', 'redis+cluster://a:6379,b:6379'],
  ],
  upstreamKey: ['sk-proj-1', 'a'.repeat(200)],
}

const wrong: Readonly<Record<SecretName, readonly string[]>> = {
  pepper: ['hush', '1:short'],
  signingKey: ['hush', '-----BEGIN PRIVATE KEY-----\nhush\n-----END PRIVATE KEY-----'],
  databaseUrl: ['db.example', 'mysql://u:hush@db/app', 'postgres:', 'postgres://u:hush@a b/app'],
  redisUrl: ['cache.example', 'http://u:hush@cache', 'redis://'],
  upstreamKey: ['Bearer hush', 'hush\nhush', 'hüsh'],
}

function fileOf(text: string): string {
  const folder = mkdtempSync(join(tmpdir(), 'modelward-secrets-'))
  onTestFinished(() => rmSync(folder, { recursive: true }))
  const file = join(folder, 'secret')
  writeFileSync(file, text)
  return file
}

describe.each(secretNames)('%s', (name) => {
  const { variable, hasFlag } = secretSettings[name]

  test.each(samples[name])('comes from its variable or its file', (text) => {
    expect(readSecrets({ [variable]: text })).toMatchObject({
      secrets: { [name]: text },
      origins: { [name]: variable },
      faults: [],
    })
    const inFile = readSecrets({ [`${variable}_FILE`]: fileOf(`${text}\n`) })
    expect(inFile).toMatchObject({ secrets: { [name]: text }, origins: { [name]: `${variable}_FILE` } })
  })

  test.each(wrong[name])('is a fault where it is something else, and is not repeated', (text) => {
    const { secrets, faults } = readSecrets({ [variable]: text })
    expect(secrets[name]).toBeUndefined()
    expect(faults).toMatchObject([{ where: variable, got: 'something else' }])
    expect(JSON.stringify(faults)).not.toContain('hush')
  })

  test('is a fault where it is empty, in two places, or in a file that cannot be read', () => {
    const [text = ''] = samples[name]
    const faultsOf = (environment: Record<string, string>): unknown => readSecrets(environment).faults
    expect(faultsOf({ [variable]: '' })).toMatchObject([{ where: variable, got: 'an empty text' }])
    expect(faultsOf({ [`${variable}_FILE`]: '' })).toMatchObject([{ got: 'an empty text' }])
    expect(faultsOf({ [variable]: text, [`${variable}_FILE`]: '/x' })).toMatchObject([{ got: 'both' }])
    const unreadable = JSON.stringify(faultsOf({ [`${variable}_FILE`]: `/no/such/${'hush'}` }))
    expect(unreadable).toContain('ENOENT')
    expect(unreadable).not.toContain('hush')
  })

  test('comes from its flag first, where it has one', () => {
    const [first = '', second = ''] = samples[name]
    const flags: SecretFlags = { [name]: [second] }
    if (!hasFlag) return
    expect(readSecrets({ [variable]: first }, flags)).toMatchObject({ secrets: { [name]: second } })
    expect(readSecrets({}, { [name]: [first, second] }).faults).toMatchObject([{ got: 'it 2 times' }])
    expect(readSecrets({ [variable]: 'hush' }, flags).faults, 'overruled').toHaveLength(1)
  })
})
