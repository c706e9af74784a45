// Ends the process of a model while this one has no file left to open, and has some again once a
// replacement has failed.
import { closeSync, openSync } from 'node:fs'
import { createModelRuntime } from '../../../src/models/model-runtime.ts'

const opened: number[] = []
const runtime = await createModelRuntime({
  models: [new URL('../obedient-process.ts', import.meta.url)],
  onEvent({ cause }) {
    if (!String(cause).includes('too many files')) return
    for (const file of opened.splice(0)) closeSync(file)
  },
})
const [model] = runtime.models.values()
try {
  for (;;) opened.push(openSync('/dev/null', 'r'))
} catch {}
const failed = await Promise.resolve(model?.predict([{ do: 'exit' }])).catch((fault) => fault.code)
const [answer] = (await model?.predict([{ do: 'echo', say: 'answered' }], { deadlineMs: 50_000 })) ?? []
process.stdout.write(`${failed} ${answer}\n`)
await runtime.close()
