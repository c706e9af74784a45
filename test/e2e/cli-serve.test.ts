import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { get } from 'node:http'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import {
  cleanEnvironment,
  cliFile,
  runCli,
  runError,
  runJson,
  startServe,
  temporaryFolder,
} from './run-cli.ts'

interface FirstKeys {
  readonly admin: string
  readonly demo: string
}

const firstKeysOf = (data: string): FirstKeys =>
  JSON.parse(readFileSync(join(data, 'first-keys.json'), 'utf8'))

async function predict(
  address: string,
  key: string,
): Promise<{ readonly status: number; readonly code?: string }> {
  const answer = await fetch(`${address}/predict`, {
    method: 'POST',
    headers: { 'X-API-Key': key, 'Content-Type': 'application/json' },
    body: '{"text":"I love this product"}',
  })
  return { status: answer.status, ...((await answer.json()) as { code?: string }) }
}

const hasScript = existsSync('/usr/bin/script')

describe('serve', () => {
  test('on a first start writes the keys to a file, 0600, without a terminal, and shows none', async () => {
    using folder = temporaryFolder()
    await using server = await startServe(folder.path, ['--log-requests', 'true'])
    const { demo } = firstKeysOf(folder.path)
    expect(statSync(join(folder.path, 'first-keys.json')).mode & 0o777).toBe(0o600)
    expect(await predict(server.address, demo)).toMatchObject({ status: 200, sentiment: 'positive' })
    expect(await predict(server.address, 'wrong')).toMatchObject({ status: 403, code: 'key_invalid' })
    const closed = once(server.child, 'close')
    server.child.kill('SIGTERM')
    await closed
    const lines = server.log().trim().split('\n')
    const told = lines.map((line) => JSON.parse(line) as { status?: number; event?: string })
    expect(told.map(({ status, event }) => event ?? status)).toEqual([
      'server.started',
      200,
      403,
      'server.stopping',
      'server.stopped',
    ])
    for (const key of Object.values(firstKeysOf(folder.path)))
      expect(server.log()).not.toContain(key.slice(-49))
  })

  test.skipIf(!hasScript)(
    'on a terminal shows three commands that do what they say: 403, 401, and an answer',
    async () => {
      using folder = temporaryFolder()
      const data = join(folder.path, 'd')
      const command = `'${process.execPath}' '${cliFile}' serve --port 0 --data '${data}'`
      const child = spawn('/usr/bin/script', ['-qefc', command, '/dev/null'], { env: cleanEnvironment() })
      try {
        let shown = ''
        for await (const piece of child.stdout) {
          shown += String(piece)
          if (/(?:^|\n)curl [^\n]*mw_live_[^\n]*\r?\n/.test(shown)) break
        }
        const lines = shown.split(/\r?\n/).filter((line) => line.startsWith('curl '))
        const answers = lines.map((line) =>
          execFileSync('/bin/sh', ['-c', line], { stdio: 'pipe' }).toString(),
        )
        expect(answers.map((answer) => /^HTTP\/1.1 (\d+)/.exec(answer)?.[1])).toEqual(['403', '401', '200'])
        expect(answers[2]).toContain('"sentiment":"positive"')
        expect(existsSync(join(data, 'first-keys.json'))).toBe(false)
      } finally {
        child.kill()
        await once(child, 'exit')
      }
    },
  )

  test('answers what is under way after SIGTERM, and ends with 0', async () => {
    using folder = temporaryFolder()
    await using server = await startServe(folder.path)
    const closed = once(server.child, 'close')
    server.child.kill('SIGTERM')
    expect(await closed).toEqual([0, null])
  })

  test('ends at once at the second signal', async () => {
    using folder = temporaryFolder()
    await using server = await startServe(folder.path, ['--shutdown-grace', '1h', '--request-timeout', '1h'])
    const closed = once(server.child, 'close')
    // A request that is under way for as long as it likes: its body never comes.
    const request = get(`${server.address}/predict`, {
      method: 'POST',
      headers: {
        'X-API-Key': firstKeysOf(folder.path).demo,
        'Content-Type': 'application/json',
        'Content-Length': '10',
        Expect: '100-continue',
      },
    })
    request.on('error', () => {})
    await once(request, 'continue')
    server.child.kill('SIGINT')
    let isListening = true
    while (isListening)
      isListening = await fetch(`${server.address}/health`).then(
        () => true,
        () => false,
      )
    expect(server.child.exitCode).toBeNull()
    server.child.kill('SIGINT')
    expect(await closed).toEqual([130, null])
  })

  test('says in one line what stands in the way: the port, the folder in use, the configuration', async () => {
    using folder = temporaryFolder()
    const taken = createServer().listen(0, '127.0.0.1')
    await once(taken, 'listening')
    const { port } = taken.address() as { readonly port: number }
    const inUse = await runCli(['serve', '--data', folder.path, '--port', String(port)])
    taken.close()
    expect([inUse.code, inUse.stdout]).toEqual([3, ''])
    expect(inUse.stderr).toMatch(/^modelward: [^\n]*\(address_in_use\)\n$/)
    await using server = await startServe(folder.path)
    expect(server.address).toMatch(/^http:/)
    const second = await runError(['serve', '--data', folder.path, '--port', '0'])
    expect([second.code, second.error.code]).toEqual([3, 'data_in_use'])
    const wrong = await runError(['serve', '--data', folder.path, '--port', 'http', '--scheme', 'cookie'])
    expect([wrong.code, wrong.error.errors?.length]).toEqual([2, 2])
  })

  test('by more workers than one over a data folder is refused: each would count limits for itself', async () => {
    const { code, error } = await runError(['serve', '--workers', '2'])
    expect({ code, error: error.code }).toEqual({ code: 2, error: 'config_invalid' })
  })
})

