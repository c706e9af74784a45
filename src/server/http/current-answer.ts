import type { OutgoingMessage } from 'node:http'
import type { Duplex } from 'node:stream'

/**
 * The answer that a connection is waiting for. Node has no public way to find it; its own
 * `clientError` handler looks here.
 */
export function currentAnswer(socket: Duplex): OutgoingMessage | undefined {
  return (socket as Duplex & { readonly _httpMessage?: OutgoingMessage | null })._httpMessage ?? undefined
}
