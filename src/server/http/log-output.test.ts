import { closeSync, existsSync, openSync } from 'node:fs'
import { describe, expect, onTestFinished, test } from 'vitest'
import { createLog } from './log.ts'
import { openLogOutput } from './log-output.ts'

/** Every write there fails as on a full disk. */
const fullDisk = '/dev/full'

describe.skipIf(!existsSync(fullDisk))('the log on a full disk', () => {
  test('never throws, and what waits for space is bounded', () => {
    const fd = openSync(fullDisk, 'w')
    onTestFinished(() => closeSync(fd))
    let dropped = 0
    const stream = openLogOutput(fd)
    stream.on('drop', () => {
      dropped += 1
    })
    const log = createLog({ level: 'error', keyHeader: 'X-API-Key', stream })
    for (let line = 0; line < 3_000; line += 1) log.error('x'.repeat(1_000))
    expect(dropped).toBeGreaterThan(1_000)
  })
})
