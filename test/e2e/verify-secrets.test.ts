import { readdirSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { formatKey, parseKey } from '../../src/keys/record/key-text.ts'
import { runCli, startServe, temporaryFolder } from './run-cli.ts'

const format = { prefix: 'mw', environment: 'live' } as const

/** A well-formed key of the same id that does not exist. */
function withOtherSecret(key: string): string {
  const { id = '', secret = '' } = parseKey(key, format) ?? {}
  return formatKey(format, { id, secret: [...secret].reverse().join('') })
}

test('after 1,000 verifies of right, wrong and truncated keys, none of these texts is in the folder, the logs, the metrics or an answer', async () => {
  using folder = temporaryFolder()
  const data = join(folder.path, 'data')
  await using server = await startServe(data, [
    ...['--log-level', 'trace', '--log-requests', 'true', '--limit-operational', 'none'],
  ])
  const keyFile = join(data, 'first-keys.json')
  const { admin, demo } = JSON.parse(readFileSync(keyFile, 'utf8')) as { admin: string; demo: string }
  rmSync(keyFile)
  const outside = 'sk-of-another-system-Zq81mV4rT0pW7nL2kD9sX3bC'
  const presented = [demo, withOtherSecret(demo), demo.slice(0, -5), demo.slice(4), outside, `${demo}x`]
  const answers: string[] = []
  async function verify(turn: number): Promise<void> {
    const key = presented[turn % presented.length]
    // One in ten is no question: what is wrong with it is said without what was sent.
    const wrong = turn % 10 === 9 ? { route: `POST /${key}`, [`${key}`]: key, address: key } : undefined
    const answer = await fetch(`${server.address}/v1/keys/verify`, {
      method: 'POST',
      headers: {
        'x-api-key': admin,
        'content-type': 'application/json',
        'x-request-id': presented[turn % 2] ?? '',
      },
      body: JSON.stringify({ key, address: `203.0.113.${turn % 250}`, ...wrong }),
    })
    expect(answer.status).toBe(wrong === undefined ? 200 : 422)
    answers.push((await answer.text()) + JSON.stringify([...answer.headers]))
  }
  for (let turn = 0; turn < 1_000; turn += 20)
    await Promise.all(Array.from({ length: 20 }, (_, index) => verify(turn + index)))
  const metrics = await fetch(`${server.address}/metrics`, { headers: { 'x-api-key': admin } })
  expect(metrics.status).toBe(200)
  const exported = await runCli(['ledger', 'export', '--format', 'jsonl', '--data', data])
  const files = readdirSync(data).filter((name) => !name.endsWith('.sock'))
  const places = new Map<string, Buffer>([
    ...files.map((name): [string, Buffer] => [name, readFileSync(join(data, name))]),
    ['log', Buffer.from(server.log() + server.output())],
    ['answers', Buffer.from(answers.join('\n'))],
    ['metrics', Buffer.from(await metrics.text())],
    ['export', Buffer.from(exported.stdout)],
  ])
  expect(exported.stdout).toContain('"verifier"')
  const secrets = [demo.slice(-43, -13), withOtherSecret(demo).slice(-43, -13), outside.slice(-24)]
  const traces = secrets.flatMap((text) => [Buffer.from(text), Buffer.from(text, 'utf16le')])
  const found = [...places].flatMap(([place, bytes]) =>
    traces.some((trace) => bytes.includes(trace)) ? [place] : [],
  )
  expect(found).toEqual([])
}, 120_000)
