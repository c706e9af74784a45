import type { LedgerRecordView } from './record-view.ts'

/** The columns, in this order for good: a new one comes last. */
const columns = [
  'position',
  'time',
  'event',
  'request_id',
  'client_request_id',
  'code',
  'key_id',
  'owner',
  'method',
  'route',
  'status',
  'latency_ms',
  'measures',
  'address',
  'detail',
  'stream',
  'seq',
  'hash',
] as const satisfies readonly (keyof LedgerRecordView)[]

/** The header line, with its CRLF. */
export const ledgerCsvHeader: string = `${columns.join(',')}\r\n`

/**
 * A record as one row of CSV (RFC 4180), with its CRLF. `measures` and `detail` are JSON; null is
 * an empty field, an empty text `""`.
 *
 * Spreadsheets run a text that begins like a formula, and clients choose some of these texts. One
 * that begins with `=`, `+`, `-`, `@`, a tab, a CR, an LF or an apostrophe gets an apostrophe in
 * front (OWASP, CSV Injection); a reader removes one leading apostrophe.
 */
export function formatLedgerCsvRow(view: LedgerRecordView): string {
  return formatCsvRow(columns.map((column) => view[column]))
}

/** Values as one row, by the same rules. */
export function formatCsvRow(values: readonly (string | number | object | null)[]): string {
  return `${values.map(formatField).join(',')}\r\n`
}

function formatField(value: string | number | object | null): string {
  if (value === null) return ''
  if (typeof value === 'number') return String(value)
  const text = typeof value === 'string' ? value : JSON.stringify(value)
  const safe = /^[=+\-@\t\r\n']/.test(text) ? `'${text}` : text
  return safe === '' || /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe
}
