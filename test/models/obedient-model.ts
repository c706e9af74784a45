// A model of a thread that does what its inputs say, so that a test can have every fault.
import { parentPort, threadId } from 'node:worker_threads'
import { Refusal } from '../../src/core/refusal.ts'
import type { Model, ModelCall } from '../../src/models/model.ts'

/** What one input asks for. */
export interface Order {
  readonly do:
    | 'echo'
    | 'size'
    | 'place'
    | 'environment'
    | 'throw'
    | 'refuse'
    | 'exit'
    | 'stray messages'
    | 'crash'
    | 'crash later'
    | 'loop'
    | 'leak'
    | 'heed'
    | 'poll'
    | 'ignore'
    | 'date'
    | 'numbers'
    | 'getter'
    | 'none'
  readonly say?: unknown
}

const leaked: unknown[] = []
let isWarm = false

export const model: Model<Order> = {
  name: 'obedient',
  version: 'obedient-1',
  runs: 'threaded',
  input: 'json',
  threads: 1,
  batchMax: 4,
  batchDelayMs: 0,
  warmUp() {
    isWarm = true
  },
  async predict(orders, call) {
    if (!isWarm) throw new Error('asked before it was warm')
    if (orders.some((order) => order.do === 'none')) return []
    const outputs: unknown[] = []
    for (const order of orders) outputs.push(await obey(order, orders.length, call))
    return outputs
  },
}

async function obey(order: Order, size: number, call: ModelCall): Promise<unknown> {
  switch (order.do) {
    case 'echo':
      return order.say
    case 'size':
      return size
    case 'place':
      return `${process.pid} ${threadId}`
    case 'environment':
      return Object.keys(process.env)
    case 'throw':
      throw new Error('as ordered')
    case 'refuse':
      throw new Refusal('input_invalid', 'not this one', {
        errors: [{ loc: ['body', 'say'], msg: 'no', type: 'value_error' }],
      })
    case 'stray messages':
      for (const message of ['ready', 1, null, { failed: null }, { id: 1 }, { id: 1, answer: null }])
        if (process.send === undefined) parentPort?.postMessage(message)
        else process.send(message)
      return 'answered'
    case 'exit':
      return process.exit(0)
    case 'crash':
      setImmediate(() => {
        throw new Error('out of any call')
      })
      return new Promise(() => {})
    case 'crash later':
      setImmediate(() => {
        throw new Error('out of any call')
      })
      return 'answered'
    case 'loop':
      for (;;);
    case 'leak':
      for (;;) leaked.push(new Array(100_000).fill(leaked.length))
    case 'heed': {
      // Read once: one that is aborted as it is read again says so before a listener is there.
      const { signal } = call
      signal.throwIfAborted()
      await new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(signal.reason)))
      return undefined
    }
    case 'poll':
      while (!call.signal.aborted);
      return 'was told'
    case 'ignore':
      // Longer than the grace of an aborted batch.
      return new Promise((resolve) => setTimeout(resolve, 400, 'done'))
    case 'date':
      return new Date(0)
    case 'numbers':
      return new Array(Number(order.say)).fill(0.5)
    case 'getter':
      return {
        get label() {
          throw new Error('as ordered')
        },
      }
    default:
      return undefined
  }
}
