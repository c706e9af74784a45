import type { LedgerRecordView } from '../core/ledger-view.ts'
import { printable } from './display-width.ts'
import type { Column } from './table.ts'

/** Records in a table. */
export const ledgerColumns: readonly Column<LedgerRecordView>[] = [
  { title: 'TIME', cell: ({ time }) => time },
  { title: 'EVENT', cell: ({ event }) => event, mayCut: true },
  { title: 'CODE', cell: ({ code }) => code ?? '-', mayCut: true },
  { title: 'KEY', cell: (view) => view.key_id ?? '-' },
  { title: 'OWNER', cell: ({ owner }) => owner ?? '-', mayCut: true },
  { title: 'ROUTE', cell: routeOf, mayCut: true },
  { title: 'STATUS', cell: ({ status }) => String(status ?? '-') },
  { title: 'MS', cell: latencyOf },
  { title: 'ADDRESS', cell: ({ address }) => address ?? '-', mayCut: true },
  { title: 'REQUEST', cell: (view) => view.request_id ?? '-', mayCut: true },
  { title: 'DETAIL', cell: detailOf, mayCut: true },
]

/** A record on one line, for people who watch it come: the cells of the table, without its columns. */
export function formatLedgerLine(view: LedgerRecordView): string {
  return ledgerColumns
    .map(({ cell }) => printable(cell(view)))
    .join('  ')
    .trimEnd()
}

function routeOf({ method, route }: LedgerRecordView): string {
  return [method, route].filter((part) => part !== null).join(' ') || '-'
}

function latencyOf(view: LedgerRecordView): string {
  return view.latency_ms === null ? '-' : String(Math.round(view.latency_ms * 10) / 10)
}

/** What else there is to say: of a request that is what it used, beyond being one. */
function detailOf({ detail, measures }: LedgerRecordView): string {
  const used = Object.entries(measures).filter(([name, value]) => name !== 'requests' || value !== 1)
  const parts = [...used.map(([name, value]) => `${value} ${name}`)]
  if (detail !== null) parts.push(JSON.stringify(detail))
  return parts.join(' ')
}
