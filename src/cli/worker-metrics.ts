import type { Worker } from 'node:cluster'
import { randomUUID } from 'node:crypto'
import { Fault } from '../core/fault.ts'
import type { MetricNumbers } from '../prometheus/metric.ts'
import type { MetricValue } from '../prometheus/metric-value.ts'
import { tellWorker } from './tell-worker.ts'

/** The numbers of a process. */
type Numbers = readonly MetricNumbers[]

/** What processes say to each other about metrics. */
interface MetricsMessage {
  readonly metrics: 'gather' | 'ask' | 'tell' | 'gathered'
  readonly id: string
  readonly each?: readonly Numbers[]
}

/** Longest wait for a worker's numbers, in milliseconds: what it told last stands for it then. */
const tellMsMax = 2_000

/** The metrics of a worker, as one of several. */
export interface WorkerMetrics {
  /** The numbers of all others, those that have ended among them. */
  readonly gather: (own: Numbers) => Promise<readonly Numbers[]>
  /** Tells this worker's own from now on, and may be asked to gather. */
  readonly begin: (numbers: () => Promise<Numbers>) => void
}

/** For a worker. Before it has begun, its page would be of a part of all: it is refused. */
export function createWorkerMetrics(): WorkerMetrics {
  const waiting = new Map<string, (each: readonly Numbers[]) => void>()
  let hasBegun = false
  return {
    async gather(own) {
      if (!hasBegun) throw new Fault('overloaded', 'not all workers listen yet')
      const id = randomUUID()
      const gathered = Promise.withResolvers<readonly Numbers[]>()
      waiting.set(id, gathered.resolve)
      const timer = setTimeout(
        () => gathered.reject(new Fault('overloaded', 'the first process tells no metrics')),
        2 * tellMsMax,
      )
      try {
        send({ metrics: 'gather', id, each: [own] })
        return await gathered.promise
      } finally {
        clearTimeout(timer)
        waiting.delete(id)
      }
    },
    begin(numbers) {
      hasBegun = true
      process.on('message', (message) => {
        if (!isMetrics(message)) return
        const { metrics, id, each = [] } = message
        if (metrics === 'gathered') waiting.get(id)?.(each)
        if (metrics === 'ask')
          numbers().then(
            (own) => send({ metrics: 'tell', id, each: [own] }),
            () => send({ metrics: 'tell', id }),
          )
      })
    },
  }
}

function send(message: MetricsMessage): void {
  // Its callback hears of a first process that is just gone; unheard, that would end this one.
  if (process.connected) process.send?.(message, undefined, undefined, () => {})
}

/** What the first process does for the metrics of its workers. */
export interface FirstProcessMetrics {
  /** Answers this worker from now on, and asks it for its numbers. */
  readonly follow: (worker: Worker) => void
}

/**
 * For the first process, which has no metrics itself. What a worker that has ended told last stays
 * counted: the sum of counters would fall otherwise, and that reads as a restart of all.
 */
export function createFirstProcessMetrics(): FirstProcessMetrics {
  const last = new Map<Worker, Numbers>()
  let ended: Numbers = []
  const asked = new Map<string, (told: Numbers | undefined) => void>()

  /** Keeps what a worker tells; what it told before, where it does not answer. */
  async function readNumbers(worker: Worker): Promise<void> {
    const id = randomUUID()
    const told = Promise.withResolvers<Numbers | undefined>()
    asked.set(id, told.resolve)
    const timer = setTimeout(told.resolve, tellMsMax, undefined)
    if (worker.isConnected()) tellWorker(worker, { metrics: 'ask', id } satisfies MetricsMessage)
    else told.resolve(undefined)
    const numbers = await told.promise
    clearTimeout(timer)
    asked.delete(id)
    if (numbers !== undefined && last.has(worker)) last.set(worker, numbers)
  }

  async function gatherFor(worker: Worker, id: string): Promise<void> {
    const others = [...last.keys()].filter((other) => other !== worker)
    await Promise.all(others.map(readNumbers))
    // What one that ended meanwhile told last is among those of all that have.
    const each = [...others.map((other) => last.get(other) ?? []), ended]
    tellWorker(worker, { metrics: 'gathered', id, each } satisfies MetricsMessage)
  }

  return {
    follow(worker) {
      last.set(worker, [])
      worker.on('message', (message: unknown) => {
        if (!isMetrics(message)) return
        const { metrics, id, each } = message
        if (metrics === 'tell') asked.get(id)?.(each?.[0])
        if (metrics !== 'gather') return
        last.set(worker, each?.[0] ?? [])
        void gatherFor(worker, id)
      })
      worker.once('exit', () => {
        ended = addUp([...ended, ...(last.get(worker) ?? []).filter(staysCounted)])
        last.delete(worker)
      })
    },
  }
}

/** One of each metric, with one of each of its series. */
function addUp(numbers: Numbers): Numbers {
  const sums = new Map<string, { readonly of: MetricNumbers; readonly series: Map<string, MetricValue> }>()
  for (const of of numbers) {
    const sum = sums.get(of.name) ?? { of, series: new Map() }
    sums.set(of.name, sum)
    for (const one of of.values) {
      const key = JSON.stringify([one.metricName, one.labels])
      const before = sum.series.get(key)
      sum.series.set(key, { ...one, value: one.value + (before?.value ?? 0) })
    }
  }
  return [...sums.values()].map(({ of, series }) => ({ ...of, values: [...series.values()] }))
}

function staysCounted({ type, aggregator }: MetricNumbers): boolean {
  return type !== 'gauge' && aggregator === 'sum'
}

function isMetrics(message: unknown): message is MetricsMessage {
  return typeof message === 'object' && message !== null && 'metrics' in message
}
