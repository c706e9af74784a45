// The program of a thread in a model's process. It hears the server while the model computes: which
// batch is aborted, and that the server has ended, after which nothing may run on.
import { Socket } from 'node:net'
import { parentPort, workerData } from 'node:worker_threads'

const aborted = workerData as Int32Array

/** The channel beside standard input, output, error and the one for tasks. */
const aborts = new Socket({ fd: 4, readable: true, writable: false })

aborts.on('data', (batches: Buffer) => {
  Atomics.store(aborted, 0, batches.at(-1) ?? 0)
  Atomics.notify(aborted, 0)
})
aborts.on('error', () => {})
aborts.on('close', () => process.kill(process.pid, 'SIGKILL'))
parentPort?.postMessage('watching')
