import type { LedgerRecordView } from '../../ledger/query/record-view.ts'
import { displayWidth, printable } from '../terminal/display-width.ts'
import type { Column } from '../terminal/table.ts'

interface LedgerColumn extends Column<LedgerRecordView> {
  /**
   * Whether it is left out on a narrow terminal, where each record would be a block of lines for
   * it.
   * @default false
   */
  readonly isForWide?: true
  /** How wide it is at least where records are printed one by one. @default as the title */
  readonly lineWidth?: number
}

const nothing = '-'
/** Columns of the terminal from which all of a record is shown. */
const wideFrom = 140

const columns: readonly LedgerColumn[] = [
  { title: 'TIME', cell: ({ time }) => time.replace(/\.\d+/, ''), lineWidth: 24 },
  { title: 'EVENT', cell: ({ event }) => event, mayCut: true, lineWidth: 16 },
  { title: 'CODE', cell: ({ code }) => code ?? nothing, mayCut: true, lineWidth: 12 },
  { title: 'KEY', cell: (view) => view.key_id ?? nothing, lineWidth: 12 },
  { title: 'OWNER', cell: ({ owner }) => owner ?? nothing, mayCut: true, lineWidth: 12 },
  { title: 'ROUTE', cell: routeOf, mayCut: true, lineWidth: 16 },
  { title: 'STATUS', cell: ({ status }) => String(status ?? nothing) },
  { title: 'MS', cell: latencyOf, lineWidth: 6 },
  {
    title: 'ADDRESS',
    cell: ({ address }) => address ?? nothing,
    mayCut: true,
    isForWide: true,
    lineWidth: 15,
  },
  { title: 'REQUEST', cell: (view) => view.request_id ?? nothing, isForWide: true, lineWidth: 36 },
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
 * the millisecond. A longer cell moves those after it, since nothing is cut.
 */
export function formatLedgerLine(view: LedgerRecordView): string {
  const cells = columns.slice(1).map(({ cell }) => printable(cell(view)))
  return formatLine([view.time, ...cells])
}

/** The titles of the columns of such lines, as a line. */
export const ledgerLineTitles: string = `${formatLine(columns.map(({ title }) => title))}\n`

function formatLine(cells: readonly string[]): string {
  const padded = cells.map((cell, index) => {
    const { title, lineWidth = title.length } = columns[index] ?? { title: '' }
    return cell + ' '.repeat(Math.max(0, lineWidth - displayWidth(cell)))
  })
  return padded.join('  ').trimEnd()
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
  const isSigned = event === 'ledger.checkpoint' || event === 'ledger.closed'
  return isSigned ? `up to ${seq}` : JSON.stringify(detail)
}