describe('the command line beside a running server', () => {
  test('a key made, disabled, enabled, rotated or revoked is so in the server within a second', async () => {
    using folder = temporaryFolder()
    await using server = await startServe(folder.path)
    const data = ['--data', folder.path]
    // By default a key has 60 a minute: they are over before a change is heard.
    const created = ['keys', 'create', '--name', 'n', '--limit', 'none', ...data]
    const { id, key } = await runJson<{ id: string; key: string }>(created)
    /**
     * Asks until the server answers so; how long that took since the command ended, in
     * milliseconds.
     */
    async function waitFor(text: string, wanted: number | string): Promise<number> {
      const start = performance.now()
      for (;;) {
        const { status, code } = await predict(server.address, text)
        const ms = performance.now() - start
        if (status === wanted || code === wanted || ms > 10_000) return ms
      }
    }
    expect(await waitFor(key, 200)).toBeLessThan(1_000)
    await runJson(['keys', 'disable', id, ...data])
    expect(await waitFor(key, 'key_disabled')).toBeLessThan(1_000)
    await runJson(['keys', 'enable', id, ...data])
    expect(await waitFor(key, 200)).toBeLessThan(1_000)
    const rotated = await runJson<{ key: string }>(['keys', 'rotate', id, ...data])
    expect(await waitFor(rotated.key, 200)).toBeLessThan(1_000)
    expect(await waitFor(key, 'key_expired')).toBeLessThan(1_000)
    await runJson(['keys', 'revoke', id, ...data])
    expect(await waitFor(rotated.key, 'key_revoked')).toBeLessThan(1_000)
  })
})

