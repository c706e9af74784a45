import { fileURLToPath } from 'node:url'
import { afterEach, expect, test, vi } from 'vitest'
import { createModelProgram } from './model-program.ts'

afterEach(() => vi.restoreAllMocks())

test('a batch that is aborted as another one’s abort is looked at hears of it', async () => {
  const aborted = new Int32Array(new SharedArrayBuffer(4))
  const program = createModelProgram('threaded', aborted)
  const file = fileURLToPath(new URL('../../../test/models/obedient-model.ts', import.meta.url))
  await program.answer({ ask: 'prepare', file, answerBytesMax: 1_000 })
  const load: (array: Int32Array, index: number) => number = Atomics.load
  const wait = vi.spyOn(Atomics, 'waitAsync')
  const calls = [{ inputs: [{ do: 'heed' }], writes: 'outputs' }] as const
  const answer = program.answer({ ask: 'predict', batch: 2, calls })
  await expect.poll(() => wait.mock.calls.length).toBe(1)
  // The watch wakes for batch 1; batch 2 is aborted between that look and the next wait.
  let looks = 0
  const storeBeforeTheWait = (array: Int32Array, index: number): number => {
    looks += 1
    if (looks === 2) Atomics.store(aborted, 0, 2)
    return load(array, index)
  }
  vi.spyOn(Atomics, 'load').mockImplementation(storeBeforeTheWait as never)
  Atomics.store(aborted, 0, 1)
  Atomics.notify(aborted, 0)
  expect(await answer).toMatchObject({ outcome: 'failed' })
})
