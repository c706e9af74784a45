// Asks the model of a file for what takes long, with a socket and a file open as a server has them.
// At the line `end` on standard input the process ends; at `close`, the runtime is closed, and
// nothing of ours keeps the process alive.
import { once } from 'node:events'
import { openSync } from 'node:fs'
import { createServer } from 'node:net'
import { createModelRuntime } from '../../../src/models/model-runtime.ts'

const [, , file = '', rows] = process.argv
openSync(file, 'r')
await once(createServer().listen(0, '127.0.0.1').unref(), 'listening')
const runtime = await createModelRuntime({ models: [file], deadlineMs: 600_000 })
const [model] = runtime.models.values()
void Promise.resolve(model?.predict([Number(rows)])).catch(() => {})
const [line] = await once(process.stdin, 'data')
process.stdin.destroy()
if (String(line) === 'close\n') await runtime.close()
else process.exit(0)
