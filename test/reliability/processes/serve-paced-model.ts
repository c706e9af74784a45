import { setTimeout as delay } from 'node:timers/promises'
import { sayLine } from '../../contract/processes/say-line.ts'
import { startVllm } from '../../gateway/simulators/vllm.ts'

// A model server in a process of its own, whose answers come in pieces with a pause between some.
// Names its address on standard output, and goes on until it is killed.
const words = Array.from({ length: 80 }, (_, index) => `word${index} `)
const model = await startVllm({ isPaced: true, words, models: ['m'] })
sayLine(model.url)
for (;;) {
  await model.next(40)
  await delay(1)
}
