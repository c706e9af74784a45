import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { defaultOptions } from '../../src/config/load-config.ts'
import type { ServerOptions } from '../../src/server/server-options.ts'
import { startServer } from '../../src/server/start-server.ts'
import { openWard } from '../../src/ward/open-ward.ts'
import type { ParityTarget, TargetOptions } from './parity-target.ts'
import { exchange, formatRequest } from './raw-http.ts'
import { createSpyModel } from './spy-model.ts'

/**
 * What every server in these tests is started with, unless a test says otherwise: the defaults, on
 * a free port and without limits.
 */
export const serverDefaults: ServerOptions = {
  ...defaultOptions(),
  port: 0,
  limitDefault: [],
  limitBadKeys: 'none',
  jobWorkers: 4,
  shutdownGrace: 1_000,
  logLevel: 'trace',
  logRequests: true,
}

/**
 * The real server on a data folder of its own; its keys are changed by a second ward on the same
 * folder, as the command line does.
 */
export async function startServerTarget({ schemes, ...options }: TargetOptions = {}): Promise<ParityTarget> {
  const data = mkdtempSync(join(tmpdir(), 'modelward-parity-'))
  const time = { now: Date.UTC(2026, 5, 1) }
  const clock = (): number => time.now
  const log: string[] = []
  const { spy, predicted, model } = createSpyModel()
  const server = await startServer({
    ...serverDefaults,
    ...options,
    ...(schemes && { scheme: schemes }),
    data,
    clock,
    monotonic: clock,
    servedModels: [spy],
    logStream: { write: (line: string) => log.push(line) },
  })
  const format = { prefix: 'mw', environment: 'live' } as const
  const { ward } = await openWard({ data, create: false, schemes: [], format, clock })
  const port = Number(new URL(server.address).port)
  return {
    port,
    keys: ward.keys,
    owners: ward.owners,
    format,
    time,
    predicted,
    model,
    logText: () => log.join(''),
    async records() {
      const page = await ward.ledger?.query({ limit: 1_000, order: 'oldest' })
      return page?.records ?? []
    },
    async hear() {
      // `/ready` asks the store for changes before it answers.
      const { status } = await exchange(port, formatRequest({ method: 'GET', path: '/ready' }))
      if (status !== 200) throw new Error(`/ready answered ${status}`)
    },
    async close() {
      await ward.close()
      await server.close()
      rmSync(data, { recursive: true, force: true })
    },
  }
}
