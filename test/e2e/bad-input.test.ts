import { spawnSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import {
  chmodSync,
  chownSync,
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { type AddressInfo, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { drawPepper } from '../../src/secrets/peppers.ts'
import { get, keyHeader } from '../parity/ask.ts'
import { folderState } from './folder-state.ts'
import { cleanEnvironment, cliFile, runCli, startServe } from './run-cli.ts'

const isRoot = process.getuid?.() === 0
/** A user without rights: `nobody` on every Linux. */
const nobody = 65_534

let base: string
/** A deployment in order, to copy and to break. */
let sound: string
let soundKey: string
/** The copy that a test breaks. */
let data: string
let copies = 0

beforeAll(async () => {
  base = mkdtempSync(join(tmpdir(), 'modelward-bad-'))
  sound = join(base, 'sound')
  const server = await startServe(sound)
  soundKey = (JSON.parse(readFileSync(join(sound, 'first-keys.json'), 'utf8')) as { demo: string }).demo
  server.child.kill('SIGTERM')
  await once(server.child, 'close')
})
afterAll(() => rmSync(base, { recursive: true, force: true }))
beforeEach(() => {
  copies += 1
  data = join(base, `copy-${copies}`)
})

function copySound(): void {
  mkdirSync(data, { mode: 0o700 })
  for (const name of ['modelward.db', 'pepper']) copyFileSync(join(sound, name), join(data, name))
}

const databaseOf = (folder: string): string => join(folder, 'modelward.db')

interface Ending {
  readonly code: string
  readonly exit: number
  /** Words that tell the operator what is wrong, beside the path. */
  readonly says: RegExp
}

/**
 * Expects `serve` to end at once, with one line on standard error that says what and where, and its
 * code.
 */
function expectEnding(
  { code, stdout, stderr }: { code: number | null; stdout: string; stderr: string },
  ending: Ending,
): void {
  expect({ exit: code, stdout }).toEqual({ exit: ending.exit, stdout: '' })
  expect(stderr).toMatch(new RegExp(`^modelward: [^\\n]+ \\(${ending.code}\\)\\n$`))
  expect(stderr).toMatch(ending.says)
  expect(stderr).not.toMatch(/\n {4}at /)
}

/** Expects `serve` on the folder to end so, and the folder to be exactly what it was. */
async function expectUntouched(ending: Ending, args: readonly string[] = []): Promise<void> {
  const before = folderState(base)
  expectEnding(await runCli(['serve', '--data', data, '--port', '0', ...args]), ending)
  expect(folderState(base)).toEqual(before)
}

describe('serve tells what stands in its way in one line, with its code and exit code, and leaves everything as it was', () => {
  test('a file in the place of the folder', async () => {
    writeFileSync(data, 'precious')
    await expectUntouched({ code: 'data_unwritable', exit: 3, says: /expected a folder, got a file/ })
  })

  test('a file in the place of a folder above it', async () => {
    writeFileSync(data, 'precious')
    data = join(data, 'below')
    await expectUntouched({ code: 'data_unwritable', exit: 3, says: /below/ })
  })

  test('a folder that is open to others and holds what is not ours', async () => {
    mkdirSync(data)
    chmodSync(data, 0o755)
    writeFileSync(join(data, 'thesis.txt'), 'precious')
    await expectUntouched({ code: 'config_invalid', exit: 2, says: /chmod 700/ })
  })

  test('a database of a newer version', async () => {
    copySound()
    const database = new DatabaseSync(databaseOf(data))
    database.exec('PRAGMA user_version = 99')
    database.close()
    await expectUntouched({ code: 'data_newer', exit: 3, says: /version 99.*newer program/ })
  })

  test('a database of another program', async () => {
    mkdirSync(data, { mode: 0o700 })
    const database = new DatabaseSync(databaseOf(data))
    database.exec('CREATE TABLE recipes (name TEXT)')
    database.close()
    // As every file in a data folder; one that is open to others would be closed to them, whatever
    // is in it.
    chmodSync(databaseOf(data), 0o600)
    await expectUntouched({ code: 'data_corrupt', exit: 3, says: /another program/ })
  })

  test('a database that is no database', async () => {
    copySound()
    writeFileSync(databaseOf(data), randomBytes(65_536))
    await expectUntouched({ code: 'data_corrupt', exit: 3, says: /not an SQLite database/ })
  })

  test.each([0.3, 0.6])('a database that lost its end, %f of it left', async (share) => {
    copySound()
    truncateSync(
      databaseOf(data),
      Math.floor((readFileSync(databaseOf(data)).length * share) / 4_096) * 4_096,
    )
    const before = folderState(base)
    const run = await runCli(['serve', '--data', data, '--port', '0'])
    expectEnding(run, { code: 'data_corrupt', exit: 3, says: /damaged.*backup/ })
    expect(folderState(base)).toEqual(before)
  })

  test('a database of which nothing is left, where the pepper tells that there was one', async () => {
    copySound()
    truncateSync(databaseOf(data))
    await expectUntouched({ code: 'data_corrupt', exit: 3, says: /empty.*backup/ })
  })

  test('a database that another program holds locked', async () => {
    copySound()
    const holder = new DatabaseSync(databaseOf(data))
    holder.exec('PRAGMA journal_mode = WAL; BEGIN IMMEDIATE')
    const { code, stdout, stderr } = await runCli(['serve', '--data', data, '--port', '0'])
    holder.exec('ROLLBACK')
    holder.close()
    expectEnding({ code, stdout, stderr }, { code: 'data_locked', exit: 3, says: /another program holds/ })
  })

  test('the pepper is gone, and keys depend on it', async () => {
    copySound()
    rmSync(join(data, 'pepper'))
    await expectUntouched({ code: 'pepper_missing', exit: 3, says: /pepper.*backup/ })
  })

  test.each([
    ['no pepper at all', ''],
    ['words', 'correct horse battery staple'],
    ['a pepper cut short', '1:c2hvcnQ'],
    ['a version twice', `${drawPepper(1)}\n${drawPepper(1)}\n`],
  ])('the pepper file holds %s', async (_, text) => {
    copySound()
    writeFileSync(join(data, 'pepper'), text)
    await expectUntouched({ code: 'pepper_unreadable', exit: 3, says: /pepper.*expected/ })
  })

  test('the pepper file is a folder', async () => {
    copySound()
    rmSync(join(data, 'pepper'))
    mkdirSync(join(data, 'pepper'))
    await expectUntouched({ code: 'pepper_unreadable', exit: 3, says: /pepper/ })
  })

  test('the pepper is another one, and the message holds nothing of it', async () => {
    copySound()
    const other = drawPepper(1)
    writeFileSync(join(data, 'pepper'), other)
    const before = folderState(base)
    const run = await runCli(['serve', '--data', data, '--port', '0'])
    expectEnding(run, { code: 'pepper_mismatch', exit: 3, says: /not the one that the keys/ })
    expect(run.stderr).not.toContain(other.slice(2, 12))
    expect(folderState(base)).toEqual(before)
  })

  test('the port is taken', async () => {
    copySound()
    const holder = createServer().listen(0, '127.0.0.1')
    await once(holder, 'listening')
    const { port } = holder.address() as AddressInfo
    const before = folderState(join(data, 'pepper'))
    const run = await runCli(['serve', '--data', data, '--port', String(port)])
    holder.close()
    expectEnding(run, { code: 'address_in_use', exit: 3, says: new RegExp(`127.0.0.1:${port}`) })
    expect(folderState(join(data, 'pepper'))).toEqual(before)
  })

  test('the port is taken at a first start: no keys are made whose texts are lost', async () => {
    const holder = createServer().listen(0, '127.0.0.1')
    await once(holder, 'listening')
    const { port } = holder.address() as AddressInfo
    const run = await runCli(['serve', '--data', data, '--port', String(port)])
    holder.close()
    expectEnding(run, {
      code: 'address_in_use',
      exit: 3,
      says: /another program listens there; stop it, or name another port: --port \d+/,
    })
    expect(Object.keys(folderState(data))).not.toContain('first-keys.json')
    await using server = await startServe(data)
    const { demo } = JSON.parse(readFileSync(join(data, 'first-keys.json'), 'utf8')) as { demo: string }
    const target = { port: Number(new URL(server.address).port) }
    expect((await get(target, '/v1/keys/self', [keyHeader(demo)])).status).toBe(200)
  })

  test('a host that is not of this machine', async () => {
    copySound()
    const run = await runCli(['serve', '--data', data, '--port', '0', '--host', '192.0.2.1'])
    expectEnding(run, { code: 'address_unavailable', exit: 3, says: /192\.0\.2\.1/ })
  })

  test('another server runs on the folder, and goes on as if nothing had been', async () => {
    copySound()
    await using server = await startServe(data)
    const target = { port: Number(new URL(server.address).port) }
    const run = await runCli(['serve', '--data', data, '--port', '0'])
    const holder = new RegExp(`in use by process ${server.child.pid}, ${server.address};`)
    expectEnding(run, { code: 'data_in_use', exit: 3, says: holder })
    expect((await get(target, '/v1/keys/self', [keyHeader(soundKey)])).status).toBe(200)
  })

  test('several wrong settings: all of them at once, and no folder is made', async () => {
    const { code, stdout, stderr } = await runCli([
      ...['serve', '--data', data, '--port', '99999', '--log-level', 'loud', '--scheme', 'carrier-pigeon'],
    ])
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' })
    expect(stderr).toMatch(/^modelward: 3 faults in the configuration \(config_invalid\)\n/)
    for (const flag of ['--port', '--log-level', '--scheme']) expect(stderr).toContain(flag)
    expect(folderState(data)).toEqual({})
  })

  test('with --json the same is one line of JSON', async () => {
    writeFileSync(data, 'precious')
    const { code, stdout, stderr } = await runCli(['serve', '--data', data, '--json'])
    expect({ code, stdout }).toEqual({ code: 3, stdout: '' })
    expect(stderr.trimEnd().split('\n')).toHaveLength(1)
    expect(JSON.parse(stderr)).toEqual({ error: { code: 'data_unwritable', message: expect.any(String) } })
  })
})

// Root may do anything, so these run as a user without rights, which root alone can become.
describe.runIf(isRoot)('as a user without rights', () => {
  function serveAsNobody(): { code: number | null; stdout: string; stderr: string } {
    const { status, stdout, stderr } = spawnSync(
      process.execPath,
      [cliFile, 'serve', '--data', data, '--port', '0'],
      { cwd: tmpdir(), env: cleanEnvironment(), encoding: 'utf8', uid: nobody, gid: nobody },
    )
    return { code: status, stdout, stderr }
  }
  function give(path: string, mode: number): void {
    chownSync(path, nobody, nobody)
    chmodSync(path, mode)
  }
  beforeAll(() => chmodSync(base, 0o755))

  test('a folder that may not be written: data_unwritable, and nothing is there afterwards', () => {
    mkdirSync(data)
    give(data, 0o500)
    const before = folderState(data)
    expectEnding(serveAsNobody(), { code: 'data_unwritable', exit: 3, says: /cannot be written/ })
    expect(folderState(data)).toEqual(before)
  })

  test('a deployment that may not be written: data_unwritable, and nothing has changed', () => {
    copySound()
    for (const name of ['modelward.db', 'pepper']) give(join(data, name), 0o400)
    give(data, 0o500)
    const before = folderState(data)
    expectEnding(serveAsNobody(), { code: 'data_unwritable', exit: 3, says: /cannot be written/ })
    expect(folderState(data)).toEqual(before)
  })

  test('a pepper that may not be read: pepper_unreadable, and nothing has changed', () => {
    copySound()
    give(data, 0o700)
    give(databaseOf(data), 0o600)
    chmodSync(join(data, 'pepper'), 0o600)
    const before = folderState(data)
    expectEnding(serveAsNobody(), { code: 'pepper_unreadable', exit: 3, says: /pepper.*cannot be read/ })
    expect(folderState(data)).toEqual(before)
  })

  test('a folder above that may not be written: data_unwritable, and none is made', () => {
    mkdirSync(data)
    give(data, 0o500)
    data = join(data, 'new', 'deployment')
    expectEnding(serveAsNobody(), { code: 'data_unwritable', exit: 3, says: /new: .*cannot be created/ })
    expect(folderState(data)).toEqual({})
  })

  test('a port below 1024: address_unavailable', () => {
    copySound()
    give(data, 0o700)
    for (const name of ['modelward.db', 'pepper']) give(join(data, name), 0o600)
    const { status, stderr } = spawnSync(
      process.execPath,
      [cliFile, 'serve', '--data', data, '--port', '1'],
      { cwd: tmpdir(), env: cleanEnvironment(), encoding: 'utf8', uid: nobody, gid: nobody, timeout: 60_000 },
    )
    expectEnding({ code: status, stdout: '', stderr }, { code: 'address_unavailable', exit: 3, says: /:1/ })
  })
})
