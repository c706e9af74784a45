import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestProject } from 'vitest/node'
import { commandHostsVariable } from './command-hosts.ts'
import { openRunFolder } from './run-folder.ts'

declare module 'vitest' {
  interface ProvidedContext {
    /** Path of the socket of `scripts/services.mjs`. */
    services: string
  }
}

/**
 * Starts what starts services once a test asks for one, and what runs short commands; ends all of
 * them with the run.
 */
export async function setup(project: TestProject): Promise<() => Promise<void>> {
  const endRun = openRunFolder()
  const { socket, stop } = await startServices()
  project.provide('services', socket)
  // One for each of two files that run at once.
  const hosts = await Promise.all([1, 2].map(() => startProgram('test/support/command-host.ts')))
  process.env[commandHostsVariable] = hosts.map((host) => host.socket).join(':')
  return async () => {
    await Promise.all([stop(), ...hosts.map((host) => host.stop())])
    await endRun()
  }
}

export interface RunningProgram {
  /** Path of its socket. */
  readonly socket: string
  readonly stop: () => Promise<void>
}

/** Starts `scripts/services.mjs`, which starts nothing before it is asked. */
export function startServices(): Promise<RunningProgram> {
  return startProgram('scripts/services.mjs')
}

/** Starts a program that serves a socket until its standard input ends. */
async function startProgram(file: string): Promise<RunningProgram> {
  const folder = mkdtempSync(join(tmpdir(), 'modelward-services-'))
  const socket = join(folder, 'socket')
  const child = spawn(process.execPath, [file, socket], {
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
