import fc from 'fast-check'
import { expect, test } from 'vitest'
import { type LedgerRecord, ledgerEntry } from '../format/record.ts'
import { formatLedgerCsvRow, ledgerCsvHeader } from './csv.ts'
import { type LedgerRecordView, viewLedgerRecord } from './record-view.ts'

function recordOf(known: Partial<LedgerRecord> = {}): LedgerRecord {
  return {
    ...ledgerEntry({ at: Date.UTC(2026, 10, 24), event: 'request.admitted' }),
    position: '7',
    stream: 'a'.repeat(32),
    seq: 3,
    hash: 'b'.repeat(64),
    ...known,
  }
}

/** A field as a CSV reader sees it: what stands there, and whether it was quoted. */
interface Field {
  readonly text: string
  readonly isQuoted: boolean
}

/** Reads CSV as RFC 4180 writes it, by its grammar; throws where the text does not follow it. */
function parseCsv(csv: string): readonly (readonly Field[])[] {
  const rows: Field[][] = []
  let row: Field[] = []
  for (let rest = csv; rest !== ''; ) {
    const [whole, quoted, bare = '', end] =
      /^(?:"((?:[^"]|"")*)"|([^",\r\n]*))(,|\r\n)/.exec(rest) ?? ([] as string[])
    if (whole === undefined) throw new Error(`not RFC 4180: ${JSON.stringify(rest.slice(0, 40))}`)
    row.push({ text: quoted?.replaceAll('""', '"') ?? bare, isQuoted: quoted !== undefined })
    if (end === '\r\n') {
      rows.push(row)
      row = []
    }
    rest = rest.slice(whole.length)
  }
  return rows
}

/** What a reader that follows the documentation makes of the fields. */
function readView(names: readonly string[], fields: readonly Field[]): unknown {
  return Object.fromEntries(
    names.map((name, index) => {
      const { text = '', isQuoted = false } = fields[index] ?? {}
      if (text === '' && !isQuoted) return [name, null]
      if (['measures', 'detail'].includes(name)) return [name, JSON.parse(text)]
      return [name, ['status', 'latency_ms', 'seq'].includes(name) ? Number(text) : text.replace(/^'/, '')]
    }),
  )
}

const hostile = fc.oneof(fc.string({ unit: 'grapheme' }), fc.stringMatching(/^[=+\-@\t\r\n'",a]{0,6}$/))
const optional = fc.option(hostile)
const count = fc.option(fc.nat())

const views: fc.Arbitrary<LedgerRecordView> = fc
  .record({
    at: fc.nat(4_000_000_000_000),
    requestId: optional,
    clientRequestId: optional,
    code: optional,
    owner: optional,
    route: optional,
    status: count,
    latencyUs: count,
    measures: fc.dictionary(hostile, fc.nat(), { noNullPrototype: true }),
    address: optional,
    detail: fc.option(fc.dictionary(hostile, fc.oneof(hostile, fc.boolean()), { noNullPrototype: true })),
  })
  .map((known) => viewLedgerRecord(recordOf(known)))

test('a reader of CSV gets back what is in the records, field by field', () => {
  fc.assert(
    fc.property(fc.array(views, { minLength: 1, maxLength: 4 }), (written) => {
      const [names = [], ...rows] = parseCsv(ledgerCsvHeader + written.map(formatLedgerCsvRow).join(''))
      const columns = names.map(({ text }) => text)
      expect(rows.map((fields) => readView(columns, fields))).toEqual(
        written.map((view) => JSON.parse(JSON.stringify(view))),
      )
    }),
  )
})

test('no field begins as a formula does, whatever a client sends', () => {
  fc.assert(
    fc.property(views, (view) => {
      for (const { text } of parseCsv(formatLedgerCsvRow(view)).flat())
        expect(text).not.toMatch(/^[=+\-@\t\r\n]/)
    }),
  )
  const row = formatLedgerCsvRow(viewLedgerRecord(recordOf({ clientRequestId: '=HYPERLINK("http://x")' })))
  expect(row).toContain(`"'=HYPERLINK(""http://x"")"`)
})

test('a record shows every field by name, times in ISO 8601 and the latency in milliseconds', () => {
  const view = viewLedgerRecord(
    recordOf({ latencyUs: 1_234, keyId: '7Qm2xT0bKc9Z', measures: { requests: 1 } }),
  )
  expect(view).toEqual({
    position: '7',
    time: '2026-11-24T00:00:00.000Z',
    event: 'request.admitted',
    request_id: null,
    client_request_id: null,
    code: null,
    key_id: '7Qm2xT0bKc9Z',
    owner: null,
    method: null,
    route: null,
    status: null,
    latency_ms: 1.234,
    measures: { requests: 1 },
    address: null,
    detail: null,
    stream: 'a'.repeat(32),
    seq: 3,
    hash: 'b'.repeat(64),
  })
  expect(ledgerCsvHeader).toBe(`${Object.keys(view).join(',')}\r\n`)
})

test('a time beyond the calendar, in a record that was tampered with, is shown as its last day', () => {
  expect(viewLedgerRecord(recordOf({ at: Number.MAX_SAFE_INTEGER })).time).toBe('+275760-09-13T00:00:00.000Z')
})
