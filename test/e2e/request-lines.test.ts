import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import type { Readable } from 'node:stream'
import { describe, expect, test } from 'vitest'
import { cleanEnvironment, cliFile, startServe, temporaryFolder } from './run-cli.ts'

const hasScript = existsSync('/usr/bin/script')

/** Serves on a terminal of its own, which shows its text through standard output. */
function serveOnTerminal(data: string, env: Readonly<Record<string, string>>): ChildProcess {
  const command = `'${process.execPath}' '${cliFile}' serve --port 0 --data '${data}'`
  return spawn('/usr/bin/script', ['-qefc', command, '/dev/null'], {
    env: { ...cleanEnvironment(), TERM: 'xterm-256color', ...env },
  })
}

/** What a stream said until it matched. */
async function readUntil(stream: Readable, pattern: RegExp): Promise<string> {
  let text = ''
  for await (const piece of stream.iterator({ destroyOnReturn: false })) {
    text += String(piece)
    if (pattern.test(text)) return text
  }
  throw new Error(`ended without ${pattern}: ${text}`)
}

describe.skipIf(!hasScript)('request lines on a terminal', () => {
  test.each([
    { env: { NO_COLOR: '1' }, status: '401' },
    { env: {}, status: '\u001B[33m401\u001B[39m' },
  ])('say when, what, how it ended, how long it took and whose it was: $env', async ({ env, status }) => {
    using folder = temporaryFolder()
    const child = serveOnTerminal(join(folder.path, 'd'), env)
    const shown = child.stdout as Readable
    try {
      const begun = await readUntil(shown, /X-API-Key: mw_live_[^\n]*\n/)
      const [, address = ''] = /(http:\/\/127\.0\.0\.1:\d+)/.exec(begun) ?? []
      const [, key = '', id = ''] = /X-API-Key: (mw_live_([0-9A-Za-z]{12})_[0-9A-Za-z]+)/.exec(begun) ?? []
      const ask = (headers: Readonly<Record<string, string>>): Promise<Response> =>
        fetch(`${address}/predict`, {
          method: 'POST',
          headers: { 'Content-Type': 'application/json', ...headers },
          body: '{"text":"I love this product"}',
        })
      expect((await ask({})).status).toBe(401)
      expect((await ask({ 'X-API-Key': key, Prefer: 'wait=1' })).status).toBe(200)
      expect((await ask({ 'X-API-Key': key })).status).toBe(200)
      const lines = (await readUntil(shown, /(?:POST [^\n]*\n[\s\S]*){3}/)).split(/\r?\n/)
      expect(lines[0]).toMatch(/^\d\d:\d\d:\d\d POST \/predict .+ [\d.]+ ms 127\.0\.0\.1$/)
      expect(lines[0]).toContain(` ${status} `)
      for (const line of lines.slice(1, 3)) expect(line).toMatch(new RegExp(`200.* [\\d.]+ ms .*${id}$`))
      expect(lines.join('')).not.toContain(key.slice(-40))
    } finally {
      const closed = once(child, 'close')
      child.kill()
      await closed
    }
  })
})

describe('request lines elsewhere', () => {
  test('are not there unless they are asked for', async () => {
    using folder = temporaryFolder()
    await using server = await startServe(folder.path)
    expect((await fetch(`${server.address}/health`)).status).toBe(200)
    const lines = server.log().trim().split('\n')
    expect(lines.map((line) => (JSON.parse(line) as { event?: string }).event)).toEqual(['server.started'])
  })

  test('are lost and counted where their reader stands still, and every request is answered', async () => {
    using folder = temporaryFolder()
    await using server = await startServe(folder.path, ['--log-requests', 'true'])
    const log = server.child.stderr as Readable
    log.pause()
    // Of some 250 bytes each: more than a pipe and its reader hold.
    for (let asked = 0; asked < 3_000; asked += 1)
      expect((await fetch(`${server.address}/health`)).status).toBe(200)
    log.resume()
    while (!server.log().includes('server.requests_not_logged')) await once(log, 'data')
    const lines = server
      .log()
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line))
    const told = lines.filter(({ event }) => event === 'server.requests_not_logged')
    const answered = lines.filter(({ msg }) => msg === 'answered').length
    expect(answered + told.reduce((sum, line) => sum + line.lines, 0)).toBe(3_000)
    expect(told[0]).toMatchObject({ level: 'warn' })
  })
})
