import type { Model, ModelCall } from '../../src/models/model.ts'

/** A call of the model that waits to be answered. */
export interface HeldCall {
  readonly texts: readonly string[]
  readonly signal: AbortSignal
  /** Answers each text with how long it is. */
  readonly answer: () => void
  readonly fail: (error: unknown) => void
}

export interface HeldModel {
  /** Named `held`; answers when released. */
  readonly model: Model<string>
  /** Calls so far. */
  readonly calls: HeldCall[]
  /** The n-th call, from 0 on, as soon as it is made. */
  readonly call: (index: number) => Promise<HeldCall>
}

export function createHeldModel(): HeldModel {
  const calls: HeldCall[] = []
  const waiting = new Set<() => void>()
  const predict = (texts: readonly string[], { signal }: ModelCall): Promise<readonly number[]> =>
    new Promise((resolve, reject) => {
      calls.push({ texts, signal, answer: () => resolve(texts.map(({ length }) => length)), fail: reject })
      for (const wake of waiting) wake()
    })
  return {
    model: { name: 'held', version: 'held-1', runs: 'inline', predict },
    calls,
    async call(index) {
      for (;;) {
        const call = calls[index]
        if (call !== undefined) return call
        await new Promise<void>((resolve) => waiting.add(resolve))
      }
    },
  }
}
