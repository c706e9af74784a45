import { SetupError } from '../core/setup-error.ts'
import { checkPath } from './check-path.ts'
import { importModel } from './import-model.ts'
import type { Model, ModelDeclaration, ServedModel } from './model.ts'
import { notReadyIn } from './not-ready.ts'
import { type ServeInlineOptions, serveInline } from './serve-model.ts'
import { ModelLane, type ModelLaneOptions } from './threads/model-lane.ts'
import { type ServeThreadedOptions, serveThreaded, threadCountOf } from './threads/serve-threaded.ts'

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
  options: ServeInlineOptions & Pick<ModelLaneOptions, 'loadMs'>,
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
async function within<T>(ms: number, work: T): Promise<Awaited<T>> {
  const late = Promise.withResolvers<never>()
  const timer = setTimeout(() => late.reject(new Error(notReadyIn(ms))), ms)
  try {
    return await Promise.race([work, late.promise])
  } finally {
    clearTimeout(timer)
  }
}

/**
 * Loads a module's model where it is to run, and never in this thread if that is elsewhere.
 *
 * @throws SetupError `model_unreadable`, `thread_missing`
 */
export async function openModelFile(options: ModelLaneOptions & ServeThreadedOptions): Promise<OpenedModel> {
  checkPath(options.file, 'file', options.file)
  const { lane, declaration } = await look(options)
  const { runs } = declaration
  if (runs === 'inline') {
    await lane.close()
    return openInline(await importInTime(options), options, options.file)
  }
  const isThere = lane.kind === runs
  if (!isThere) await lane.close()
  const count = threadCountOf(declaration, options.threads)
  const more = Array.from({ length: isThere ? count - 1 : count }, () => new ModelLane(runs, options))
  const lanes = isThere ? [lane, ...more] : more
  try {
    await Promise.all(more.map((each) => each.prepare()))
  } catch (error) {
    await closeAll(lanes)
    throw error
  }
  return serveThreaded(declaration, lanes, options)
}

async function importInTime({ file, loadMs }: Pick<ModelLaneOptions, 'file' | 'loadMs'>) {
  try {
    return await within(loadMs, importModel(file))
  } catch (cause) {
    if (cause instanceof SetupError) throw cause
    throw new SetupError('model_unreadable', `${file}: ${String(cause)}`, { cause })
  }
}

interface FirstLook {
  readonly lane: ModelLane
  readonly declaration: ModelDeclaration
}

/**
 * What a module says of its model. A thread reads it, and loads no native code for that: where the
 * module wants some, a process reads it again, so that none comes into this one unasked.
 */
async function look(options: ModelLaneOptions): Promise<FirstLook> {
  const thread = new ModelLane('threaded', options)
  try {
    const declaration = await thread.prepare(true)
    if (!thread.refusedNativeCode()) return { lane: thread, declaration }
  } catch (error) {
    if (!thread.refusedNativeCode()) {
      await thread.close()
      throw error
    }
  }
  await thread.close()
  const lane = new ModelLane('process', options)
  try {
    return { lane, declaration: await lane.prepare() }
  } catch (error) {
    await lane.close()
    throw error
  }
}

async function closeAll(lanes: readonly ModelLane[]): Promise<void> {
  await Promise.all(lanes.map((lane) => lane.close()))
}
