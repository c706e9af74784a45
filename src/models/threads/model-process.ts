// The program of a model's process.
import { once } from 'node:events'
import { Worker } from 'node:worker_threads'
import { withoutMessage } from '../without-message.ts'
import type { HostReply, HostRequest } from './host.ts'
import { createModelProgram } from './model-program.ts'
import type { ProcessFailure } from './process-host.ts'

const aborted = new Int32Array(new SharedArrayBuffer(4))

// A literal URL and a literal object: bundlers look for exactly this.
const watch = new Worker(new URL('./process-watch.ts', import.meta.url), {
  workerData: aborted,
  name: 'watch',
  execArgv: [],
  env: {},
})
const watching = once(watch, 'message').then(() => watch.unref())

// Ctrl-C and service managers signal every process of a group: the server answers what is under
// way, and ends this process then.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => {})

// The reader of the log may be gone.
for (const stream of [process.stdout, process.stderr]) stream.on('error', () => {})

// Node would print the message, which may hold an input once the model is loaded.
process.on('uncaughtException', (thrown: unknown) => {
  const { message, stack } = thrown instanceof Error && !program.isReady() ? thrown : withoutMessage(thrown)
  process.send?.({ failed: { message, stack } } satisfies ProcessFailure, () => process.exit(1))
})

const program = createModelProgram('process', aborted)

process.on('message', async ({ id, task }: HostRequest) => {
  await watching
  const answer = await program.answer(task)
  process.send?.({ id, answer } satisfies HostReply, () => {})
})
