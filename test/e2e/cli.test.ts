import { hash } from 'node:crypto'
import { existsSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { runCli, runError, runJson, temporaryFolder } from './run-cli.ts'

interface Created {
  readonly id: string
  readonly key: string
  readonly owner: string
  readonly status: string
  readonly environment: string
  readonly scopes: readonly string[]
  readonly expires_at: string | null
  readonly addresses: readonly string[]
  readonly limits: readonly string[] | null
  readonly secrets: readonly unknown[]
}

const create = (data: string, ...args: readonly string[]): Promise<Created> =>
  runJson<Created>(['keys', 'create', '--data', data, '--name', 'n', ...args])

/** A data folder with a key, for commands that change nothing in it. */
function folderOfAll(...args: readonly string[]): { readonly path: string } {
  const folder = temporaryFolder()
  beforeAll(async () => {
    await create(folder.path, ...args)
  })
  afterAll(() => folder[Symbol.dispose]())
  return folder
}

describe('keys create', () => {
  test('prints one line of JSON with the id, the key and how it stands, and nothing else', async () => {
    using folder = temporaryFolder()
    const data = join(folder.path, 'new')
    const args = ['--owner', 'acme', '--scope', 'predict', '--scope', 'metrics', '--expires', '30d']
    const { code, stdout, stderr } = await runCli([
      ...[
        'keys',
        'create',
        '--data',
        data,
        '--name',
        'n',
        '--env',
        'test',
        '--address',
        '10.0.0.0/8',
        '--json',
      ],
      ...args,
    ])
    expect([code, stderr, stdout.split('\n').length]).toEqual([0, '', 2])
    const created = JSON.parse(stdout) as Created
    expect(Object.keys(created).slice(0, 2)).toEqual(['id', 'key'])
    expect(created.key).toMatch(new RegExp(`^mw_test_${created.id}_[0-9A-Za-z]{49}$`))
    expect(created).toMatchObject({
      owner: 'acme',
      scopes: ['predict', 'metrics'],
      addresses: ['10.0.0.0/8'],
    })
    expect(Date.parse(created.expires_at ?? '')).toBeGreaterThan(Date.now() + 29 * 86_400_000)
  })

  test('without --json prints the bare key, and tells the rest on standard error', async () => {
    using folder = temporaryFolder()
    const { stdout, stderr } = await runCli([
      'keys',
      'create',
      '--data',
      join(folder.path, 'd'),
      '--name',
      'n',
    ])
    expect(stdout).toMatch(/^mw_live_[0-9A-Za-z]{12}_[0-9A-Za-z]{49}\n$/)
    expect(stderr).not.toContain(stdout.trim().slice(-49))
  })

  test('a retry with the same Idempotency-Key prints the same key; another request under it is refused', async () => {
    using folder = temporaryFolder()
    const args = ['--idempotency-key', 'k', '--expires', '30d']
    const first = await create(folder.path, ...args)
    const second = await create(folder.path, ...args)
    expect(second.key).toBe(first.key)
    const other = await runError(['keys', 'create', '--data', folder.path, '--name', 'other', ...args])
    expect([other.code, other.error.code]).toEqual([1, 'idempotency_mismatch'])
  })

  test('reports every fault at once, and makes no folder', async () => {
    using folder = temporaryFolder()
    const data = join(folder.path, 'd')
    const bad = [
      '--name',
      'n',
      '--scope',
      'BAD',
      '--address',
      'nowhere',
      '--limit',
      '1/s',
      '--limit',
      '0/min',
    ]
    const { code, error } = await runError(['keys', 'create', '--data', data, ...bad])
    expect([code, error.code, error.errors?.length]).toEqual([2, 'input_invalid', 3])
    expect(error.errors).toContainEqual({
      where: '--limit (number 2)',
      message: expect.stringMatching(/^expected an amount from 1/),
    })
    expect(existsSync(data)).toBe(false)
  })

  test.each([
    [[], /--name/],
    [['--name', 'n', '--expires', 'soon'], /--expires: expected a duration/],
    [['--name', 'n', '--expires', '2020-01-01'], /--expires: expected a time to come/],
    [['--name', 'n', '--metadata', '[]'], /--metadata: expected a JSON object/],
    [['--name', 'n', '--name', 'm'], /given twice/],
    [['--name', 'n', '--limit', '10/min', '--limit', 'none'], /^--limit: expected `none` alone/],
    [['--name', 'n', '--limit', 'default', '--limit', '10/min'], /^--limit: expected `default` alone/],
    [['--name', 'n', '--pepper=hush'], /^unknown option '--pepper'$/],
    [['--name', 'n', '--ownr', 'x'], /Did you mean --owner/],
    [['--name', 'n', 'extra'], /too many arguments/],
  ])('%j is a fault of usage', async (args, message) => {
    using folder = temporaryFolder()
    const { code, error } = await runError(['keys', 'create', '--data', folder.path, ...args])
    expect([code, error.code]).toEqual([2, 'usage_invalid'])
    expect(error.message).toMatch(message)
  })
})

describe('keys list, show, update, rotate, revoke, disable, enable', () => {
  test('a key goes through its life, and each command shows it as it then is', async () => {
    using folder = temporaryFolder()
    const data = ['--data', folder.path]
    const { id, key } = await create(folder.path, '--expires', '1d')
    const change = (...args: readonly string[]): Promise<Created> => runJson(['keys', ...args, ...data])
    expect(await change('show', id)).not.toHaveProperty('key')
    expect(await change('update', id, '--no-expiry', '--owner', 'o')).toMatchObject({
      expires_at: null,
      owner: 'o',
    })
    const rotated = await change('rotate', id, '--overlap', '24h')
    expect(rotated).toMatchObject({ id, secrets: [{ ends_at: null }, { ends_at: expect.any(String) }] })
    expect(rotated.key).not.toBe(key)
    expect(await change('disable', id)).toMatchObject({ status: 'disabled' })
    expect(await change('enable', id)).toMatchObject({ status: 'active' })
    expect(await change('revoke', id, '--reason', 'leaked')).toMatchObject({
      status: 'revoked',
      revoked_reason: 'leaked',
    })
    const again = await runError(['keys', 'enable', id, ...data])
    expect([again.code, again.error.code]).toEqual([1, 'key_conflict'])
  })

  test('list filters, sorts and pages, and all the pages together are all the keys', async () => {
    using folder = temporaryFolder()
    const ids: string[] = []
    for (const name of ['a', 'b', 'c'])
      ids.push((await runJson<Created>(['keys', 'create', '--data', folder.path, '--name', name])).id)
    const list = (...args: readonly string[]) =>
      runJson<{ keys: Created[]; next_cursor: string | null }>([
        'keys',
        'list',
        '--data',
        folder.path,
        ...args,
      ])
    const first = await list('--sort', 'name', '--limit', '2')
    const second = await list('--sort', 'name', '--limit', '2', '--cursor', String(first.next_cursor))
    expect([...first.keys, ...second.keys].map(({ id }) => id)).toEqual(ids)
    expect(second.next_cursor).toBeNull()
    expect((await list('--all')).keys.map(({ id }) => id)).toEqual(ids.toReversed())
    expect((await list('--name', 'B')).keys.map(({ id }) => id)).toEqual([ids[1]])
    expect((await list('--status', 'revoked')).keys).toEqual([])
    const { error } = await runError(['keys', 'list', '--data', folder.path, '--sort', 'id', '--cursor', 'x'])
    expect(error.code).toBe('usage_invalid')
    const { stdout } = await runCli(['keys', 'list', '--data', folder.path])
    expect(stdout.split('\n')[0]).toMatch(/^ID +NAME +OWNER/)
    expect(stdout).not.toContain('\u001b')
  })

  const folder = folderOfAll()
  test.each(['show', 'update', 'rotate', 'revoke', 'disable', 'enable'])(
    'keys %s says which of key and folder is not there',
    async (command) => {
      const change = command === 'update' ? ['--name', 'm'] : []
      const args = ['keys', command, '0123456789ab', ...change, '--data']
      const missing = await runError([...args, join(folder.path, 'none')])
      expect([missing.code, missing.error.code]).toEqual([3, 'data_missing'])
      const unknown = await runError([...args, folder.path])
      expect([unknown.code, unknown.error.code]).toEqual([1, 'not_found'])
    },
  )

  test('a whole key in the place of an id is refused without being shown', async () => {
    using folder = temporaryFolder()
    const { id, key } = await create(folder.path)
    const { code, error } = await runError(['keys', 'show', key, '--data', folder.path])
    expect(code).toBe(2)
    expect(error.message).toContain(id)
    expect(JSON.stringify(error)).not.toContain(key.slice(-49))
  })
})

describe('limits of keys', () => {
  test('are set, shown, taken away and brought back to the default', async () => {
    using folder = temporaryFolder()
    const data = ['--data', folder.path]
    const { id, limits } = await create(folder.path, '--limit', '10/minute', '--limit', '1000/day')
    expect(limits).toEqual(['10/min', '1000/day'])
    const run = (...args: readonly string[]): Promise<Created> => runJson(['keys', ...args, ...data])
    expect((await run('update', id, '--owner', 'o')).limits).toEqual(['10/min', '1000/day'])
    expect((await run('update', id, '--limit', '5 concurrent')).limits).toEqual(['5 concurrent'])
    const shown = await runCli(['keys', 'show', id, ...data])
    expect(shown.stdout).toMatch(/^limits +5 concurrent$/m)
    expect((await run('update', id, '--limit', 'none')).limits).toEqual([])
    expect((await run('rotate', id)).limits).toEqual([])
    expect((await run('update', id, '--limit', 'default')).limits).toBeNull()
    const { stdout } = await runCli(['keys', 'list', ...data])
    const [titles = '', row = ''] = stdout.split('\n')
    expect(row.slice(titles.indexOf('LIMITS')).split(' ')[0]).toBe('default')
    const wrong = await runError(['keys', 'update', id, '--limit', 'often', ...data])
    expect([wrong.code, wrong.error.code]).toEqual([2, 'input_invalid'])
    expect(wrong.error.message).toMatch(
      /^--limit \(number 1\): expected a limit such as `10\/min`.*, got "often"$/,
    )
  })
})

describe('owners set, show, list', () => {
  const folderWithKey = async () => {
    const folder = temporaryFolder()
    await create(folder.path, '--owner', 'acme')
    return Object.assign(folder, { data: ['--data', folder.path] })
  }

  test('set limits that all keys of an owner share, show them and take them away', async () => {
    using folder = await folderWithKey()
    const { data } = folder
    const set = await runJson<{ owner: string; limits: string[] }>([
      ...['owners', 'set', 'acme', '--limit', '1000/day', '--limit', '200000 characters/hour'],
      ...data,
    ])
    expect(set).toMatchObject({ owner: 'acme', limits: ['1000/day', '200000 characters/h'] })
    expect(await runJson(['owners', 'show', 'acme', ...data])).toEqual(set)
    const shown = await runCli(['owners', 'show', 'acme', ...data])
    expect(shown.stdout).toMatch(/^limits +1000\/day, 200000 characters\/h$/m)
    expect(await runJson(['owners', 'set', 'acme', '--limit', 'none', ...data])).toMatchObject({ limits: [] })
  })

  test('list them page by page, and all pages together are all', async () => {
    using folder = await folderWithKey()
    const { data } = folder
    const empty = await runCli(['owners', 'list', ...data])
    expect([empty.code, empty.stdout, empty.stderr]).toEqual([0, '', 'No owner has limits.\n'])
    for (const owner of ['c', 'a', 'b']) await runCli(['owners', 'set', owner, '--limit', '10/min', ...data])
    const list = (...args: readonly string[]) =>
      runJson<{ owners: { owner: string }[]; next_cursor: string | null }>([
        'owners',
        'list',
        ...args,
        ...data,
      ])
    const first = await list('--limit', '2')
    const second = await list('--limit', '2', '--cursor', String(first.next_cursor))
    expect([...first.owners, ...second.owners].map(({ owner }) => owner)).toEqual(['a', 'b', 'c'])
    expect(second.next_cursor).toBeNull()
    expect(await list('--all')).toMatchObject({ owners: [{ owner: 'a' }, {}, {}], next_cursor: null })
    const { stdout } = await runCli(['owners', 'list', ...data])
    expect(stdout.split('\n')[1]).toMatch(/^a +10\/min +2/)
  })

  const folder = folderOfAll('--owner', 'acme')
  test.each([
    [['set', 'acme'], 2, 'usage_invalid', /required option '--limit <limit>'/],
    [['set', '--limit', '1/s'], 2, 'usage_invalid', /missing required argument 'owner'/],
    [['set', 'acme', '--limit', 'none', '--limit', '1/s'], 2, 'usage_invalid', /expected `none` alone/],
    [['set', 'acme', '--limit', 'often'], 2, 'input_invalid', /^--limit \(number 1\): expected a limit/],
    [['set', 'acme', '--limit', 'default'], 2, 'input_invalid', /^--limit \(number 1\): expected a limit/],
    [['set', 'a\nb', '--limit', '1/s'], 2, 'input_invalid', /^owner: expected 1 to 128 printable/],
    [['show', 'nobody'], 1, 'not_found', /No limits are kept for this owner/],
    [['list', '--limit', '10/min'], 2, 'usage_invalid', /--limit: expected an integer from 1 to 1000/],
    [['list', '--cursor', 'x'], 2, 'usage_invalid', /--cursor: expected the cursor of a page/],
  ])('owners %j is met with exit code %i and %s', async (args, exitCode, errorCode, message) => {
    const { code, error } = await runError(['owners', ...args, '--data', folder.path])
    expect([code, error.code]).toEqual([exitCode, errorCode])
    expect(error.message).toMatch(message)
  })

  test('make no data folder', async () => {
    using folder = temporaryFolder()
    const data = join(folder.path, 'none')
    for (const args of [['set', 'acme', '--limit', '1/s'], ['show', 'acme'], ['list']]) {
      const { code, error } = await runError(['owners', ...args, '--data', data])
      expect([code, error.code]).toEqual([3, 'data_missing'])
    }
    expect(existsSync(data)).toBe(false)
  })
})

describe('keys import', () => {
  test('takes over keys by their hash, from a file or standard input, all or none', async () => {
    using folder = temporaryFolder()
    const data = join(folder.path, 'd')
    const limits = ['10/minute']
    const line = (name: string): string => JSON.stringify({ sha256: hash('sha256', name), name, limits })
    const file = join(folder.path, 'keys.jsonl')
    writeFileSync(file, `${line('a')}\n{"name":"b"}\n`)
    const faulty = await runError(['keys', 'import', file, '--data', data])
    expect([faulty.code, faulty.error.code]).toEqual([2, 'input_invalid'])
    expect(faulty.error.message).toMatch(/^line 2: .*nothing was imported$/)
    expect(existsSync(data)).toBe(false)
    const imported = await runJson(['keys', 'import', '-', '--data', data], {
      input: `${line('a')}\n${line('b')}\n`,
    })
    expect(imported).toMatchObject({
      imported: 2,
      keys: [{ imported: true, limits: ['10/min'] }, { imported: true }],
    })
    const again = await runError(['keys', 'import', '-', '--data', data], {
      input: `[${line('c')},${line('b')}]`,
    })
    expect(again.error.message).toMatch(/^item 2: sha256: this key was imported before/)
    const { keys } = await runJson<{ keys: unknown[] }>(['keys', 'list', '--data', data])
    expect(keys).toHaveLength(2)
  })
})

describe('config explain', () => {
  test('shows every setting, its value and where it came from, and never the pepper', async () => {
    using folder = temporaryFolder()
    writeFileSync(join(folder.path, 'modelward.json'), '{"realm":"r"}')
    const pepper = `1:${'p'.repeat(43)}`
    const options = { cwd: folder.path, env: { MODELWARD_PORT: '9', MODELWARD_PEPPER: pepper } }
    const explained = await runJson<{ settings: { name: string }[] }>(
      ['config', 'explain', '--host', '::1'],
      options,
    )
    const find = (name: string) => explained.settings.find((setting) => setting.name === name)
    expect(find('host')).toMatchObject({ value: '::1', origin: '--host' })
    expect(find('port')).toMatchObject({ value: 9, origin: 'MODELWARD_PORT' })
    expect(find('realm')).toMatchObject({ value: 'r', origin: 'modelward.json: realm' })
    expect(find('pepper')).toMatchObject({ value: '(secret)', origin: 'MODELWARD_PEPPER' })
    const { stdout } = await runCli(['config', 'explain'], options)
    expect(stdout + JSON.stringify(explained)).not.toContain('ppp')
  })

  test('reports all faults of all sources with exit code 2', async () => {
    const env = { MODELWARD_PORT: 'x', MODELWARD_DTA: 'y', MODELWARD_PEPPER: 'hush' }
    const { code, stderr } = await runCli(['config', 'explain', '--host', 'a b'], { env })
    expect(code).toBe(2)
    for (const part of ['4 faults', 'MODELWARD_PORT', 'MODELWARD_DATA?', '--host', 'MODELWARD_PEPPER'])
      expect(stderr).toContain(part)
    expect(stderr).not.toContain('hush')
  })
})

describe('scan', () => {
  test('finds keys in files and standard input, names them, never shows a secret, and exits 1', async () => {
    using folder = temporaryFolder()
    const data = join(folder.path, 'd')
    const { id, key } = await create(data)
    const tree = join(folder.path, 'tree')
    for (const name of ['', 'node_modules', '.git', 'src']) mkdirSync(join(tree, name))
    for (const name of ['node_modules/a', '.git/a', 'src/leak.txt'])
      writeFileSync(join(tree, name), `x\n"${key}"`)
    writeFileSync(join(tree, 'picture'), `\0${key}`)
    symlinkSync(data, join(tree, 'link'))
    const ignored = join(tree, 'dist')
    mkdirSync(ignored)
    writeFileSync(join(ignored, 'a'), key)
    writeFileSync(join(tree, '.gitignore'), 'dist/\n')
    const found = await runCli(['scan', tree, '--data', data])
    expect(found.code).toBe(1)
    expect(found.stdout).toBe(`${join(tree, 'src/leak.txt')}:2: live key ${id} (n, active)\n`)
    expect(found.stderr).toContain('1 folder that git ignores was not read; --no-ignore reads all.')
    for (const [line, counts] of [
      [['scan', tree], { ignored: 1, files: 3, findings: [{}] }],
      [['scan', tree, '--no-ignore'], { ignored: 0, files: 4, findings: [{}, {}] }],
      [['scan', ignored], { ignored: 0, files: 1, findings: [{}] }],
    ] as const)
      expect(JSON.parse((await runCli([...line, '--json', '--data', data])).stdout)).toMatchObject(counts)
    const piped = await runCli(['scan', '--stdin', '--json', '--data', join(folder.path, 'none')], {
      input: key,
    })
    expect(piped.code).toBe(1)
    expect(JSON.parse(piped.stdout)).toMatchObject({
      findings: [{ file: '-', id, name: null, status: null }],
      ignored: 0,
    })
    for (const text of [found.stdout, found.stderr, piped.stdout, piped.stderr])
      expect(text).not.toContain(key.slice(-49))
    expect(existsSync(join(folder.path, 'none'))).toBe(false)
  })

  test('exits 0 where there is nothing, 3 where something could not be read, 2 without anything to read', async () => {
    using folder = temporaryFolder()
    expect((await runCli(['scan', folder.path])).code).toBe(0)
    expect((await runCli(['scan', join(folder.path, 'none')])).code).toBe(3)
    expect((await runCli(['scan'])).code).toBe(2)
  })
})

describe('every command', () => {
  test.each([
    ['keys crate', 'Did you mean create?'],
    ['sevre', 'Did you mean serve?'],
    ['keys list --al', 'Did you mean --all?'],
  ])('%s is met with what was meant', async (line, meant) => {
    const { code, stderr } = await runCli(line.split(' '))
    expect(code).toBe(2)
    expect(stderr).toMatch(/^modelward: .*\(usage_invalid\)\n$/)
    expect(stderr).toContain(meant)
  })

  test.each([
    '',
    'keys',
    'help keys create',
    'keys create --help',
    'serve --help',
    'scan -h',
    'doctor --help',
  ])('`modelward %s` explains', async (line) => {
    const { stdout, stderr } = await runCli(line.split(' ').filter((word) => word !== ''))
    expect(stdout + stderr).toContain('Usage: modelward')
  })

  test('prints its version', async () => {
    expect((await runCli(['--version'])).stdout).toMatch(/^\d+\.\d+\.\d+\n$/)
  })
})
