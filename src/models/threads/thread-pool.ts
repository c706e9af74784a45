import { createRequire } from 'node:module'

/** What is used of a Piscina of one thread. */
export interface ThreadPool<Task, Answer> {
  /**
   * Rejects when the thread dies; the signal kills a thread that has begun, and takes back a task
   * that has not.
   */
  readonly run: (task: Task, options: { readonly signal: AbortSignal }) => Promise<Answer>
  /** Kills the thread. */
  readonly destroy: () => Promise<void>
  /** Called with an error of the thread while it has no task. */
  readonly on: (event: 'error', listener: (error: Error) => void) => unknown
}

export interface ThreadPoolOptions {
  /** Absolute path of the thread's program. */
  readonly filename: string
  /** The function of that program which answers tasks. */
  readonly name: string
  readonly workerData: unknown
  readonly heapMib: number | undefined
}

interface PiscinaModule {
  readonly Piscina: new <Task, Answer>(options: Readonly<Record<string, unknown>>) => ThreadPool<Task, Answer>
}

/**
 * A pool of one thread, which Piscina starts, kills and replaces. Loaded on first use, so that a
 * server with inline models alone does not pay for it, and by its shape: its own declarations do
 * not compile under `exactOptionalPropertyTypes`.
 */
export function createThreadPool<Task, Answer>(options: ThreadPoolOptions): ThreadPool<Task, Answer> {
  const require = createRequire(import.meta.url)
  const { Piscina } = require('piscina') as PiscinaModule
  const { heapMib, ...poolOptions } = options
  return new Piscina<Task, Answer>({
    ...poolOptions,
    minThreads: 1,
    maxThreads: 1,
    idleTimeout: Number.POSITIVE_INFINITY,
    // Else the thread sleeps between tasks, and what a model does in between, such as reading a new
    // file, stands still.
    atomics: 'disabled',
    // Not the flags of this process: with `--input-type`, for one, no program of a thread can be a
    // file.
    execArgv: [],
    env: withoutOurs(process.env),
    ...(heapMib === undefined ? {} : { resourceLimits: { maxOldGenerationSizeMb: heapMib } }),
  })
}

/**
 * The environment without this program's own settings: a model's code has no use for the pepper.
 */
function withoutOurs(environment: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(environment).filter(([name]) => !name.startsWith('MODELWARD_')))
}
