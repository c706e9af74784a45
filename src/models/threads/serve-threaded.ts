import { availableParallelism } from 'node:os'
import { awaitedScheduler } from '../../core/scheduler.ts'
import { textOfJson } from '../../core/written-json.ts'
import type { ModelDeclaration, ServedModel } from '../model.ts'
import { predictInSlices, slicedJson, slicedOutputs } from '../predict-in-slices.ts'
import { BatchQueue } from './batch-queue.ts'
import type { ModelLane } from './model-lane.ts'

export interface ServeThreadedOptions {
  /** For a model that names none, in milliseconds. */
  readonly deadlineMs: number
  /** For a model that names none; undefined where the machine decides. */
  readonly threads: number | undefined
  /** Most inputs that wait. */
  readonly waitingMax: number
  /** Longest answer to one call, in bytes of JSON. */
  readonly answerBytesMax: number
}

export interface ThreadedModel {
  readonly served: ServedModel
  readonly close: () => Promise<void>
}

/** More threads than this only where a model asks for them: each holds a whole model. */
const defaultThreadsMax = 4

/**
 * How many threads a model has: what it says, what the server says, or one core less than there
 * are, which is left to everything else.
 */
export function threadCountOf({ threads }: ModelDeclaration, defaultCount: number | undefined): number {
  return threads ?? defaultCount ?? Math.min(defaultThreadsMax, Math.max(1, availableParallelism() - 1))
}

/** A model behind its queue and its threads, all of which are ready. */
export function serveThreaded(
  declared: ModelDeclaration,
  lanes: readonly ModelLane[],
  options: ServeThreadedOptions,
): ThreadedModel {
  const { name, version, runs, input, batchMax, batchDelayMs, deadlineMs = options.deadlineMs } = declared
  // A bound below one batch would refuse a single caller on an idle machine.
  const waitingMax = Math.max(options.waitingMax, batchMax)
  const { answerBytesMax } = options
  const queue = new BatchQueue({
    name,
    lanes,
    batchMax,
    batchDelayMs,
    waitingMax,
    answerBytesMax,
    scheduler: awaitedScheduler,
    monotonic: () => performance.now(),
  })
  const bounds = { name, batchMax, deadlineMs, answerBytesMax }
  return {
    served: {
      ...{ name, version, input, runs, batchMax, deadlineMs },
      predict: predictInSlices(
        bounds,
        async (inputs, call) => parseOutputs(await queue.predict({ inputs, writes: 'outputs' }, call)),
        slicedOutputs,
      ),
      predictJson: predictInSlices(
        bounds,
        (inputs, call) => queue.predict({ inputs, writes: 'predictions' }, call),
        slicedJson,
      ),
      concurrency: lanes.length * batchMax,
      load: () => queue.load(),
      isOut: () => lanes.every((lane) => lane.isOut()),
    },
    async close() {
      queue.close()
      await Promise.all(lanes.map((lane) => lane.close()))
    },
  }
}

function parseOutputs(json: Uint8Array): readonly unknown[] {
  return JSON.parse(`[${textOfJson(json)}]`)
}
