// The program of a model's thread.
import { parentPort, workerData } from 'node:worker_threads'
import type { HostReply, HostRequest } from './host.ts'
import { createModelProgram } from './model-program.ts'
import { watchNativeCode } from './native-code.ts'
import type { ThreadData } from './thread-host.ts'

const { aborted, native, isProbe } = workerData as ThreadData
const program = createModelProgram('threaded', aborted)

// Before any module of the model's.
watchNativeCode(native, () => !isProbe || program.isDeclared())

parentPort?.on('message', async ({ id, task }: HostRequest) => {
  const answer = await program.answer(task)
  parentPort?.postMessage({ id, answer } satisfies HostReply)
})
