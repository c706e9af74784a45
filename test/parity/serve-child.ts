// Runs a server in a process of its own, so that its memory can be measured: tells its port, and
// its measures when asked.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setImmediate } from 'node:timers/promises'
import { startServer } from '../../src/server/start-server.ts'
import { serverDefaults } from './start-server-target.ts'

const data = mkdtempSync(join(tmpdir(), 'modelward-memory-'))
const server = await startServer({ ...serverDefaults, data, logLevel: 'silent' })

/**
 * What a collection leaves. Buffers that are garbage are given back behind its back, so one look
 * may still see them: the least of some.
 */
async function measureKept(): Promise<number> {
  let least = Number.POSITIVE_INFINITY
  for (let look = 0; look < 10; look += 1) {
    globalThis.gc?.()
    await setImmediate()
    const { heapUsed, arrayBuffers } = process.memoryUsage()
    least = Math.min(least, heapUsed + arrayBuffers)
  }
  return least
}

process.on('message', async (message) => {
  if (message !== 'measure') return
  // The peak is the most that was ever resident: no moment in between is missed.
  const peakBytes = process.resourceUsage().maxRSS * 1_024
  process.send?.({ peakBytes, keptBytes: await measureKept() })
})
process.on('disconnect', async () => {
  await server.close()
  rmSync(data, { recursive: true, force: true })
})
process.send?.({ port: Number(new URL(server.address).port) })