describe('doctor', () => {
  interface Checkup {
    readonly ok: boolean
    readonly checks: readonly {
      readonly check: string
      readonly status: string
      readonly message: string
      readonly todo?: string
    }[]
  }

  async function checkUp(...args: readonly string[]): Promise<Checkup & { readonly code: number | null }> {
    const { code, stdout } = await runCli(['doctor', '--json', ...args])
    return { code, ...(JSON.parse(stdout) as Checkup) }
  }

  const failed = ({ checks }: Checkup) =>
    checks.filter(({ status }) => status === 'fail').map(({ check }) => check)

  test('finds a running deployment in order, and the port served by us', async () => {
    using folder = temporaryFolder()
    await using server = await startServe(folder.path)
    const result = await checkUp('--data', folder.path, '--port', new URL(server.address).port)
    expect(failed(result)).toEqual([])
    expect([result.code, result.ok]).toEqual([0, true])
    expect(result.checks.find(({ check }) => check === 'port')?.message).toContain('served by Modelward')
  })

  test('works where everything is broken, says what to do about each, and changes nothing', async () => {
    using folder = temporaryFolder()
    const data = join(folder.path, 'd')
    expect(failed(await checkUp('--data', data, '--port', '0'))).toEqual(['data folder'])
    expect(existsSync(data)).toBe(false)
    await runJson(['keys', 'create', '--data', data, '--name', 'n'])
    writeFileSync(join(data, 'pepper'), `1:${'x'.repeat(43)}\n`, { mode: 0o600 })
    execFileSync('chmod', ['755', data])
    const wrongPepper = await checkUp('--data', data, '--port', '0')
    expect(failed(wrongPepper)).toEqual(['data folder', 'pepper'])
    expect(statSync(data).mode & 0o777).toBe(0o755)
    writeFileSync(
      join(data, 'modelward.db'),
      'not a database, and long enough to be looked at as one'.repeat(50),
    )
    const broken = await checkUp('--data', data, '--port', '0', '--host', 'a b')
    writeFileSync(join(data, 'modelward.db'), '')
    expect(failed(await checkUp('--data', data, '--port', '0'))).toEqual(['data folder', 'database'])
    expect([broken.code, broken.ok]).toEqual([1, false])
    expect(failed(broken)).toEqual(['configuration', 'data folder', 'database'])
    for (const { status, todo } of broken.checks) if (status !== 'ok') expect(todo).toBeTruthy()
  })
})

describe('limits reset', () => {
  test('reaches a running server, and is recorded; without a server it resets what is stored', async () => {
    using folder = temporaryFolder()
    const data = ['--data', folder.path]
    const create = [
      'keys',
      'create',
      '--name',
      'n',
      '--limit',
      '1/min',
      '--limit',
      '2/calendar month',
      ...data,
    ]
    const { id, key } = await runJson<{ id: string; key: string }>(create)
    const reset = ['limits', 'reset', id, ...data]
    {
      await using server = await startServe(folder.path)
      const ask = async (): Promise<number> => (await predict(server.address, key)).status
      expect([await ask(), await ask()]).toEqual([200, 429])
      expect(await runJson(reset)).toMatchObject({ id, limits: [{ used: 0 }, { used: 0 }] })
      expect([await ask(), await ask()]).toEqual([200, 429])
    }
    expect(await runJson(reset)).toMatchObject({ limits: [{ used: 0 }, { used: 0 }] })
    const record = { key_id: id, detail: { by: 'cli', limits: ['1/min', '2/calendar month'] } }
    const query = ['ledger', 'query', '--event', 'key.limits_reset', ...data]
    expect(await runJson(query)).toMatchObject({ records: [record, record] })
  })
})

describe('limits explain', () => {
  test('says why a request would be refused and when it would pass, with and without a server', async () => {
    using folder = temporaryFolder()
    const data = ['--data', folder.path]
    const create = ['keys', 'create', '--name', 'n', '--limit', '1/min', '--limit', '5/day', ...data]
    const { id, key } = await runJson<{ id: string; key: string }>(create)
    expect(await runJson(['limits', 'explain', id, ...data])).toMatchObject({
      would_pass: true,
      counted_by: 'nobody',
      limits: [{ limit: '1/min' }, { limit: '5/day' }],
    })
    await using server = await startServe(folder.path)
    expect((await predict(server.address, key)).status).toBe(200)
    const explained = await runCli(['limits', 'explain', id, ...data])
    expect(explained.stdout).toMatch(/1\/min +key +1 +0 +in \d+ s/)
    expect(explained.stderr).toMatch(/refused by key: 1\/min; it would pass in \d+ s/)
    expect(await runJson(['limits', 'explain', id, ...data])).toMatchObject({
      would_pass: false,
      refused_by: ['key: 1/min'],
      counted_by: 'server',
      limits: [
        { used: 1, remaining: 0 },
        { used: 1, remaining: 4 },
      ],
    })
    await runJson(['keys', 'revoke', id, ...data])
    expect(await runJson(['limits', 'explain', id, ...data])).toMatchObject({
      status: 'revoked',
      would_pass: false,
      passes_in: null,
    })
    expect(await runCli(['limits', 'explain', 'NobodysKey00', ...data])).toMatchObject({ code: 1 })
  })
})
