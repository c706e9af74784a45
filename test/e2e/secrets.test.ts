import { hash } from 'node:crypto'
import { once } from 'node:events'
import { existsSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { withOtherSecret } from '../parity/ask.ts'
import { runCli, runJson, startServe, temporaryFolder } from './run-cli.ts'

/** What every prediction is asked about, and no place may know. */
const marker = 'my-diagnosis-is-private'

interface Issued {
  readonly id: string
  readonly key: string
}

/**
 * Everything by which a secret could be known: itself, whole and cut, and what it could be guessed
 * or looked up by.
 */
function tracesOf(key: string): readonly Buffer[] {
  const secret = key.slice(-49)
  const digest = hash('sha256', key, 'buffer')
  return [
    ...[secret.slice(0, 43), secret.slice(0, 24), secret.slice(-30)].map((text) => Buffer.from(text)),
    ...[key, secret].flatMap((text) => [Buffer.from(text, 'utf16le'), Buffer.from(btoa(text).slice(0, 40))]),
    ...[digest.toString('hex'), digest.toString('base64url')].map((text) => Buffer.from(text)),
    digest,
  ]
}

/** Where traces of secrets are, by the name of the place. */
function findTraces(places: ReadonlyMap<string, Buffer>, keys: readonly string[]): readonly string[] {
  const traces = keys.flatMap((key) => tracesOf(key).map((trace) => ({ trace, id: key.split('_')[2] })))
  return [...places].flatMap(([place, bytes]) =>
    traces.filter(({ trace }) => bytes.includes(trace)).map(({ id }) => `${place}: key ${id}`),
  )
}

test('after keys were made, rotated, retried, used rightly and wrongly, by HTTP, browser and command line, no secret of any is in the folder, the logs, the answers or the process', async () => {
  using folder = temporaryFolder()
  const data = join(folder.path, 'data')
  const keys: string[] = []
  const answers: string[] = []
  let issuedCount = 0
  await using server = await startServe(data, [
    ...['--log-level', 'trace', '--scheme', 'header,bearer', '--cors-origins', 'https://app.example.com'],
  ])
  const keyFile = join(data, 'first-keys.json')
  const { admin, demo } = JSON.parse(readFileSync(keyFile, 'utf8')) as { admin: string; demo: string }
  keys.push(admin, demo)
  // The one documented place for the first keys, until their owner takes them; as it was told to.
  rmSync(keyFile)

  async function ask(path: string, init: RequestInit = {}, key?: string): Promise<Response> {
    const headers = new Headers(init.headers)
    if (key !== undefined) headers.set('x-api-key', key)
    if (typeof init.body === 'string' && !headers.has('content-type'))
      headers.set('content-type', 'application/json')
    const answer = await fetch(server.address + path, { redirect: 'manual', ...init, headers })
    const { status } = answer
    const shown = `${path.split('?')[0]?.slice(0, 12)} ${status}: ${await answer.clone().text()}`
    // The one answer that shows a key, this once, and the page that sends the browser back to where
    // it wanted to go.
    const isIssued =
      (status === 200 || status === 201) &&
      init.method === 'POST' &&
      /^\/v1\/keys(\/\w+\/rotate)?$/.test(path)
    // A right prediction gives back the text that was asked about, to who asked.
    const isPrediction = status === 200 && path === '/predict'
    if (isIssued) issuedCount += 1
    else if (isPrediction) answers.push(shown.replaceAll(marker, ''))
    else answers.push(shown.replace(/<input type="hidden" name="next" value="[^"]*">/, ''))
    const sent = [...answer.headers].filter(([name]) => name !== 'location')
    answers.push(JSON.stringify(sent))
    return answer
  }
  async function issue(path: string, body: object, headers: Record<string, string> = {}): Promise<Issued> {
    const answer = await ask(path, { method: 'POST', body: JSON.stringify(body), headers }, admin)
    const issued = (await answer.json()) as Issued
    keys.push(issued.key)
    return issued
  }
  const predict = (key: string) =>
    ask('/predict', { method: 'POST', body: JSON.stringify({ text: marker }) }, key)

  // Made, retried, rotated, ended.
  const made = await issue('/v1/keys', { name: 'made' })
  const retried = { 'idempotency-key': 'once' }
  const first = await issue('/v1/keys', { name: 'retried' }, retried)
  expect((await issue('/v1/keys', { name: 'retried' }, retried)).key).toBe(first.key)
  const rotated = await issue(`/v1/keys/${made.id}/rotate`, { overlap: '1h' }, { 'idempotency-key': 'turn' })
  const rotatedAgain = await issue(`/v1/keys/${made.id}/rotate`, { overlap: '1h' })
  await ask(`/v1/keys/${first.id}/revoke`, { method: 'POST', body: '{"reason":"leaked"}' }, admin)
  await ask('/v1/keys', {}, admin)
  await ask(`/v1/keys/${made.id}`, {}, admin)
  const outside = 'sk-of-another-system-Zq81mV4rT0pW7nL2kD9sX3bC'
  const sha256 = hash('sha256', outside)
  await ask('/v1/keys/import', { method: 'POST', body: JSON.stringify([{ name: 'old', sha256 }]) }, admin)
  expect((await predict(outside)).status).toBe(200)
  // By the command line, beside the server.
  const byCli = await runJson<Issued>([
    'keys',
    'create',
    '--name',
    'cli',
    '--data',
    data,
    '--idempotency-key',
    'cli',
  ])
  const turned = await runJson<Issued>(['keys', 'rotate', byCli.id, '--overlap', '1h', '--data', data])
  keys.push(byCli.key, turned.key)
  const runs = await Promise.all([
    runCli(['keys', 'list', '--data', data, '--json']),
    runCli(['keys', 'show', byCli.id, '--data', data]),
    runCli(['keys', 'show', byCli.key, '--data', data]),
    runCli(['keys', 'revoke', turned.key, '--data', data]),
    runCli(['keys', 'create', '--name', turned.key, '--expires', turned.key, '--data', data]),
    runCli(['doctor', '--data', data]),
    runCli(['doctor', '--data', join(data, turned.key)]),
    runCli(['doctor', '--json', '--data', join(data, turned.key)]),
  ])
  // Used rightly and wrongly.
  const wrong = withOtherSecret(demo, { format: { prefix: 'mw', environment: 'live' } } as never)
  keys.push(wrong)
  const statuses = new Map<number, number>()
  for (const key of [...keys, `${demo}x`, demo.slice(0, -1), demo.toUpperCase()]) {
    const tried = [
      await predict(key),
      await ask('/predict', {
        method: 'POST',
        body: `{"text": "${marker} ${key}`,
        headers: { authorization: `Bearer ${key}` },
      }),
      await ask(`/predict?api_key=${key}&text=${key}${marker}`, { method: 'POST' }),
      await ask(`/predict/${key}/${marker}`, { method: 'POST', headers: { cookie: `key=${key}` } }),
      await ask('/predict', { method: 'POST', headers: { 'x-request-id': key } }, key),
      await ask(`/v1/keys/${key}`, {}, admin),
      await ask(`/v1/keys/${encodeURIComponent(key).replace('mw', '%6dw')}`, {
        headers: { accept: 'text/html' },
      }),
      await ask('/docs', { headers: { cookie: `modelward_session=${key}`, accept: 'text/html' } }),
      await ask('/v1/keys', { method: 'POST', body: JSON.stringify({ [key]: key, scopes: [key] }) }, admin),
      await ask('/session', { method: 'POST', body: JSON.stringify({ key }) }),
      await ask('/session', { method: 'POST', body: new URLSearchParams({ key, next: `/docs?key=${key}` }) }),
    ]
    for (const { status } of tried) statuses.set(status, (statuses.get(status) ?? 0) + 1)
  }
  // The requests really met each of these ends.
  for (const status of [200, 204, 303, 401, 403, 404, 422])
    expect([status, statuses.get(status)]).not.toContain(undefined)
  expect((await predict(rotatedAgain.key)).status).toBe(200)
  expect((await predict(rotated.key)).status).toBe(200)

  const read = (...args: readonly string[]) => runCli(['ledger', ...args, '--data', data])
  const ledgerRuns = [
    await read('export', '--format', 'jsonl'),
    await read('export', '--format', 'csv'),
    await read('query', '--json'),
    await read('query'),
  ]
  for (const run of ledgerRuns) {
    // What was read is the ledger of these requests, so that finding nothing in it says something.
    expect(run.code).toBe(0)
    expect(run.stdout).toContain(rotatedAgain.id)
  }
  runs.push(...ledgerRuns)

  const places = new Map<string, Buffer>()
  for (const [index, { stdout, stderr }] of runs.entries())
    places.set(`cli ${index}`, Buffer.from(stdout + stderr))
  for (const answer of answers) places.set(answer.slice(0, 200), Buffer.from(answer))
  const processFolder = `/proc/${server.child.pid}`
  if (existsSync(processFolder))
    for (const name of ['cmdline', 'environ']) places.set(name, readFileSync(join(processFolder, name)))
  const readData = (when: string): void => {
    for (const entry of readdirSync(data, { withFileTypes: true }))
      if (!entry.isSocket()) places.set(`${entry.name}, ${when}`, readFileSync(join(data, entry.name)))
  }
  readData('while it runs')
  server.child.kill('SIGKILL')
  await once(server.child, 'close')
  readData('after kill -9')
  places.set('log', Buffer.from(server.log()))
  places.set('standard output', Buffer.from(server.output()))

  expect(places.get('log')?.length).toBeGreaterThan(10_000)
  expect([...places.keys()]).toEqual(
    expect.arrayContaining([
      ...['modelward.db, after kill -9', 'modelward.db-wal, while it runs'],
      ...['ledger.db, after kill -9', 'ledger.db-wal, while it runs'],
    ]),
  )
  expect(issuedCount).toBeGreaterThanOrEqual(5)
  expect(findTraces(places, keys)).toEqual([])
  const withInput = [...places].filter(([, bytes]) => bytes.includes(marker))
  expect(withInput.map(([place]) => place)).toEqual([])
  // Of an imported key the hash is all there ever was; its text is nowhere.
  const withOutside = [...places].filter(([, bytes]) => bytes.includes(outside.slice(3)))
  expect(withOutside.map(([place]) => place)).toEqual([])
  // The pepper is in its own file and nowhere else, so that no other file can mint a key.
  const pepper = Buffer.from(readFileSync(join(data, 'pepper'), 'utf8').trim().slice(2))
  expect(pepper.length).toBe(43)
  const leaks = [...places].filter(([place, bytes]) => !place.startsWith('pepper') && bytes.includes(pepper))
  expect(leaks.map(([place]) => place)).toEqual([])
  const raw = Buffer.from(pepper.toString(), 'base64url')
  expect([...places].filter(([, bytes]) => bytes.includes(raw)).map(([place]) => place)).toEqual([])
})
