import { Worker } from 'node:worker_threads'
import { threadMissingOf } from '../../core/runtime/thread-missing.ts'
import { HostEnded, type HostOptions, type ModelHost } from './host.ts'
import { modelEnvironment } from './model-environment.ts'
import { nativeCode } from './native-code.ts'
import { PendingAnswers } from './pending-answers.ts'

/** What a model's thread is started with. */
export interface ThreadData {
  /** The number of the batch that was aborted last. */
  readonly aborted: Int32Array
  /** See `nativeCode`. */
  readonly native: Int32Array
  readonly isProbe: boolean
}

const threadName = "models: a model's thread"

/** What is shared with threads that work now. */
const busy = new Set<Int32Array>()

/**
 * Starts a thread.
 *
 * @throws SetupError `thread_missing`
 */
export function startThreadHost({ heapMib, isProbe }: HostOptions): ModelHost {
  const aborted = new Int32Array(new SharedArrayBuffer(4))
  const native = new Int32Array(new SharedArrayBuffer(8))
  const worker = startWorker({ aborted, native, isProbe }, heapMib)
  const ended = Promise.withResolvers<unknown>()
  let cause: unknown
  const pending = new PendingAnswers({
    send: (request) => worker.postMessage(request),
    onAwaited(isAwaited) {
      if (isAwaited) {
        worker.ref()
        busy.add(native)
        endSafely()
      } else {
        worker.unref()
        busy.delete(native)
      }
    },
  })
  const host: ModelHost = {
    ask: (task) => pending.ask(task),
    abort(batch) {
      Atomics.store(aborted, 0, batch)
      Atomics.notify(aborted, 0)
    },
    kill(why) {
      const before = Atomics.compareExchange(native, 0, nativeCode.none, nativeCode.ending)
      if (before === nativeCode.loaded && pending.isAwaited) return false
      cause ??= new HostEnded(why)
      void worker.terminate()
      return true
    },
    leave: () => worker.unref(),
    refusedNativeCode: () => Atomics.load(native, 1) === 1,
    ended: ended.promise,
  }
  worker.unref()
  worker.on('message', (message: unknown) => pending.settle(message))
  worker.on('error', (error) => {
    cause ??= programMissingOf(error) ?? error
  })
  worker.on('exit', (code) => {
    busy.delete(native)
    cause ??= new HostEnded(`its thread ended with exit code ${code}`)
    pending.end(cause)
    ended.resolve(cause)
  })
  return host
}

function startWorker(workerData: ThreadData, heapMib: number | undefined): Worker {
  try {
    // A literal URL and a literal object: bundlers look for exactly this.
    return new Worker(new URL('./model-thread.ts', import.meta.url), {
      workerData,
      name: threadName,
      // Not the flags of this process: with `--input-type`, for one, no program of a thread can be
      // a file.
      execArgv: [],
      env: modelEnvironment(),
      ...(heapMib === undefined ? {} : { resourceLimits: { maxOldGenerationSizeMb: heapMib } }),
    })
  } catch (thrown) {
    throw threadMissingOf(threadName, thrown) ?? thrown
  }
}

/** Undefined where a model's own module lacks something: what Node says then names other files. */
function programMissingOf(error: Error): Error | undefined {
  return /model-thread\.[jt]s/.test(String(error.stack)) ? threadMissingOf(threadName, error) : undefined
}

let isWatched = false

/**
 * A process that ends takes its threads with it, by force, and aborts where native code runs in
 * one. It kills itself before that: by then everything else is closed.
 */
function endSafely(): void {
  if (isWatched) return
  isWatched = true
  process.on('exit', () => {
    for (const native of busy)
      if (Atomics.load(native, 0) === nativeCode.loaded) process.kill(process.pid, 'SIGKILL')
  })
}
