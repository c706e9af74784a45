import { SetupError } from '../core/setup-error.ts'

/**
 * Imports the driver of a database, an optional peer: who needs no database installs none.
 *
 * @param setting what asks for it, as messages call it: `a database URL`
 * @throws SetupError `peer_missing` with the line that installs it
 */
export async function loadDriver<Driver>(name: string, setting: string): Promise<Driver> {
  try {
    const loaded: Driver & { readonly default?: Driver } = await import(name)
    return loaded.default ?? loaded
  } catch (cause) {
    if ((cause as { readonly code?: unknown }).code !== 'ERR_MODULE_NOT_FOUND') throw cause
    const says = `${setting} needs the package ${name}: npm install ${name}`
    throw new SetupError('peer_missing', says, { cause })
  }
}
