import type { LedgerRecordView } from '../../ledger/query/record-view.ts'
import { printable } from '../terminal/display-width.ts'
import type { Column } from '../terminal/table.ts'

interface LedgerColumn extends Column<LedgerRecordView> {
  /**
   * Whether it is left out on a narrow terminal, where each record would be a block of lines for
   * it.
   * @default false
   */
  readonly isForWide?: true
}

const nothing = '-'
/** Columns of the terminal from which all of a record is shown. */
const wideFrom = 140

const columns: readonly LedgerColumn[] = [
  { title: 'TIME', cell: ({ time }) => time.replace(/\.\d+/, '') },
  { title: 'EVENT', cell: ({ event }) => event, mayCut: true },
  { title: 'CODE', cell: ({ code }) => code ?? nothing, mayCut: true },
  { title: 'KEY', cell: (view) => view.key_id ?? nothing },
  { title: 'OWNER', cell: ({ owner }) => owner ?? nothing, mayCut: true },
  { title: 'ROUTE', cell: routeOf, mayCut: true },
  { title: 'STATUS', cell: ({ status }) => String(status ?? nothing) },
  { title: 'MS', cell: latencyOf },
  { title: 'ADDRESS', cell: ({ address }) => address ?? nothing, mayCut: true, isForWide: true },
  { title: 'REQUEST', cell: (view) => view.request_id ?? nothing, isForWide: true },
  { title: 'DETAIL', cell: detailOf, mayCut: true },
]

/**
 * What of these records a table shows: no column that is empty in all of them.
 * @param width columns of the terminal
 */
export function ledgerColumnsFor(
  views: readonly LedgerRecordView[],
  width: number,
): readonly Column<LedgerRecordView>[] {
  return columns.filter(
    ({ cell, isForWide }) =>
      (isForWide !== true || width >= wideFrom) && views.some((view) => cell(view) !== nothing),
  )
}

/**
 * A record on one line, for people who watch it come: every column, in its place, and the time to
 * the millisecond.
 */
export function formatLedgerLine(view: LedgerRecordView): string {
  const cells = columns.slice(1).map(({ cell }) => printable(cell(view)))
  return [view.time, ...cells].join('  ')
}

function routeOf({ method, route }: LedgerRecordView): string {
  return [method, route].filter((part) => part !== null).join(' ') || nothing
}

function latencyOf(view: LedgerRecordView): string {
  return view.latency_ms === null ? nothing : String(Math.round(view.latency_ms * 10) / 10)
}

/**
 * What else there is to say; of a signed statement how far it goes, and of a summary how many it
 * counts.
 */
function detailOf({ event, detail, measures }: LedgerRecordView): string {
  const { refused, requests = 0 } = measures
  if (event === 'requests.summarized') return `${refused ?? requests} requests`
  if (detail === null) return nothing
  const { seq } = detail
  return event === 'ledger.checkpoint' ? `up to ${seq}` : JSON.stringify(detail)
}
