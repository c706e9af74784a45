import type { Worker } from 'node:cluster'

/**
 * Tells a worker something, if it still listens. One that was killed just now seems to: without a
 * callback the failed write would be an error that ends this process, and all other workers by it.
 */
export function tellWorker(worker: Worker, message: object | string): void {
  if (worker.isConnected()) worker.send(message, ignoreFault)
}

/** The end of the worker is heard as such. */
function ignoreFault(): void {}
