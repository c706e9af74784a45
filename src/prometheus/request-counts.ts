import { faults } from '../core/fault.ts'
import { refusals } from '../core/refusal.ts'
import type { MeasuredRequest } from '../telemetry/measures.ts'
import { type Labels, type MetricValue, otherLabel } from './metric-value.ts'
import { createNumbers } from './numbers.ts'
import type { SeriesBudget } from './series-budget.ts'

/** Answered requests by route, method, status and code. */
export interface RequestCounts {
  readonly add: (route: string, request: MeasuredRequest) => void
  readonly values: () => readonly MetricValue[]
}

/** The methods that have a name; every other one is `other`. */
const methods = [
  '',
  otherLabel,
  'GET',
  'HEAD',
  'POST',
  'PUT',
  'PATCH',
  'DELETE',
  'OPTIONS',
  'TRACE',
  'CONNECT',
]
const codes = ['', otherLabel, ...Object.keys(refusals), ...Object.keys(faults)]

const methodIndex: ReadonlyMap<string | null, number> = indexOf(methods)
const codeIndex: ReadonlyMap<string | null, number> = indexOf(codes)
/** Of `other`, behind which all names that are unknown stand. */
const otherIndex = 1

const statusesMax = 1_000

function indexOf(names: readonly string[]): ReadonlyMap<string | null, number> {
  return new Map<string | null, number>([...names.entries()].map(([index, name]) => [name, index])).set(
    null,
    0,
  )
}

/** Most series that `other` has, once there are no more for routes. */
const otherMax = 100

/** The cells of one route. */
interface RouteCells {
  readonly route: string
  readonly cells: Map<number, number>
  /** Requests of one route mostly end alike. */
  lastKey: number
  lastCell: number
}

export function createRequestCounts(budget: SeriesBudget): RequestCounts {
  const numbers = createNumbers()
  const labels: Labels[] = []
  const routes = new Map<string, RouteCells>()
  const other = cellsOf(otherLabel)
  let last: number | undefined

  function cellsOf(route: string): RouteCells {
    const cells = { route, cells: new Map<number, number>(), lastKey: -1, lastCell: -1 }
    routes.set(route, cells)
    return cells
  }

  function addCell(of: Labels): number {
    labels.push(of)
    return numbers.grow(1)
  }

  function cellOf(at: RouteCells, key: number): number {
    const known = at.cells.get(key)
    if (known !== undefined) return known
    const mayBeNew = at === other ? at.cells.size < otherMax : budget.take(1)
    if (!mayBeNew) {
      if (at !== other) return cellOf(other, key)
      last ??= addCell({ route: otherLabel, method: otherLabel, status: '', code: otherLabel })
      return last
    }
    const cell = addCell({ route: at.route, ...labelsOf(key) })
    at.cells.set(key, cell)
    return cell
  }

  return {
    add(route, { method, status, code }) {
      const at = routes.get(route) ?? cellsOf(route)
      const key = keyOf(method, status, code)
      if (at.lastKey !== key) {
        at.lastCell = cellOf(at, key)
        at.lastKey = key
      }
      numbers.add(at.lastCell, 1)
    },
    values: () => labels.map((own, at) => ({ value: numbers.get(at), labels: own })),
  }
}

function keyOf(method: string | null, status: number | null, code: string | null): number {
  const ofMethod = methodIndex.get(method) ?? otherIndex
  const ofCode = codeIndex.get(code) ?? otherIndex
  const isKnown = status !== null && status >= 100 && status < statusesMax
  return (ofMethod * codes.length + ofCode) * statusesMax + (isKnown ? Math.trunc(status) : 0)
}

function labelsOf(key: number): Labels {
  const status = key % statusesMax
  const rest = Math.floor(key / statusesMax)
  return {
    method: methods[Math.floor(rest / codes.length)] ?? otherLabel,
    status: status === 0 ? '' : `${status}`,
    code: codes[rest % codes.length] ?? otherLabel,
  }
}
