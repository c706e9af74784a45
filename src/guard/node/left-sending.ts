import type { IncomingMessage } from 'node:http'

/** Whether a client has gone before it sent its whole body: it gets no answer. */
export function hasLeftSending({ errored, complete }: IncomingMessage): boolean {
  return errored !== null && !complete
}
