import { existsSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { createTemporaryFolder } from '../../test/contract/temporary-folder.ts'
import { askServer } from '../cli/limits/ask-server.ts'
import { WebHead } from '../guard/web/web-head.ts'
import { createTestWard } from '../ward/test-ward.ts'
import { controlSocketOf, openControlSocket } from './control-socket.ts'
import { createLog } from './http/log.ts'

const log = createLog({ level: 'silent', keyHeader: 'X-API-Key' })

test('tells every user who may open the folder how the limits of a key stand', async () => {
  const ward = await createTestWard({ keys: { alice: { limits: ['3/min'] } } })
  const folder = createTemporaryFolder()
  const close = await openControlSocket(folder, ward, log)
  expect(statSync(controlSocketOf(folder)).mode & 0o777).toBe(0o600)
  expect(await askServer(folder, `/limits/${ward.ids.alice}`)).toMatchObject({
    limits: [{ limit: '3/min', remaining: 3 }],
  })
  await expect(askServer(folder, '/limits/NobodysKey00')).rejects.toMatchObject({ code: 'not_found' })
  await expect(askServer(folder, '/elsewhere')).rejects.toMatchObject({ code: 'not_found' })
  await close()
  expect(existsSync(controlSocketOf(folder))).toBe(false)
  expect(await askServer(folder, `/limits/${ward.ids.alice}`)).toBeUndefined()
})

test('resets what a key has used, and records that the command line did', async () => {
  const ward = await createTestWard({ keys: { alice: { limits: ['3/min'] } } })
  const folder = createTemporaryFolder()
  const close = await openControlSocket(folder, ward, log)
  const headers = { 'x-api-key': ward.testKeys.alice }
  await ward.admit(new WebHead(new Request('http://localhost/', { headers }), '127.0.0.1'))
  const left = async (method: 'GET' | 'POST') => askServer(folder, `/limits/${ward.ids.alice}`, method)
  expect(await left('GET')).toMatchObject({ limits: [{ used: 1 }] })
  expect(await left('POST')).toMatchObject({ limits: [{ used: 0 }] })
  expect(await left('GET')).toMatchObject({ limits: [{ used: 0 }] })
  expect(ward.records()).toContainEqual(
    expect.objectContaining({
      event: 'key.limits_reset',
      keyId: ward.ids.alice,
      detail: expect.objectContaining({ by: 'cli', limits: ['3/min'] }),
    }),
  )
  await close()
})

test('takes the place of what a killed server left behind', async () => {
  const ward = await createTestWard()
  const folder = createTemporaryFolder()
  writeFileSync(controlSocketOf(folder), '')
  expect(await askServer(folder, '/limits/NobodysKey00')).toBeUndefined()
  const close = await openControlSocket(folder, ward, log)
  await expect(askServer(folder, '/limits/NobodysKey00')).rejects.toMatchObject({ code: 'not_found' })
  await close()
})

test('a path that is too long for a socket is no reason not to serve', async () => {
  const folder = join(createTemporaryFolder(), 'x'.repeat(120))
  const close = await openControlSocket(folder, await createTestWard(), log)
  expect(await askServer(folder, '/limits/NobodysKey00')).toBeUndefined()
  await close()
})

test('a folder that takes no socket is no reason not to serve', async () => {
  const lines: string[] = []
  const told = createLog({
    level: 'info',
    keyHeader: 'X-API-Key',
    stream: { write: (line: string) => void lines.push(line) },
  })
  const close = await openControlSocket('/proc', await createTestWard(), told)
  expect(lines.join('')).toContain('no control socket: ')
  await close()
})
