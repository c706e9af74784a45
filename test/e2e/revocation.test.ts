import { join } from 'node:path'
import { expect, test } from 'vitest'
import { expectProblem, keyHeader, predict } from '../parity/ask.ts'
import { runCli, runJson, startServe, temporaryFolder } from './run-cli.ts'

const boundMs = 1_000

test.each([
  ['revoke', 'key_revoked'],
  ['disable', 'key_disabled'],
] as const)(
  'a key that is in use is refused by a running server within a second of `keys %s` having ended',
  async (command, code) => {
    using folder = temporaryFolder()
    const data = join(folder.path, 'data')
    // A revoked key counts as a wrong one, which is 429 after a few.
    await using server = await startServe(data, ['--limit-bad-keys', 'none'])
    const target = { port: Number(new URL(server.address).port) }
    const took: number[] = []
    for (let round = 0; round < 3; round += 1) {
      const created = ['keys', 'create', '--name', `round ${round}`, '--limit', 'none', '--data', data]
      const { id, key } = await runJson<{ id: string; key: string }>(created)
      const ask = () => predict(target, { headers: [keyHeader(key)] })
      expect((await ask()).status).toBe(200)
      expect((await runCli(['keys', command, id, '--data', data])).code).toBe(0)
      const endedAt = performance.now()
      let answer = await ask()
      while (answer.status === 200) answer = await ask()
      took.push(performance.now() - endedAt)
      expectProblem(answer, 403, code)
      // And it stays so.
      for (let again = 0; again < 20; again += 1) expectProblem(await ask(), 403, code)
    }
    const shown = took.map((ms) => `${Math.round(ms)} ms`).join(', ')
    process.stdout.write(`keys ${command}: heard after ${shown}\n`)
    expect(Math.max(...took)).toBeLessThan(boundMs)
  },
)

test('a key that is in use meets what `owners set` said within a second, and no more once it was taken back', async () => {
  using folder = temporaryFolder()
  const data = join(folder.path, 'data')
  await using server = await startServe(data)
  const target = { port: Number(new URL(server.address).port) }
  const created = ['keys', 'create', '--name', 'a', '--owner', 'acme', '--limit', 'none', '--data', data]
  const { key } = await runJson<{ key: string }>(created)
  const ask = () => predict(target, { headers: [keyHeader(key)] })
  const msUntil = async (status: number): Promise<number> => {
    const startedAt = performance.now()
    while ((await ask()).status !== status);
    return performance.now() - startedAt
  }
  expect((await ask()).status).toBe(200)
  expect((await runCli(['owners', 'set', 'acme', '--limit', '1/day', '--data', data])).code).toBe(0)
  const setAfter = await msUntil(429)
  expectProblem(await ask(), 429, 'rate_limited')
  expect((await runCli(['owners', 'set', 'acme', '--limit', 'none', '--data', data])).code).toBe(0)
  const takenBackAfter = await msUntil(200)
  process.stdout.write(
    `owners set: heard after ${Math.round(setAfter)} ms, ${Math.round(takenBackAfter)} ms\n`,
  )
  expect(Math.max(setAfter, takenBackAfter)).toBeLessThan(boundMs)
})
