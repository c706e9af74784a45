import type { Worker } from 'node:cluster'
import { EventEmitter } from 'node:events'
import { expect, test } from 'vitest'
import type { MetricNumbers } from '../prometheus/metric.ts'
import { createFirstProcessMetrics } from './worker-metrics.ts'

interface Told {
  readonly metrics: string
  readonly id: string
  readonly numbers?: readonly MetricNumbers[]
}

/** A worker of which a test says when it answers, and when it ends. */
function openWorker() {
  const heard: Told[] = []
  const emitter = Object.assign(new EventEmitter(), {
    isConnected: () => true,
    send: (message: Told) => heard.push(message),
  })
  const say = (metrics: string, id: string, count: number): void =>
    void emitter.emit('message', { metrics, id, numbers: numbers(count) })
  return {
    // What the reader uses of a worker: its messages, `send`, and whether it is connected.
    worker: emitter as unknown as Worker,
    heard,
    say,
    /** Answers the last question. */
    tell: (count: number): void => say('tell', heard.at(-1)?.id ?? '', count),
    end: (): void => void emitter.emit('exit', null, 'SIGKILL'),
  }
}

function numbers(count: number): readonly MetricNumbers[] {
  const values = [{ value: count, labels: {} }]
  return [{ name: 'requests_total', help: 'h', type: 'counter', aggregator: 'sum', values }]
}

const sumOf = ({ numbers = [] }: Told): number =>
  numbers.reduce((sum, { values }) => sum + (values[0]?.value ?? 0), 0)

test('a worker that ends while others are asked is counted once', async () => {
  const metrics = createFirstProcessMetrics()
  const [asking, ending, late] = [openWorker(), openWorker(), openWorker()]
  for (const { worker } of [asking, ending, late]) metrics.follow(worker)
  asking.say('gather', 'first', 1)
  ending.tell(10)
  // What it told has arrived before it ends.
  await Promise.resolve()
  ending.end()
  late.tell(100)
  await expect.poll(() => asking.heard.length).toBe(1)
  expect(asking.heard.map(sumOf)).toEqual([111])

  asking.say('gather', 'second', 1)
  late.tell(100)
  await expect.poll(() => asking.heard.length).toBe(2)
  expect(asking.heard.map(sumOf)).toEqual([111, 111])
})
