import { once } from 'node:events'
import { mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { describe, expect, test } from 'vitest'
import { isSigned, type LedgerCheckpoint } from '../../src/ledger/format/checkpoint.ts'
import { type LedgerEntry, ledgerEntry } from '../../src/ledger/format/record.ts'
import type { Ledger } from '../../src/ledger/ledger.ts'
import { ledgerCsvHeader } from '../../src/ledger/query/csv.ts'
import type { LedgerRecordView } from '../../src/ledger/query/record-view.ts'
import type { UsageView } from '../../src/ledger/query/usage-view.ts'
import { openDataFolder } from '../../src/storage/sqlite/data-folder.ts'
import { openFolderLedger } from '../support/open-folder-ledger.ts'
import { runCli, runError, runJson, spawnCli, temporaryFolder } from './run-cli.ts'

interface Page {
  readonly records: readonly LedgerRecordView[]
  readonly next: string | null
}

interface TestLedger extends AsyncDisposable {
  readonly path: string
  readonly ledger: Ledger
  readonly append: (known: Partial<LedgerEntry>) => Promise<void>
}

/** A data folder whose ledger is open, as under a server. */
/** @param before what is done in the folder before it has a ledger, such as making keys */
async function openLedger(before = async (_path: string): Promise<void> => {}): Promise<TestLedger> {
  const folder = temporaryFolder()
  await before(folder.path)
  const ledger = await openFolderLedger(openDataFolder(folder.path, { create: true }))
  return {
    path: folder.path,
    ledger,
    append: (known) => ledger.append(ledgerEntry({ at: Date.now(), event: 'request.admitted', ...known })),
    async [Symbol.asyncDispose]() {
      await ledger.close()
      folder[Symbol.dispose]()
    },
  }
}

async function appendRequests({ append }: TestLedger, count: number): Promise<void> {
  await Promise.all(
    Array.from({ length: count }, (_, index) =>
      append({
        requestId: `r${index}`,
        keyId: index % 2 === 0 ? 'AAAAAAAAAAAA' : 'BBBBBBBBBBBB',
        ...(index % 3 === 0 ? { event: 'request.refused', code: 'rate_limited' } : {}),
        owner: '=acme, "one"',
        route: '/predict',
        latencyUs: 2_000,
        measures: { requests: 1 },
      }),
    ),
  )
}

const idsOf = (records: readonly LedgerRecordView[]): readonly (string | null)[] =>
  records.map((record) => record.request_id)
const linesOf = (text: string): readonly string[] => text.split('\n').filter((line) => line !== '')

describe('ledger query', () => {
  test('finds what the flags ask for, the newest first, page after page', async () => {
    await using opened = await openLedger()
    await appendRequests(opened, 10)
    const args = ['ledger', 'query', '--data', opened.path, '--key', 'AAAAAAAAAAAA', '--limit', '3']
    const first = await runJson<Page>(args)
    expect(idsOf(first.records)).toEqual(['r8', 'r6', 'r4'])
    const second = await runJson<Page>([...args, '--after', first.next ?? ''])
    expect([idsOf(second.records), second.next]).toEqual([['r2', 'r0'], null])
    const refused = ['--event', 'request.refused', '--code', 'rate_limited', '--since', '1h', '--oldest']
    const found = await runJson<Page>(['ledger', 'query', '--data', opened.path, ...refused])
    expect(idsOf(found.records)).toEqual(['r0', 'r3', 'r6', 'r9'])
  })

  test('shows people a table without empty columns, and where more may be found', async () => {
    await using opened = await openLedger()
    await appendRequests(opened, 3)
    const args = ['--route', '/predict', '--limit', '2']
    const { stdout, stderr } = await runCli(['ledger', 'query', '--data', opened.path, ...args])
    const [title, ...rows] = linesOf(stdout)
    expect(title).toMatch(/^TIME +EVENT +KEY +OWNER +ROUTE +MS +REQUEST$/)
    expect(rows).toEqual([
      expect.stringMatching(
        /^\d{4}-\d\d-\d\dT[0-9:]{8}Z +request\.admitted +AAAAAAAAAAAA +=acme, "one" +\/predict .* r2$/,
      ),
      expect.stringContaining('r1'),
    ])
    expect(stderr).toMatch(/--after \d+\.\d+/)
  })

  test('leaves out the ledger’s own records unless they are asked for, in pages that are full', async () => {
    await using opened = await openLedger()
    for (const requestId of ['a', 'b']) {
      await opened.append({ requestId })
      await opened.ledger.checkpoint()
    }
    const at = ['--data', opened.path]
    const query = async (...args: readonly string[]) =>
      (await runJson<Page>(['ledger', 'query', ...at, ...args])).records.map(({ event }) => event)
    expect(await query('--limit', '2')).toEqual(['request.admitted', 'request.admitted'])
    expect(await query('--event', 'ledger.*', '--limit', '1')).toEqual(['ledger.checkpoint'])
    expect(await query('--event', 'ledger.opened')).toEqual(['ledger.opened'])
    expect(await query('--event', 'request.*')).toHaveLength(2)
    expect(await query('--event', '*')).toHaveLength(6)
    const tail = async (...args: readonly string[]) =>
      linesOf((await runCli(['ledger', 'tail', '--json', ...at, ...args])).stdout).map(
        (line) => (JSON.parse(line) as LedgerRecordView).event,
      )
    expect(await tail('--lines', '2')).toEqual(['request.admitted', 'request.admitted'])
    expect(await tail('--lines', '1', '--event', 'ledger.*')).toEqual(['ledger.checkpoint'])
    const exported = await runCli(['ledger', 'export', '--format', 'jsonl', ...at])
    expect(linesOf(exported.stdout)).toHaveLength(6)
  })

  test('a command that changes a key writes its record and one of the ledger’s own: the signed end', async () => {
    using folder = temporaryFolder()
    const at = ['--data', folder.path]
    const { id } = await runJson<{ readonly id: string }>(['keys', 'create', '--name', 'n', ...at])
    await runJson(['keys', 'show', id, ...at])
    await runJson(['keys', 'list', ...at])
    await runJson(['keys', 'revoke', id, ...at])
    const all = await runJson<Page>(['ledger', 'query', '--event', '*', '--oldest', ...at])
    expect(all.records.map(({ event }) => event)).toEqual([
      ...['key.created', 'ledger.closed'],
      ...['key.revoked', 'ledger.closed'],
    ])
    expect((await runJson<Page>(['ledger', 'query', ...at])).records).toHaveLength(2)
    const verified = await runJson(['ledger', 'verify', ...at])
    expect(verified).toMatchObject({ ok: true, records: 4, streams: 2, checkpoints: 2 })
    const tail = await runCli(['ledger', 'tail', '--event', 'ledger.*', ...at])
    expect(linesOf(tail.stdout)).toEqual([
      expect.stringMatching(/^TIME .*DETAIL$/),
      expect.stringMatching(/ ledger\.closed .* up to 1$/),
      expect.stringMatching(/ ledger\.closed .* up to 1$/),
    ])
  })

  test.each([
    ['--code', 'rate_limitd', 'did you mean rate_limited?'],
    ['--event', 'request.lost', 'expected one of request.admitted, request.refused'],
    ['--event', 'lost.*', 'expected one of request.admitted, request.refused'],
    ['--since', 'yesterday', 'a duration ago'],
    ['--until', '2027-02-30', 'ISO 8601'],
    ['--key', 'acme', '12 letters and digits'],
    ['--after', 'first', 'such as 12.3'],
    ['--limit', '0', 'from 1 to 1000'],
  ])('refuses %s %s and says what it expects', async (flag, text, says) => {
    using folder = temporaryFolder()
    const { code, error } = await runError(['ledger', 'query', '--data', folder.path, flag, text])
    expect([code, error.code]).toEqual([2, 'usage_invalid'])
    expect(error.message).toContain(`${flag}: `)
    expect(error.message).toContain(says)
  })
})

describe('ledger tail', () => {
  test('shows the last records in the order they were written', async () => {
    await using opened = await openLedger()
    await appendRequests(opened, 5)
    const args = ['ledger', 'tail', '--data', opened.path, '--lines', '2']
    const { code, stdout } = await runCli([...args, '--json'])
    const records = linesOf(stdout).map((line) => JSON.parse(line) as LedgerRecordView)
    expect([code, idsOf(records)]).toEqual([0, ['r3', 'r4']])
    expect(linesOf((await runCli(args)).stdout)).toEqual([
      expect.stringMatching(/^TIME {22}EVENT {13}CODE {10}KEY {11}OWNER .*DETAIL$/),
      expect.stringMatching(/^\d{4}-.*Z {2}request\.refused {3}rate_limited {2}BBBBBBBBBBBB .* r3 +-$/),
      expect.stringContaining('r4'),
    ])
  })

  test('-f goes on with new records, those of a ledger that was not there before too, and ends well on SIGINT', async () => {
    using folder = temporaryFolder()
    mkdirSync(join(folder.path, 'data'), { mode: 0o700 })
    const path = join(folder.path, 'data')
    const args = ['--data', path, '--json', '--event', 'key.revoked']
    const child = spawnCli(['ledger', 'tail', '-f', ...args])
    if (child.stdout === null) throw new Error('no output')
    const lines = createInterface(child.stdout)
    const ledger = await openFolderLedger(openDataFolder(path, { create: false }))
    for (const keyId of ['AAAAAAAAAAAA', 'BBBBBBBBBBBB']) {
      const line = once(lines, 'line')
      await ledger.append(ledgerEntry({ at: Date.now(), event: 'key.revoked', keyId }))
      expect(JSON.parse(String((await line)[0]))).toMatchObject({ event: 'key.revoked', key_id: keyId })
    }
    const closed = once(child, 'close')
    child.kill('SIGINT')
    expect(await closed).toEqual([0, null])
    await ledger.close()
  })

  test('-f ends quietly when its reader has gone', async () => {
    await using opened = await openLedger()
    await appendRequests(opened, 1)
    const child = spawnCli(['ledger', 'tail', '-f', '--data', opened.path, '--lines', '1'])
    let errors = ''
    child.stderr?.on('data', (piece) => {
      errors += String(piece)
    })
    const closed = once(child, 'close')
    if (child.stdout === null) throw new Error('no output')
    await once(child.stdout, 'data')
    child.stdout.destroy()
    await appendRequests(opened, 1)
    expect([await closed, errors]).toEqual([[0, null], ''])
  })
})

describe('ledger export', () => {
  test('writes every record as JSON Lines or CSV, to standard output or a file of its owner alone', async () => {
    await using opened = await openLedger()
    await appendRequests(opened, 2_500)
    const args = ['ledger', 'export', '--data', opened.path, '--route', '/predict']
    const { stdout } = await runCli([...args, '--format', 'jsonl'])
    const records = linesOf(stdout).map((line) => JSON.parse(line) as LedgerRecordView)
    expect(idsOf(records)).toEqual(Array.from({ length: 2_500 }, (_, index) => `r${index}`))

    const csv = (await runCli([...args, '--format', 'csv'])).stdout
    expect(csv.startsWith(ledgerCsvHeader)).toBe(true)
    expect(csv.split('\r\n').length).toBe(2_502)
    expect(csv).toContain(`,"'=acme, ""one""",`)

    const output = join(opened.path, 'out.csv')
    expect(await runJson([...args, '--format', 'csv', '--output', output])).toEqual({
      file: output,
      records: 2_500,
    })
    expect(readFileSync(output, 'utf8')).toBe(csv)
    expect(statSync(output).mode & 0o777).toBe(0o600)
  })

  test('writes over a file only with --force, and leaves nothing behind where it does not', async () => {
    await using opened = await openLedger()
    await appendRequests(opened, 1)
    const output = join(opened.path, 'out')
    writeFileSync(output, 'precious')
    const args = ['ledger', 'export', '--data', opened.path, '--format', 'jsonl', '--output', output]
    const { code, error } = await runError(args)
    expect([code, error.code, readFileSync(output, 'utf8')]).toEqual([2, 'usage_invalid', 'precious'])
    expect((await runCli([...args, '--force', '--request', 'r0'])).code).toBe(0)
    expect(linesOf(readFileSync(output, 'utf8')).length).toBe(1)
    const elsewhere = ['--output', join(opened.path, 'nowhere', 'out')]
    expect((await runError([...args.slice(0, -2), ...elsewhere])).error.code).toBe('output_failed')
    expect(readdirSync(opened.path).filter((name) => name.includes('.tmp'))).toEqual([])
  })

  test('ends quietly when the reader of a pipe has had enough', async () => {
    await using opened = await openLedger()
    await appendRequests(opened, 5_000)
    const child = spawnCli(['ledger', 'export', '--data', opened.path, '--format', 'jsonl'])
    let errors = ''
    child.stderr?.on('data', (piece) => {
      errors += String(piece)
    })
    const closed = once(child, 'close')
    if (child.stdout === null) throw new Error('no output')
    await once(child.stdout, 'data')
    child.stdout.destroy()
    expect([await closed, errors]).toEqual([[0, null], ''])
  })
})

describe('ledger checkpoint', () => {
  test('signs how far each stream has come, the last written first, while they are open', async () => {
    await using opened = await openLedger()
    const folder = openDataFolder(opened.path, { create: false })
    const second = await openFolderLedger(folder)
    await second.append(ledgerEntry({ at: Date.now(), event: 'key.created', keyId: 'AAAAAAAAAAAA' }))
    await appendRequests(opened, 3)
    const { code, stdout } = await runCli(['ledger', 'checkpoint', '--data', opened.path])
    const checkpoints = linesOf(stdout).map((line) => JSON.parse(line) as LedgerCheckpoint)
    expect([code, checkpoints.length]).toEqual([0, 2])
    const all = ['--limit', '1000', '--event', '*']
    const { records } = await runJson<Page>(['ledger', 'query', '--data', opened.path, ...all])
    for (const checkpoint of checkpoints) {
      expect(isSigned(checkpoint)).toBe(true)
      const newest = records.find(({ stream }) => stream === checkpoint.stream)
      expect(checkpoint).toMatchObject({ seq: newest?.seq, hash: newest?.hash })
    }
    expect(checkpoints[0]?.stream).toBe(records[0]?.stream)
    expect(checkpoints[0]?.key).toBe((await opened.ledger.checkpoint()).key)
    await second.close()
  })

  test('leaves out a stream that a checkpoint in the ledger vouches for, but for the last one', async () => {
    await using opened = await openLedger()
    const second = await openFolderLedger(openDataFolder(opened.path, { create: false }))
    await second.checkpoint()
    await opened.append({ requestId: 'r' })
    await opened.ledger.checkpoint()
    const { stdout } = await runCli(['ledger', 'checkpoint', '--data', opened.path, '--json'])
    expect(linesOf(stdout).length).toBe(1)
    await second.close()
  })
})

describe('usage', () => {
  test('sums up requests by what is asked', async () => {
    await using opened = await openLedger()
    await appendRequests(opened, 12)
    const { usage } = await runJson<{ readonly usage: readonly UsageView[] }>([
      ...['usage', '--data', opened.path, '--by', 'key', '--since', '1h'],
    ])
    const row = {
      key_name: null,
      owner: null,
      model: null,
      day: null,
      requests: 6,
      admitted: 4,
      refused: { rate_limited: 2 },
    }
    expect(usage).toMatchObject([
      { ...row, key_id: 'AAAAAAAAAAAA' },
      { ...row, key_id: 'BBBBBBBBBBBB' },
    ])
    const { stdout } = await runCli(['usage', '--data', opened.path])
    const day = new Date().toISOString().slice(0, 10)
    expect(linesOf(stdout)).toEqual([
      expect.stringMatching(
        /^KEY +NAME +DAY +REQUESTS +ADMITTED +OPERATIONAL +REFUSED +MEASURES +P50 MS +P95 MS +P99 MS$/,
      ),
      expect.stringMatching(new RegExp(`^AAAAAAAAAAAA +- +${day} +6 +4 +0 +rate_limited 2 +requests 6 +\\d`)),
      expect.stringMatching(/^BBBBBBBBBBBB/),
    ])
  })

  test('names keys, shows no owner of a key that was given none, and sums up by model', async () => {
    let [own, acme] = [{ id: '' }, { id: '' }]
    await using opened = await openLedger(async (path) => {
      const create = (...options: string[]) =>
        runJson<{ readonly id: string }>([
          'keys',
          'create',
          '--name',
          'Production',
          '--data',
          path,
          ...options,
        ])
      own = await create()
      acme = await create('--owner', 'acme')
    })
    const at = ['--data', opened.path]
    for (const [keyId, owner] of [
      [own.id, own.id],
      [acme.id, 'acme'],
    ] as const)
      await opened.append({
        event: 'request.admitted',
        at: Date.now(),
        keyId,
        owner,
        detail: { model: 'sentiment' },
        measures: { requests: 1, characters: 20 },
      })
    const { stdout } = await runCli(['usage', '--by', 'key,owner,model', ...at])
    const owners = new Map([
      [own.id, '-'],
      [acme.id, 'acme'],
    ])
    const rows = [...owners.keys()].toSorted()
    expect(linesOf(stdout).slice(1)).toEqual(
      rows.map((id) => expect.stringMatching(`^${id} +Production +${owners.get(id)} +sentiment +1 +1 +0 `)),
    )
    const csv = await runCli(['usage', '--by', 'key,owner,model,month', '--csv', ...at])
    const month = new Date().toISOString().slice(0, 7)
    expect(csv.stdout.split('\r\n')).toEqual([
      'period,owner,key_id,key_name,route,model,requests,refused,characters',
      ...rows.map((id) => {
        const owner = id === acme.id ? 'acme' : id
        return `${month},${owner},${id},Production,,sentiment,1,0,20`
      }),
      '',
    ])
    const { code } = await runError(['usage', '--csv', ...at])
    expect(code).toBe(2)
  })

  test('refuses groups that it does not know', async () => {
    using folder = temporaryFolder()
    const { code, error } = await runError(['usage', '--data', folder.path, '--by', 'week'])
    expect([code, error.message]).toEqual([
      2,
      expect.stringContaining('any of key, owner, route, model, day, month'),
    ])
  })
})

test('a folder without a ledger is told so, and is empty, not wrong', async () => {
  using folder = temporaryFolder()
  const at = ['--data', folder.path]
  expect(await runJson(['ledger', 'query', ...at])).toEqual({ records: [], next: null })
  expect(await runJson(['usage', ...at])).toEqual({ usage: [] })
  for (const command of [['tail'], ['export', '--format', 'jsonl'], ['checkpoint']]) {
    const { code, stdout, stderr } = await runCli(['ledger', ...command, ...at])
    expect([code, stdout, stderr]).toEqual([0, '', expect.stringContaining('there is no ledger yet')])
  }
  expect(readdirSync(folder.path)).toEqual([])
})
