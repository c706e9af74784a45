import { SetupError } from '../core/setup-error.ts'
import { checkPath } from './check-path.ts'
import { importModel } from './import-model.ts'
import type { Model, ServedModel } from './model.ts'
import { type ServeInlineOptions, serveInline } from './serve-model.ts'
import { type ServeThreadedOptions, serveThreaded, threadCountOf } from './threads/serve-threaded.ts'
import { ThreadLane, type ThreadLaneOptions } from './threads/thread-lane.ts'

export interface OpenedModel {
  readonly served: ServedModel
  readonly close: () => Promise<void>
}

/**
 * Warms an inline model.
 *
 * @param where what a message starts with
 * @throws SetupError `model_unreadable`
 */
export async function openInline(
  model: Model<never>,
  options: ServeInlineOptions & Pick<ThreadLaneOptions, 'loadMs'>,
  where: string,
): Promise<OpenedModel> {
  try {
    await within(options.loadMs, model.warmUp?.())
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause)
    throw new SetupError('model_unreadable', `${where}: warmUp failed: ${why}`, { cause })
  }
  return {
    served: serveInline(model, options),
    async close() {
      await model.close?.()
    },
  }
}

/**
 * Its timer keeps the process alive, too: a promise that is never settled would end it without a
 * word.
 */
async function within(ms: number, work: unknown): Promise<void> {
  const late = Promise.withResolvers<never>()
  const timer = setTimeout(() => late.reject(new Error(`it was not ready within ${ms} ms`)), ms)
  try {
    await Promise.race([work, late.promise])
  } finally {
    clearTimeout(timer)
  }
}

/**
 * Loads a module's model where it is to run. A thread reads the declaration first, so that a
 * threaded model is never imported by this thread.
 *
 * @throws SetupError `model_unreadable`
 */
export async function openModelFile(options: ThreadLaneOptions & ServeThreadedOptions): Promise<OpenedModel> {
  checkPath(options.file, 'file', options.file)
  const lanes = [new ThreadLane(options)]
  try {
    const declaration = await lanes[0]?.prepare()
    if (declaration?.runs === 'threaded') {
      const count = threadCountOf(declaration, options.threads)
      const more = Array.from({ length: count - 1 }, () => new ThreadLane(options))
      lanes.push(...more)
      await Promise.all(more.map((lane) => lane.prepare()))
      return serveThreaded(declaration, lanes, options)
    }
  } catch (error) {
    await closeAll(lanes)
    throw error
  }
  await closeAll(lanes)
  return openInline(await importModel(options.file), options, options.file)
}

async function closeAll(lanes: readonly ThreadLane[]): Promise<void> {
  await Promise.all(lanes.map((lane) => lane.close()))
}
