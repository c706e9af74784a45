import type { Worker } from 'node:cluster'
import { randomUUID } from 'node:crypto'
import { Fault } from '../core/fault.ts'
import { joinNumbers } from '../prometheus/join-numbers.ts'
import type { MetricNumbers } from '../prometheus/metric.ts'
import { tellWorker } from './tell-worker.ts'

/** The numbers of a process. */
type Numbers = readonly MetricNumbers[]

/** What processes say to each other about metrics. */
interface MetricsMessage {
  readonly metrics: 'gather' | 'ask' | 'tell' | 'gathered'
  readonly id: string
  /** Of the process that says it; of all together where they are gathered. */
  readonly numbers?: Numbers
}

/** Longest wait for a worker's numbers, in milliseconds: what it told last stands for it then. */
const tellMsMax = 2_000

/** The metrics of a worker, as one of several. */
export interface WorkerMetrics {
  /** These and the numbers of all others, those that have ended among them, as one process's. */
  readonly gather: (own: Numbers) => Promise<Numbers>
  /** Tells this worker's own from now on, and may be asked to gather. */
  readonly begin: (numbers: () => Promise<Numbers>) => void
}

/** For a worker. Before it has begun, its page would be of a part of all: it is refused. */
export function createWorkerMetrics(): WorkerMetrics {
  const waiting = new Map<string, (numbers: Numbers) => void>()
  let hasBegun = false
  return {
    async gather(own) {
      if (!hasBegun) throw new Fault('overloaded', 'not all workers listen yet')
      const id = randomUUID()
      const gathered = Promise.withResolvers<Numbers>()
      waiting.set(id, gathered.resolve)
      const timer = setTimeout(
        () => gathered.reject(new Fault('overloaded', 'the first process tells no metrics')),
        2 * tellMsMax,
      )
      try {
        send({ metrics: 'gather', id, numbers: own })
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
        const { metrics, id, numbers: all = [] } = message
        if (metrics === 'gathered') waiting.get(id)?.(all)
        if (metrics === 'ask')
          numbers().then(
            (own) => send({ metrics: 'tell', id, numbers: own }),
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

  async function gatherFor(worker: Worker, id: string, own: Numbers): Promise<void> {
    const others = [...last.keys()].filter((other) => other !== worker)
    await Promise.all(others.map(readNumbers))
    // What one that ended meanwhile told last is among those of all that have. Joined here: what
    // this takes holds up no request.
    const numbers = joinNumbers([own, ...others.map((other) => last.get(other) ?? []), ended])
    tellWorker(worker, { metrics: 'gathered', id, numbers } satisfies MetricsMessage)
  }

  return {
    follow(worker) {
      last.set(worker, [])
      worker.on('message', (message: unknown) => {
        if (!isMetrics(message)) return
        const { metrics, id, numbers } = message
        if (metrics === 'tell') asked.get(id)?.(numbers)
        if (metrics !== 'gather') return
        const own = numbers ?? []
        last.set(worker, own)
        void gatherFor(worker, id, own)
      })
      worker.once('exit', () => {
        ended = joinNumbers([ended, (last.get(worker) ?? []).filter(staysCounted)])
        last.delete(worker)
      })
    },
  }
}

function staysCounted({ type, aggregator }: MetricNumbers): boolean {
  return type !== 'gauge' && aggregator === 'sum'
}

function isMetrics(message: unknown): message is MetricsMessage {
  return typeof message === 'object' && message !== null && 'metrics' in message
}
