import { inspect } from 'node:util'
import { describe, expect, test, vi } from 'vitest'
import { Fault } from '../core/fault.ts'
import type { Model, ModelCall } from './model.ts'
import { callModel } from './serve-model.ts'

const answerBytesMax = 100
const isOutput = (output: unknown): output is string => typeof output === 'string'

function modelOf(predict: (inputs: readonly string[], call: ModelCall) => unknown): Model<string, unknown> {
  return { name: 'm', version: 'm-1', runs: 'inline', predict: predict as Model['predict'] }
}

async function faultOf(call: () => unknown): Promise<string> {
  try {
    await call()
    return 'none'
  } catch (error) {
    return error instanceof Fault ? error.code : String(error)
  }
}

describe('callModel', () => {
  test('gives the outputs of a model that answers at once, and of one that takes its time', async () => {
    const options = { deadlineMs: 1_000, isOutput, answerBytesMax }
    expect(
      await callModel(
        modelOf((inputs) => inputs),
        ['a', 'b'],
        options,
      ),
    ).toEqual(['a', 'b'])
    expect(
      await callModel(
        modelOf(async (inputs) => inputs),
        ['a'],
        options,
      ),
    ).toEqual(['a'])
  })

  test('an output that fails while it is looked at is the model’s failure', async () => {
    const failing = modelOf(() => [
      {
        get label() {
          throw new Error('no label')
        },
      },
    ])
    const looking = (output: unknown): output is string => (output as { label: string }).label === 'a'
    const options = { deadlineMs: 1_000, isOutput: looking, answerBytesMax }
    expect(await faultOf(() => callModel(failing, ['a'], options))).toBe('model_failed')
  })

  test('a model that answers at once starts no timer', async () => {
    const timer = vi.spyOn(globalThis, 'setTimeout')
    await callModel(
      modelOf((inputs) => inputs),
      ['a'],
      { deadlineMs: 1_000, isOutput, answerBytesMax },
    )
    expect(timer).not.toHaveBeenCalled()
    timer.mockRestore()
  })

  test('past the deadline it faults with model_timeout, and the signal tells the model', async () => {
    let signal: AbortSignal | undefined
    const model = modelOf((_inputs, call) => {
      signal = call.signal
      return new Promise(() => {})
    })
    expect(await faultOf(() => callModel(model, ['a'], { deadlineMs: 5, isOutput, answerBytesMax }))).toBe(
      'model_timeout',
    )
    expect(signal?.aborted).toBe(true)
  })

  test('a model that rejects because it was aborted has still timed out', async () => {
    const model = modelOf(
      (_inputs, { signal }) =>
        new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(signal.reason))),
    )
    expect(await faultOf(() => callModel(model, ['a'], { deadlineMs: 5, isOutput, answerBytesMax }))).toBe(
      'model_timeout',
    )
  })

  test('the signal aborts when the client goes away, and only a model that looks at it is told', async () => {
    const listeners: (() => void)[] = []
    const options = {
      deadlineMs: 1_000,
      isOutput,
      answerBytesMax,
      onClientGone: (listener: () => void) => void listeners.push(listener),
    }
    await callModel(
      modelOf((inputs) => inputs),
      ['a'],
      options,
    )
    expect(listeners).toHaveLength(0)
    let aborted = false
    const model = modelOf((inputs, { signal }) => {
      listeners[0]?.()
      aborted = signal.aborted
      return inputs
    })
    await callModel(model, ['a'], options)
    expect(aborted).toBe(true)
  })

  test.each([
    [
      'throws',
      () => {
        throw new Error('boom')
      },
    ],
    ['rejects', () => Promise.reject(new Error('boom'))],
    ['answers too few', () => []],
    ['answers too many', () => ['a', 'b']],
    ['answers in another shape', () => [1]],
    ['answers no list', () => 'a'],
    ['answers nothing', () => undefined],
  ])('a model that %s is model_failed', async (_what, predict) => {
    expect(
      await faultOf(() =>
        callModel(modelOf(predict), ['a'], { deadlineMs: 1_000, isOutput, answerBytesMax }),
      ),
    ).toBe('model_failed')
  })

  test('what the model threw is the cause, for the log, without a message that may hold the input', async () => {
    const model = modelOf(([input = '']) => JSON.parse(input))
    const call = async () =>
      callModel(model, ['my diagnosis'], { deadlineMs: 1_000, isOutput, answerBytesMax })
    const thrown = await call().catch((error: unknown) => error)
    expect(thrown).toMatchObject({ cause: { message: expect.stringMatching(/^SyntaxError; /) } })
    expect(inspect(thrown)).not.toContain('diagnosis')
  })
})
