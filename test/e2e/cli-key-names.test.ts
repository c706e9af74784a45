import { describe, expect, test } from 'vitest'
import { runCli, runError, runJson, temporaryFolder } from './run-cli.ts'

interface Key {
  readonly id: string
  readonly key: string
  readonly name: string
  readonly status: string
  readonly revoked_reason: string | null
}

const create = (data: string, name: string, ...args: readonly string[]): Promise<Key> =>
  runJson<Key>(['keys', 'create', '--data', data, '--name', name, ...args])

const show = (data: string, id: string): Promise<Key> => runJson(['keys', 'show', id, '--data', data])

describe('a key by its name', () => {
  test('every command over one key takes a name that one key has', async () => {
    using folder = temporaryFolder()
    const data = ['--data', folder.path]
    const { id } = await create(folder.path, 'Search page')
    await create(folder.path, 'search page')
    const run = (...words: readonly string[]): Promise<Key> => runJson([...words, ...data])
    expect((await run('keys', 'show', 'Search page')).id).toBe(id)
    expect(await run('keys', 'disable', 'Search page')).toMatchObject({ id, status: 'disabled' })
    expect(await run('keys', 'enable', 'Search page')).toMatchObject({ id, status: 'active' })
    expect((await run('keys', 'rotate', 'Search page')).id).toBe(id)
    expect((await run('limits', 'explain', 'Search page')).id).toBe(id)
    expect((await run('limits', 'reset', 'Search page')).id).toBe(id)
    expect(await run('keys', 'update', 'Search page', '--name', 'b')).toMatchObject({ id, name: 'b' })
    expect(await run('keys', 'revoke', 'b')).toMatchObject({ id, status: 'revoked' })
  })

  test('a name of two keys changes neither, and the error lists their ids, those of revoked keys too', async () => {
    using folder = temporaryFolder()
    const [first, second] = [await create(folder.path, 'web'), await create(folder.path, 'web')]
    await runJson(['keys', 'revoke', first.id, '--data', folder.path])
    const { code, error } = await runError(['keys', 'revoke', 'web', '--data', folder.path])
    expect([code, error.code]).toEqual([2, 'usage_invalid'])
    expect(error.message).toContain(`${first.id} (revoked)`)
    expect(error.message).toContain(`${second.id} (active)`)
    expect((await show(folder.path, second.id)).status).toBe('active')
  })

  test('an id is an id, whatever other keys are called', async () => {
    using folder = temporaryFolder()
    const first = await create(folder.path, 'a')
    const second = await create(folder.path, first.id)
    expect(await runJson(['keys', 'disable', first.id, '--data', folder.path])).toMatchObject({
      id: first.id,
    })
    expect((await show(folder.path, second.id)).status).toBe('active')
  })

  test('a key that is not there: the error says what to try', async () => {
    using folder = temporaryFolder()
    await create(folder.path, 'Search page')
    for (const text of ['0123456789ab', 'Search', 'SEARCH PAGE']) {
      const { code, error } = await runError(['keys', 'show', text, '--data', folder.path])
      expect([code, error.code]).toEqual([1, 'not_found'])
      expect(error.message).toContain('modelward keys list')
    }
    const owner = await runError(['owners', 'show', 'acme', '--data', folder.path])
    expect([owner.code, owner.error.code]).toEqual([1, 'not_found'])
    expect(owner.error.message).toContain('modelward owners set')
  })
})

describe('keys revoke --owner', () => {
  test('revokes all keys of the owner and no other, with a record for each', async () => {
    using folder = temporaryFolder()
    const data = ['--data', folder.path]
    const mine: string[] = []
    for (const name of ['a', 'b', 'c']) mine.push((await create(folder.path, name, '--owner', 'acme')).id)
    const other = await create(folder.path, 'd', '--owner', 'acme2')
    await runJson(['keys', 'revoke', mine[0] ?? '', '--reason', 'earlier', ...data])
    const revoke = ['keys', 'revoke', '--owner', 'acme', '--reason', 'left', ...data]
    const revoked = await runJson<{ revoked: number; keys: Key[] }>(revoke)
    expect(revoked.revoked).toBe(2)
    expect(revoked.keys.map(({ id }) => id).toSorted()).toEqual(mine.slice(1).toSorted())
    for (const { status, revoked_reason } of revoked.keys)
      expect([status, revoked_reason]).toEqual(['revoked', 'left'])
    expect((await show(folder.path, mine[0] ?? '')).revoked_reason).toBe('earlier')
    expect((await show(folder.path, other.id)).status).toBe('active')
    const { records } = await runJson<{ records: { key_id: string }[] }>([
      ...['ledger', 'query', '--event', 'key.revoked', ...data],
    ])
    expect(records.map((record) => record.key_id).toSorted()).toEqual(mine.toSorted())
    const again = await runCli(revoke)
    expect([again.code, again.stdout, again.stderr]).toEqual([0, '', 'No key was left to revoke.\n'])
  })

  test('an owner without keys, and a key beside an owner, revoke nothing', async () => {
    using folder = temporaryFolder()
    const { id } = await create(folder.path, 'a', '--owner', 'acme')
    const revoke = (...args: readonly string[]) =>
      runError(['keys', 'revoke', ...args, '--data', folder.path])
    const typo = await revoke('--owner', 'acne')
    expect([typo.code, typo.error.code]).toEqual([1, 'not_found'])
    for (const args of [[], [id, '--owner', 'acme']]) {
      const { code, error } = await revoke(...args)
      expect([code, error.code]).toEqual([2, 'usage_invalid'])
    }
    expect((await show(folder.path, id)).status).toBe('active')
  })
})
