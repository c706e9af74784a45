import { fileURLToPath } from 'node:url'
import type { Model } from '../model.ts'

/** What every adapted model has. Most load native code, so `runs` is `process` by default. */
export type AdaptedModelOptions = Pick<Model, 'name' | 'version'> &
  Partial<Pick<Model, 'runs' | 'input' | 'batchMax' | 'batchDelayMs' | 'deadlineMs' | 'threads'>>

/** Loads once, on the first call; a load that failed is tried again. */
export function once<Loaded>(load: () => Promise<Loaded>): () => Promise<Loaded> {
  let loading: Promise<Loaded> | undefined
  return () => {
    loading ??= load().catch((error) => {
      loading = undefined
      throw error
    })
    return loading
  }
}

/**
 * The settings that an adapter hands on as they are; `checkModel` checks them where the model is
 * loaded.
 */
export function adaptedSettings(
  options: AdaptedModelOptions,
): Omit<Model<never>, 'predict' | 'warmUp' | 'close'> {
  const { name, version, runs = 'process', input, batchMax, batchDelayMs, deadlineMs, threads } = options
  return {
    name,
    version,
    runs,
    ...(input === undefined ? {} : { input }),
    ...(batchMax === undefined ? {} : { batchMax }),
    ...(batchDelayMs === undefined ? {} : { batchDelayMs }),
    ...(deadlineMs === undefined ? {} : { deadlineMs }),
    ...(threads === undefined ? {} : { threads }),
  }
}

export function pathOf(file: string | URL): string {
  return file instanceof URL ? fileURLToPath(file) : file
}
