import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestProject } from 'vitest/node'
import { openRunFolder } from './run-folder.ts'

declare module 'vitest' {
  interface ProvidedContext {
    /** Path of the socket of `scripts/services.mjs`. */
    services: string
  }
}

/** Starts what starts services once a test asks for one; ends all of them with the run. */
export async function setup(project: TestProject): Promise<() => Promise<void>> {
  const endRun = openRunFolder()
  const { socket, stop } = await startServices()
  project.provide('services', socket)
  return async () => {
    await stop()
    await endRun()
  }
}

export interface RunningServices {
  /** Path of the socket of `scripts/services.mjs`. */
  readonly socket: string
  readonly stop: () => Promise<void>
}

/** Starts `scripts/services.mjs`, which starts nothing before it is asked. */
export async function startServices(): Promise<RunningServices> {
  const folder = mkdtempSync(join(tmpdir(), 'modelward-services-'))
  const socket = join(folder, 'socket')
  const child = spawn(process.execPath, ['scripts/services.mjs', socket], {
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  await once(child.stdout, 'data')
  return {
    socket,
    async stop() {
      const ended = once(child, 'exit')
      child.stdin.end()
      await ended
      rmSync(folder, { recursive: true, force: true })
    },
  }
}
