import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync, writeFileSync } from 'node:fs'
import { connect, createServer } from 'node:net'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type ServeProcess, startServe, temporaryFolder } from '../e2e/run-cli.ts'
import { exchange, formatRequest, type RawAnswer } from '../parity/raw-http.ts'
import { findFreePort, lookForProgram } from '../support/services.ts'
import { filesOf, readSteps } from './reader/pasted-page.ts'

// `pasted.test.ts` follows the page from its first line to its last; this looks at what its
// listings do where things go wrong.
const page = 'docs/guides/python.md'
const python = await lookForProgram('python')
const listings = filesOf(readSteps(page, readFileSync(page, 'utf8')))

function listing(file: string, address: string): string {
  const text = listings.get(file)
  if (text === undefined) throw new Error(`${page} has no ${file}`)
  expect(text).toContain('http://127.0.0.1:8000')
  return text.replaceAll('http://127.0.0.1:8000', address)
}

interface CreatedKey {
  readonly id: string
  readonly key: string
}

describe.skipIf(python === undefined)(page, () => {
  let folder: ReturnType<typeof temporaryFolder>
  let server: ServeProcess
  const data = (): string => join(folder.path, 'data')

  beforeAll(async () => {
    folder = temporaryFolder()
    server = await startServe(data(), ['--limit-bad-keys', 'none'])
  })
  afterAll(async () => {
    await server[Symbol.asyncDispose]()
    folder[Symbol.dispose]()
  })

  async function createKey(key: object = {}): Promise<CreatedKey> {
    const { admin } = JSON.parse(readFileSync(join(data(), 'first-keys.json'), 'utf8')) as { admin: string }
    const answer = await fetch(`${server.address}/v1/keys`, {
      method: 'POST',
      headers: { 'x-api-key': admin, 'content-type': 'application/json' },
      body: JSON.stringify({ name: 'a customer', owner: 'acme', limits: [], ...key }),
    })
    if (answer.status !== 201) throw new Error(await answer.text())
    return (await answer.json()) as CreatedKey
  }

  test('patient.py sends a request whose answer was lost again, and gets the first answer', async () => {
    const { key } = await createKey({ limits: ['1000/h'] })
    await using between = await loseFirstAnswer(Number(new URL(server.address).port))
    writeFileSync(join(folder.path, 'patient.py'), listing('patient.py', between.address))
    const { stdout } = await promisify(execFile)(python ?? '', ['patient.py'], {
      cwd: folder.path,
      env: { ...process.env, KEY: key },
    })
    expect(stdout.match(/^200 /gm)).toHaveLength(4)
    expect(between.lost()).toBe(true)
    expect(between.passedOn().match(/^idempotency-replayed: true/gim)).toHaveLength(1)
  })

  describe('its FastAPI app', () => {
    let app: FastApi
    const predict = (...headers: readonly (readonly [string, string])[]): Promise<RawAnswer> =>
      exchange(
        app.port,
        formatRequest({
          headers: [['Content-Type', 'application/json'], ...headers],
          body: '{"text":"hello"}',
        }),
      )

    beforeAll(async () => {
      const verifier = await createKey({ name: 'FastAPI app', scopes: ['keys:verify'] })
      app = await startFastApi(folder.path, listing('guarded.py', server.address), verifier.key)
    })
    afterAll(() => app?.stop())

    test('has a dependency of twelve lines', () => {
      const [, dependency = ''] =
        /^(async def verify\(.*?)\n\n/ms.exec(listings.get('guarded.py') ?? '') ?? []
      expect(dependency.split('\n').length).toBe(12)
    })

    test('200: lets a right key in, and knows whose it is', async () => {
      const { key } = await createKey()
      const answer = await predict(['X-API-Key', key])
      expect([answer.status, JSON.parse(answer.body)]).toEqual([200, { text: 'hello', owner: 'acme' }])
    })

    test('401 and 403: answers the problem that Modelward would', async () => {
      const missing = await predict()
      expectProblem(missing, 401, 'key_missing')
      expect(missing.headers.get('www-authenticate')?.join()).toContain('ApiKey')
      expectProblem(await predict(['X-API-Key', 'wrong']), 403, 'key_invalid')
      // In the JSON that the listing sends, this is six times as long.
      expectProblem(await predict(['X-API-Key', 'é'.repeat(9_000)]), 403, 'key_invalid')
      const { key } = await createKey({ scopes: ['read'] })
      expectProblem(await predict(['X-API-Key', key]), 403, 'scope_missing')
    })

    test('403: an address list holds for the client’s address', async () => {
      const { key } = await createKey({ addresses: ['127.0.0.1'] })
      expect((await predict(['X-API-Key', key])).status).toBe(200)
      const { key: elsewhere } = await createKey({ addresses: ['203.0.113.7'] })
      expectProblem(await predict(['X-API-Key', elsewhere]), 403, 'address_denied')
    })

    test('429: a limit that is used up, with the time until it passes', async () => {
      const { key } = await createKey({ limits: ['1/h'] })
      expect((await predict(['X-API-Key', key])).status).toBe(200)
      const answer = await predict(['X-API-Key', key])
      expectProblem(answer, 429, 'rate_limited')
      expect(Number(answer.headers.get('retry-after')?.join())).toBeGreaterThan(0)
    })

    test('503: the app’s own key may not ask, and no customer is told that theirs is wrong', async () => {
      const { key } = await createKey()
      const asker = await createKey({ scopes: ['predict'] })
      const other = await startFastApi(folder.path, listing('guarded.py', server.address), asker.key)
      try {
        const body = '{"text":"hello"}'
        const headers = [
          ['Content-Type', 'application/json'],
          ['X-API-Key', key],
        ] as const
        const answer = await exchange(other.port, formatRequest({ headers, body }))
        expect([answer.status, answer.headers.get('retry-after')]).toEqual([503, ['1']])
      } finally {
        await other.stop()
      }
    })

    // It ends Modelward.
    test('503: Modelward is gone', async () => {
      const { key } = await createKey()
      await server[Symbol.asyncDispose]()
      for (const headers of [[['X-API-Key', key]], [['X-API-Key', 'wrong']], []] as const) {
        const answer = await predict(...headers)
        expect([answer.status, answer.headers.get('retry-after')]).toEqual([503, ['1']])
        expect(JSON.parse(answer.body)).toEqual({ detail: 'Keys cannot be checked just now.' })
      }
    })

    test('writes no key into its log', () => {
      expect(app.log()).toContain('POST /predict')
      expect(app.log()).not.toContain('mw_live_')
    })
  })
})

function expectProblem(answer: RawAnswer, status: number, code: string): void {
  expect([answer.status, answer.headers.get('content-type')], answer.body).toEqual([
    status,
    ['application/problem+json'],
  ])
  expect(JSON.parse(answer.body)).toMatchObject({ status, code, type: `urn:modelward:problem:${code}` })
}

interface FastApi {
  readonly port: number
  readonly log: () => string
  readonly stop: () => Promise<void>
}

/** Starts the app under uvicorn, and waits until it says that it listens. */
async function startFastApi(folder: string, text: string, verifier: string): Promise<FastApi> {
  writeFileSync(join(folder, 'guarded.py'), text)
  const port = await findFreePort()
  const child: ChildProcess = spawn(
    python ?? '',
    ['-m', 'uvicorn', 'guarded:app', '--port', String(port), '--no-use-colors'],
    { cwd: folder, env: { ...process.env, VERIFIER: verifier }, stdio: ['ignore', 'pipe', 'pipe'] },
  )
  const closed = once(child, 'close')
  let log = ''
  await new Promise<void>((resolve, reject) => {
    for (const stream of [child.stdout, child.stderr])
      stream?.on('data', (piece) => {
        log += String(piece)
        if (log.includes('running on http://')) resolve()
      })
    child.once('exit', () => reject(new Error(`uvicorn ended: ${log}`)))
  })
  return {
    port,
    log: () => log,
    async stop() {
      child.kill('SIGKILL')
      await closed
    },
  }
}

interface LossyWire extends AsyncDisposable {
  readonly address: string
  readonly lost: () => boolean
  /** The answers that were not lost, as they were written. */
  readonly passedOn: () => string
}

/** A wire on which the first answer is lost, with its connection. */
async function loseFirstAnswer(port: number): Promise<LossyWire> {
  let lost = false
  let passedOn = ''
  const server = createServer((client) => {
    const upstream = connect(port, '127.0.0.1')
    client.on('error', () => {}).on('close', () => upstream.destroy())
    upstream.on('error', () => {}).on('close', () => client.destroy())
    client.pipe(upstream)
    upstream.on('data', (piece) => {
      if (lost) {
        passedOn += piece.toString('latin1')
        client.write(piece)
      } else {
        lost = true
        client.resetAndDestroy()
      }
    })
  })
  const own = await findFreePort()
  server.listen(own, '127.0.0.1')
  await once(server, 'listening')
  return {
    address: `http://127.0.0.1:${own}`,
    lost: () => lost,
    passedOn: () => passedOn,
    async [Symbol.asyncDispose]() {
      server.close()
      await once(server, 'close')
    },
  }
}
