// A model that needs 200 ms for each batch, whatever else the machine does: it sleeps.
import type { Model } from '../../src/models/model.ts'

/** A function of a thread, for peers. */
export function answer(texts: readonly string[]): readonly string[] {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 200)
  return texts.map(() => 'neutral')
}

export const model: Model = {
  name: 'steady',
  version: 'steady-1',
  runs: 'threaded',
  threads: 1,
  batchMax: Number(process.env['BENCH_BATCH_MAX'] ?? 1),
  predict: answer,
}
