import { afterAll, beforeAll, expect, test } from 'vitest'
import {
  createKey,
  expectProblem,
  get,
  json,
  keyHeader,
  loveIt,
  predict,
  unknownKey,
  withOtherSecret,
} from './ask.ts'
import type { ParityTarget, StartTarget } from './parity-target.ts'
import { formatRequest, type RawAnswer, RawConnection, type RawRequest } from './raw-http.ts'

/** What every input below says. */
const marker = 'my-diagnosis-is-private'

/** The first few lines that hold a text, in any case. */
function linesWith(text: string, part: string): readonly string[] {
  const wanted = part.toLowerCase()
  return text
    .split('\n')
    .filter((line) => line.toLowerCase().includes(wanted))
    .slice(0, 3)
}

/** Rows 42 and 43: what errors and logs say, and what they never say. */
export function describeErrorRows(start: StartTarget): void {
  let target: ParityTarget
  const answers: RawAnswer[] = []
  const secrets: string[] = []
  beforeAll(async () => {
    target = await start({ modelDeadline: 50, requestTimeout: 300 })
  })
  afterAll(() => target.close())

  /** Remembers what came back, for the last test. */
  async function kept(answer: Promise<RawAnswer>): Promise<RawAnswer> {
    answers.push(await answer)
    return answer
  }
  function remember(key: string): string {
    secrets.push(key.split('_').at(-1) ?? key)
    return key
  }
  const ask = (request: RawRequest) => kept(predict(target, { body: `{"text":"${marker}"}`, ...request }))

  async function withModel(does: ParityTarget['model']['does'], use: () => Promise<RawAnswer>) {
    target.model.does = does
    try {
      return await use()
    } finally {
      target.model.does = 'answer'
    }
  }

  /** A request that never becomes whole: the timeout is the server's, not this test's. */
  async function stall(bytes: Buffer | string): Promise<RawAnswer> {
    const connection = new RawConnection(target.port)
    void connection.write(bytes)
    const answer = await kept(connection.answer())
    connection.close()
    return answer
  }

  test('43 all errors, from 400 to 504, are application/problem+json with the same members', async () => {
    const key = remember(await createKey(target))
    const right = { headers: [keyHeader(key)] }
    expectProblem(await ask({ headers: [keyHeader(`${key}\0`)] }), 400, 'request_malformed')
    expectProblem(await ask({ headers: [keyHeader(key), keyHeader(key)] }), 400, 'key_ambiguous')
    expectProblem(await ask({}), 401, 'key_missing')
    expectProblem(await ask({ headers: [keyHeader(remember(unknownKey(target)))] }), 403, 'key_invalid')
    expectProblem(await kept(get(target, `/${marker}`, right.headers)), 404, 'not_found')
    expectProblem(await kept(get(target, '/predict', right.headers)), 405, 'method_not_allowed')
    expectProblem(
      await stall(`POST /predict HTTP/1.1\r\nHost: x\r\nX-API-Key: ${key}\r\n`),
      408,
      'request_timeout',
    )
    const large = formatRequest({ headers: [json, keyHeader(key), ['Content-Length', '1048577']] })
    expectProblem(await stall(large), 413, 'body_too_large')
    const text = formatRequest({ headers: [keyHeader(key), ['Content-Type', 'text/plain']], body: marker })
    expectProblem(await stall(text), 415, 'media_type_unsupported')
    expectProblem(await ask({ ...right, body: `{"${marker}":1}` }), 422, 'input_invalid')
    expectProblem(await ask({ headers: [keyHeader(key.repeat(300))] }), 431, 'headers_too_large')
    expectProblem(await withModel('throw', () => ask(right)), 502, 'model_failed')
    expectProblem(await withModel('hang', () => ask(right)), 504, 'model_timeout')
  })

  test('43 a request with a body that stops half way: 408, a problem like the others', async () => {
    const key = remember(await createKey(target))
    const headers = [json, keyHeader(key), ['Content-Length', '1000']] as const
    const half = formatRequest({ headers, body: `{"text":"${marker}` })
    expectProblem(await stall(half), 408, 'request_timeout')
  })

  test('43 whatever breaks without a name: 500, a problem that says nothing of it', async () => {
    const key = remember(await createKey(target))
    const { now } = target.time
    const broken = {
      get: () => {
        const error = new Error(`at /etc/app with ${key}`)
        // Not in a timer of the server's own, or as its worker looks for jobs or uses of keys are
        // written, for which no request waits, and not as the connection of a test before closes.
        if (/\bTimeout\b|\bJobWorker\b|\bkey-uses\b|\bemitErrorNT\b/.test(error.stack ?? '')) return now
        throw error
      },
      configurable: true,
    }
    Object.defineProperty(target.time, 'now', broken)
    try {
      const answer = await ask({ headers: [keyHeader(key)] })
      expectProblem(answer, 500, 'internal')
      expect(answer.body).not.toMatch(/etc|mw_/)
    } finally {
      Object.defineProperty(target.time, 'now', { value: now, writable: true, configurable: true })
    }
  })

  test('42 no key and no input text is in any log or answer, at the level trace, after everything that can fail has', async () => {
    const { record, text: old } = await target.keys.create({ name: 'k' })
    const { text: next } = await target.keys.rotate(record.id)
    for (const key of [old, next].map(remember)) {
      const wrong = remember(withOtherSecret(key, target))
      for (const presented of [key, wrong, key.slice(0, -1), `${key}x`, key.toUpperCase()]) {
        await ask({ headers: [keyHeader(presented)] })
        await ask({ headers: [keyHeader(presented)], body: `{"text":"${marker}" ${key}` })
        await ask({ headers: [['Authorization', `Bearer ${presented}`]] })
        await ask({ headers: [['Cookie', `key=${presented}; modelward_session=${presented}`]] })
        await ask({
          headers: [
            ['X-Request-Id', presented],
            ['Referer', `http://x/?key=${presented}`],
          ],
        })
        await ask({ path: `/predict?text=${marker}&key=${presented}` })
        await ask({ path: `/predict/${presented}` })
        await ask({ method: 'DELETE', path: `/v1/keys/${presented}` })
        await ask({ headers: [['Content-Type', presented]] })
        await ask({ headers: [['Expect', presented]] })
      }
    }
    expect(secrets.length).toBeGreaterThanOrEqual(6)
    const log = target.logText()
    expect(log.split('\n').length).toBeGreaterThan(100)
    // The request ids of the answers are in the log, so it is the log of these requests.
    expect(log).toContain(answers.at(-1)?.headers.get('x-request-id')?.[0])
    const textOf = ({ headers, body }: RawAnswer): string => JSON.stringify([...headers]) + body
    const answered = answers.map(textOf).join('\n')
    const failed = answers.filter(({ status }) => status >= 400).map(textOf)
    expect(failed.length).toBeGreaterThan(100)
    for (const secret of secrets) {
      expect(linesWith(log, secret.slice(0, 43))).toEqual([])
      expect(linesWith(answered, secret.slice(0, 43))).toEqual([])
    }
    expect(linesWith(log, marker)).toEqual([])
    expect(linesWith(failed.join('\n'), marker)).toEqual([])
  })

  test('42 a right answer is logged with the key’s id, and with neither secret nor text', async () => {
    const { record, text } = await target.keys.create({ name: 'k' })
    const { status, headers } = await predict(target, { headers: [keyHeader(text)], body: loveIt })
    expect(status).toBe(200)
    const line = target
      .logText()
      .split('\n')
      .find((entry) => entry.includes(String(headers.get('x-request-id')?.[0])))
    expect(line).toContain(record.id)
    expect(line).not.toContain(text)
    expect(line).not.toContain('great product')
  })
}
