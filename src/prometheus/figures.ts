import { createClosedNames } from '../core/closed-names.ts'
import type { Figure, FigureName, Measures, ReadFigure } from '../telemetry/measures.ts'
import { type MetricValue, noLabels } from './metric-value.ts'
import type { FigureRow, MetricRow } from './metrics-table.ts'

/** Figures that are read when it is asked for. */
export interface Figures {
  readonly figure: Measures['figure']
  /** Reads those of a metric. Resolves within a second: what takes longer is left out. */
  readonly values: (row: FigureRow) => Promise<readonly MetricValue[]>
}

/** Longest that a figure may take to be read, in milliseconds. */
const readMsMax = 1_000

/** Most values of a figure's label. */
const labelValuesMax = 100

export function createFigures(): Figures {
  const reading = new Map<FigureName, Set<ReadFigure>>()
  const open = new WeakMap<ReadFigure, Promise<Figure>>()

  /** One reading at a time: a store that does not answer is asked once, however often it is due. */
  function readOnce(read: ReadFigure): Promise<Figure> {
    const before = open.get(read)
    if (before !== undefined) return before
    const now = begin(read).finally(() => open.delete(read))
    open.set(read, now)
    return now
  }

  return {
    figure(name, read) {
      const reads = reading.get(name) ?? new Set()
      reading.set(name, reads.add(read))
      return () => void reads.delete(read)
    },
    async values({ figure: name, labels: [label], together = 'sum' }) {
      const reads = [...(reading.get(name) ?? [])]
      const figures = await Promise.all(reads.map((read) => within(readMsMax, readOnce(read))))
      const joined = join(figures, together)
      return [...joined].map(([value, number]) => ({
        value: number,
        labels: label === undefined ? noLabels : { [label]: value },
      }))
    },
  }
}

async function begin(read: ReadFigure): Promise<Figure> {
  try {
    return await read()
  } catch {
    // A store that is out says so by its own event, and by `modelward_up`.
    return undefined
  }
}

async function within(ms: number, figure: Promise<Figure>): Promise<Figure> {
  const late = Promise.withResolvers<undefined>()
  const timer = setTimeout(late.resolve, ms, undefined)
  try {
    return await Promise.race([figure, late.promise])
  } finally {
    clearTimeout(timer)
  }
}

const operations = {
  sum: (one: number, other: number) => one + other,
  max: Math.max,
  min: Math.min,
} as const

function join(
  figures: readonly Figure[],
  together: NonNullable<MetricRow['together']>,
): ReadonlyMap<string, number> {
  const joined = new Map<string, number>()
  const nameOf = createClosedNames(labelValuesMax)
  for (const figure of figures) {
    if (figure === undefined) continue
    const byLabel = typeof figure === 'number' ? { '': figure } : figure
    for (const [value, number] of Object.entries(byLabel)) {
      const name = nameOf(value)
      const before = joined.get(name)
      joined.set(name, before === undefined ? number : operations[together](before, number))
    }
  }
  return joined
}
