import { isNotInstalled } from '../../core/runtime/not-installed.ts'
import { SetupError } from '../../core/setup-error.ts'

/**
 * Imports an optional package when a model needs it, not before: it may be hundreds of megabytes.
 *
 * @param where what a message starts with
 * @throws SetupError `model_unreadable` where the package is not installed or cannot be loaded
 */
export async function loadPeer(name: string, where: string): Promise<unknown> {
  try {
    return await import(name)
  } catch (cause) {
    const why = isNotInstalled(cause) ? `it is not installed; run npm install ${name}` : String(cause)
    throw new SetupError('model_unreadable', `${where}: expected the package ${name}, but ${why}`, { cause })
  }
}
