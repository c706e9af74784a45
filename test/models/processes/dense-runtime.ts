// Asks the model of a file for what takes long, with a socket and a file open as a server has them.
// At the line that comes on standard input the process ends.
import { once } from 'node:events'
import { openSync } from 'node:fs'
import { createServer } from 'node:net'
import { createModelRuntime } from '../../../src/models/model-runtime.ts'

const [, , file = '', rows] = process.argv
openSync(file, 'r')
await once(createServer().listen(0, '127.0.0.1'), 'listening')
const runtime = await createModelRuntime({ models: [file], deadlineMs: 600_000 })
const [model] = runtime.models.values()
void Promise.resolve(model?.predict([Number(rows)])).catch(() => {})
await once(process.stdin, 'data')
process.exit(0)
