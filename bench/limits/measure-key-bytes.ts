// `node --expose-gc bench/limits/measure-key-bytes.ts KEYS`: bytes of memory for each key with one
// limit in use, in a process of its own.

import { createInProcessLimiter } from '../../src/limits/in-process/in-process-limiter.ts'
import { parseLimitSetting } from '../../src/limits/limit-setting.ts'
import { usesOf } from '../../src/limits/limit-uses.ts'

const keys = Number(process.argv[2])
const collect = globalThis.gc
if (collect === undefined) throw new Error('expected --expose-gc')
const setting = parseLimitSetting('60/min')
if (typeof setting === 'string') throw new Error(setting)

/** `external` has what array buffers hold in it. */
function bytesHeld(): number {
  collect?.()
  const { heapUsed, external } = process.memoryUsage()
  return heapUsed + external
}

// A clock that stands still: each of them is in use to the end.
const now = Date.now()
const limiter = createInProcessLimiter({ clock: () => now, monotonic: () => now })
const before = bytesHeld()
for (let number = 0; number < keys; number += 1) {
  const subject = `key:${number.toString(36).padStart(12, '0')}`
  const taking = limiter.take(usesOf([{ setting, scope: 'key', subject }]))
  if (taking instanceof Promise || taking.refusal !== undefined)
    throw new Error(`${subject} was not taken at once`)
}
const bytes = bytesHeld() - before
if (limiter.size() !== keys) throw new Error(`expected ${keys} limits, got ${limiter.size()}`)
process.stdout.write(`${JSON.stringify({ bytesPerKey: bytes / keys })}\n`)
