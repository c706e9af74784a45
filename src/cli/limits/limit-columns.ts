import type { LimitView } from '../../limits/limit-view.ts'
import type { Column } from '../terminal/table.ts'

/** A line for each limit of a key. */
export const limitColumns: readonly Column<LimitView>[] = [
  { title: 'LIMIT', cell: ({ limit }) => limit },
  { title: 'OF', cell: ({ of }) => of },
  { title: 'USED', cell: ({ used }) => String(used) },
  { title: 'LEFT', cell: ({ remaining }) => String(remaining) },
  { title: 'PASSES', cell: (view) => whenPasses(view.passes_in) },
]

/** When a request passes a limit, from `passes_in`. */
export function whenPasses(seconds: number | null): string {
  if (seconds === null) return 'when a request ends'
  return seconds === 0 ? 'now' : `in ${seconds} s`
}
