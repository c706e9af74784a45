import { drawPepper } from '../../src/secrets/peppers.ts'
import { drawSigningKeyLine } from '../../src/secrets/signing-key.ts'
import type { RunningServer, ServerOptions } from '../../src/server/server-options.ts'
import { startServer } from '../../src/server/start-server.ts'
import { serverDefaults } from '../parity/start-server-target.ts'
import { nameTestSchema, redisUrl } from './services.ts'
import { constantModel } from './test-app.ts'

/** Servers of one fleet in this process. */
export interface FleetServers {
  readonly start: (more?: Partial<ServerOptions>) => Promise<RunningServer>
  /** Those that the first server made. */
  readonly firstKeys: () => { readonly admin: string; readonly demo: string }
  /** Closes all that were started. */
  readonly close: () => Promise<void>
}

/** An empty deployment on the PostgreSQL and the Redis of the tests. */
export async function openFleetServers(own: Partial<ServerOptions> = {}): Promise<FleetServers> {
  const database = await nameTestSchema()
  const opened: (() => Promise<unknown>)[] = [database.drop]
  let keys = { admin: '', demo: '' }
  const options: ServerOptions = {
    ...serverDefaults,
    databaseUrl: database.url,
    redisUrl: await redisUrl(),
    pepper: drawPepper(1),
    signingKey: drawSigningKeyLine(),
    servedModels: [constantModel],
    firstKeys: 'report',
    onFirstKeys(report) {
      if ('keys' in report) keys = report.keys
    },
    logStream: { write() {} },
    ...own,
  }
  return {
    firstKeys: () => keys,
    async start(more) {
      const server = await startServer({ ...options, ...more })
      opened.push(() => server.close())
      return server
    },
    async close() {
      for (const close of opened.splice(0).toReversed()) await close()
    },
  }
}
