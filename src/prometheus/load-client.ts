import { isNotInstalled } from '../core/runtime/not-installed.ts'
import { SetupError } from '../core/setup-error.ts'

type Client = typeof import('prom-client')

/**
 * Imports prom-client, an optional peer: who takes no metrics installs none.
 *
 * @throws SetupError `peer_missing` with the line that installs it, by rejecting
 */
export async function loadClient(): Promise<Client> {
  try {
    const loaded: Client & { readonly default?: Client } = await import('prom-client')
    return loaded.default ?? loaded
  } catch (cause) {
    if (!isNotInstalled(cause)) throw cause
    const says = 'metrics need the package prom-client: npm install prom-client'
    throw new SetupError('peer_missing', says, { cause })
  }
}
