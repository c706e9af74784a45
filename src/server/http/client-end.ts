import type { FastifyReply } from 'fastify'

/**
 * Aborts when whoever waits need not wait any more: the client has gone, or the server closes. Not `AbortSignal.any`: what it makes stays
 * with a signal that lives as long as the server.
 */
export function clientEnd({ raw }: FastifyReply, closing: AbortSignal): AbortSignal {
  const controller = new AbortController()
  const abort = (): void => {
    closing.removeEventListener('abort', abort)
    controller.abort()
  }
  if (closing.aborted || raw.closed) abort()
  else {
    closing.addEventListener('abort', abort)
    raw.once('close', abort)
  }
  return controller.signal
}
