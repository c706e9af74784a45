import type { ServerResponse } from 'node:http'
import type { Duplex } from 'node:stream'

/**
 * The answer that a connection is waiting for. Node has no public way to find it; its own
 * `clientError` handler looks here.
 */
export function currentAnswer(socket: Duplex): ServerResponse | undefined {
  return (socket as Duplex & { readonly _httpMessage?: ServerResponse | null })._httpMessage ?? undefined
}
