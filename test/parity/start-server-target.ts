import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { ServerOptions } from '../../src/server/server-options.ts'
import { startServer } from '../../src/server/start-server.ts'
import { openWard } from '../../src/ward/open-folder.ts'
import type { ParityTarget, TargetOptions } from './parity-target.ts'
import { exchange, formatRequest } from './raw-http.ts'
import { createSpyModel } from './spy-model.ts'

/** What every server in these tests is started with, unless a test says otherwise: the defaults, on a free port and without limits. */
export const serverDefaults: Omit<ServerOptions, 'data'> = {
  host: '127.0.0.1',
  port: 0,
  environment: 'live',
  keyPrefix: 'mw',
  schemes: ['header'],
  keyHeader: 'X-API-Key',
  realm: 'modelward',
  invalidKeyStatus: 403,
  trustProxy: [],
  bodyBytesMax: 1_048_576,
  headerBytesMax: 16_384,
  textLengthMax: 10_000,
  cachedKeysMax: 10_000,
  limitDefault: [],
  limitEveryone: [],
  limitBadKeys: 'none',
  modelDeadlineMs: 5_000,
  modelThreads: 'auto',
  batchBodyBytesMax: 8_388_608,
  queueMax: 10_000,
  queueOwnerMax: 1_000,
  jobWorkers: 4,
  jobAttempts: 3,
  jobKeepMs: 86_400_000,
  jobLeaseMs: 30_000,
  webhooksAllow: [],
  webhooksAllowHttp: false,
  requestTimeoutMs: 30_000,
  shutdownGraceMs: 1_000,
  ledgerMode: 'before',
  ledgerAddresses: 'whole',
  ledgerKeep: 'forever',
  ledgerMax: 'unlimited',
  docs: 'guarded',
  corsOrigins: [],
  logLevel: 'trace',
  logRequests: true,
}

/** The real server on a data folder of its own; its keys are changed by a second ward on the same folder, as the command line does. */
export async function startServerTarget(options: TargetOptions = {}): Promise<ParityTarget> {
  const data = mkdtempSync(join(tmpdir(), 'modelward-parity-'))
  const time = { now: Date.UTC(2026, 5, 1) }
  const clock = (): number => time.now
  const log: string[] = []
  const { spy, predicted, model } = createSpyModel()
  const server = await startServer({
    ...serverDefaults,
    ...options,
    data,
    clock,
    monotonic: clock,
    models: [spy],
    logStream: { write: (line: string) => log.push(line) },
  })
  const format = { prefix: 'mw', environment: 'live' } as const
  const { ward } = await openWard({ data, create: false, schemes: [], format, clock, listenMs: 0 })
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
