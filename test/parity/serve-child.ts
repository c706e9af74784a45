// Runs a server in a process of its own, so that its memory can be measured: tells its port, and its measures when asked.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { startServer } from '../../src/server/start-server.ts'
import { serverDefaults } from './start-server-target.ts'

const data = mkdtempSync(join(tmpdir(), 'modelward-memory-'))
const server = await startServer({ ...serverDefaults, data, logLevel: 'silent' })

process.on('message', (message) => {
  if (message !== 'measure') return
  // The peak is the most that was ever resident: no moment in between is missed.
  const peakBytes = process.resourceUsage().maxRSS * 1_024
  globalThis.gc?.()
  const { heapUsed, arrayBuffers } = process.memoryUsage()
  process.send?.({ peakBytes, keptBytes: heapUsed + arrayBuffers })
})
process.on('disconnect', async () => {
  await server.close()
  rmSync(data, { recursive: true, force: true })
})
process.send?.({ port: Number(new URL(server.address).port) })
