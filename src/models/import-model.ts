import { pathToFileURL } from 'node:url'
import { SetupError } from '../core/setup-error.ts'
import { checkModel } from './check-model.ts'
import type { Model } from './model.ts'

interface ModelModule {
  readonly default?: unknown
  readonly model?: unknown
}

/**
 * Imports a user's module, and gives the model that it exports: `export default` or `export const
 * model`.
 *
 * @param file absolute path
 * @throws SetupError `model_unreadable`
 */
export async function importModel(file: string): Promise<Model<never>> {
  const module = await importModule(file)
  const found = module.default ?? module.model
  if (found === undefined) {
    const names = Object.keys(module).join(', ') || 'nothing'
    throw new SetupError(
      'model_unreadable',
      `${file}: expected a model as \`export default\` or \`export const model\`, got exports ${names}`,
    )
  }
  return checkModel(found, file)
}

async function importModule(file: string): Promise<ModelModule> {
  try {
    return await import(pathToFileURL(file).href)
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause)
    throw new SetupError('model_unreadable', `${file}: expected a module that can be imported, got: ${why}`, {
      cause,
    })
  }
}
