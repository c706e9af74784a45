import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync, readFileSync, rmSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { get, keyHeader, predict } from '../parity/ask.ts'
import { cleanEnvironment, runJson, temporaryFolder } from './run-cli.ts'

interface NpmStart extends AsyncDisposable {
  readonly port: number
  /** Standard output so far. */
  readonly output: () => string
  /** Ends it as Ctrl-C does. */
  readonly end: () => Promise<void>
}

/**
 * `npm start -- …` in a clone. Its `prestart`, which installs what is missing, has run before the
 * tests have.
 */
async function npmStart(...args: readonly string[]): Promise<NpmStart> {
  const child = spawn('npm', ['start', '--ignore-scripts', '--', ...args], {
    env: cleanEnvironment(),
    stdio: ['ignore', 'pipe', 'inherit'],
    // A group of its own, so that what npm starts ends with it.
    detached: true,
  })
  let isClosed = false
  const closed = once(child, 'close').then(() => {
    isClosed = true
  })
  function kill(signal: NodeJS.Signals): void {
    if (child.pid !== undefined && !isClosed) process.kill(-child.pid, signal)
  }
  let output = ''
  const port = await new Promise<number>((resolve, reject) => {
    child.stdout.on('data', (piece) => {
      output += String(piece)
      const listening = /listens on http:\/\/127\.0\.0\.1:(\d+)/.exec(output)?.[1]
      if (listening !== undefined) resolve(Number(listening))
    })
    void closed.then(() => reject(new Error(`npm start ended before it listened: ${output}`)))
  })
  return {
    port,
    output: () => output,
    async end() {
      kill('SIGINT')
      await closed
    },
    async [Symbol.asyncDispose]() {
      kill('SIGKILL')
      await closed
    },
  }
}

const modeOf = (path: string): string => (statSync(path).mode & 0o777).toString(8)

test('a first `npm start` makes the folder, tells where its keys are, and answers 403, 401 and 200; a second one keeps all of it and tells nothing', async () => {
  using folder = temporaryFolder()
  const data = join(folder.path, 'new', 'data')
  const keyFile = join(data, 'first-keys.json')
  let admin: string
  let demo: string
  {
    await using server = await npmStart('--data', data, '--port', '0', '--log-level', 'warn')
    ;({ admin, demo } = JSON.parse(readFileSync(keyFile, 'utf8')) as { admin: string; demo: string })
    expect(modeOf(data)).toBe('700')
    for (const name of readdirSync(data))
      expect({ name, mode: modeOf(join(data, name)) }).toEqual({ name, mode: '600' })
    expect((await predict(server, { headers: [keyHeader('wrong')] })).body).toContain(
      '"detail":"Invalid API key"',
    )
    expect((await predict(server, { headers: [keyHeader('wrong')] })).status).toBe(403)
    expect((await predict(server)).status).toBe(401)
    const answer = await predict(server, { headers: [keyHeader(demo)] })
    expect({ status: answer.status, ...JSON.parse(answer.body) }).toMatchObject({
      status: 200,
      sentiment: 'positive',
    })
    expect((await predict(server, { headers: [keyHeader(admin)] })).status).toBe(403)
    expect((await get(server, '/v1/keys', [keyHeader(admin)])).status).toBe(200)
    await server.end()
    expect(server.output()).toContain(keyFile)
    expect(server.output()).not.toContain(demo.slice(-49))
    expect(server.output()).not.toContain(admin.slice(-49))
  }
  const before = readFileSync(keyFile)
  {
    await using server = await npmStart('--data', data, '--port', '0', '--log-level', 'warn')
    expect((await predict(server, { headers: [keyHeader(demo)] })).status).toBe(200)
    await server.end()
    expect(server.output()).not.toContain('first-keys')
    expect(readFileSync(keyFile)).toEqual(before)
  }
  const { keys } = await runJson<{ keys: readonly unknown[] }>(['keys', 'list', '--data', data])
  expect(keys).toHaveLength(2)
})

test('once the owner has taken the keys and deleted the file, no later start writes it again', async () => {
  using folder = temporaryFolder()
  for (const round of ['first', 'second', 'third']) {
    await using server = await npmStart('--data', folder.path, '--port', '0')
    expect((await get(server, '/health')).status).toBe(200)
    expect({ round, there: readdirSync(folder.path).includes('first-keys.json') }).toEqual({
      round,
      there: round === 'first',
    })
    await server.end()
    rmSync(join(folder.path, 'first-keys.json'), { force: true })
  }
})

test('curl as the README writes it gets the sentiment with the demo key, 403 with a wrong one, 401 with none', async () => {
  using folder = temporaryFolder()
  await using server = await npmStart('--data', folder.path, '--port', '0')
  const { demo } = JSON.parse(readFileSync(join(folder.path, 'first-keys.json'), 'utf8')) as { demo: string }
  const readme = readFileSync(new URL('../../README.md', import.meta.url), 'utf8')
  const [command = ''] = /^curl http:\/\/127\.0\.0\.1:8000\/predict .*$/m.exec(readme) ?? []
  const answers = [
    { key: demo, text: command },
    { key: 'wrong', text: command },
    { key: '', text: command.replace(' -H "X-API-Key: $KEY"', '') },
  ].map(({ key, text }) =>
    execFileSync('sh', ['-c', text.replace('curl', 'curl -i').replace(':8000', `:${server.port}`)], {
      encoding: 'utf8',
      env: { ...process.env, KEY: key },
      stdio: ['ignore', 'pipe', 'ignore'],
    }),
  )
  expect(answers.map((answer) => answer.slice(0, 12))).toEqual([
    'HTTP/1.1 200',
    'HTTP/1.1 403',
    'HTTP/1.1 401',
  ])
  expect(answers[0]).toContain('"sentiment":"positive"')
  expect(answers[1]).toContain('Invalid API key')
})
