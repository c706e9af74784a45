// A model of a thread: waits as many milliseconds as the text says, unless it is cancelled, and then
// answers with that number. Reports on a channel what it begins and what is cancelled.
import { BroadcastChannel } from 'node:worker_threads'

const channel = new BroadcastChannel('threaded-model')
channel.unref()

export const model = {
  name: 'waiter',
  version: 'waiter-1',
  runs: 'threaded',
  threads: 1,
  batchMax: 1,
  deadlineMs: 60_000,
  predict([text], { signal }) {
    channel.postMessage(`begun ${text}`)
    if (text === 'spin') for (;;);
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => resolve([Number(text)]), Number(text))
      signal.addEventListener('abort', () => {
        clearTimeout(timer)
        channel.postMessage(`called off ${text}`)
        reject(signal.reason)
      })
    })
  },
}
