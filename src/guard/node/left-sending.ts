import type { IncomingMessage } from 'node:http'
import { isError } from '../../core/runtime/is-error.ts'

/** Whether a client has gone before it sent its whole body: it gets no answer. */
export function hasLeftSending({ errored, complete }: IncomingMessage): boolean {
  return isError(errored) && !complete
}
