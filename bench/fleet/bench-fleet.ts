import { drawPepper } from '../../src/secrets/peppers.ts'
import { drawSigningKeyLine } from '../../src/secrets/signing-key.ts'
import { databaseUrl, redisUrl, useServices } from '../../test/support/services.ts'
import { startServices } from '../../test/support/start-services.ts'
import type { Bench } from '../bench.ts'
import { apiKeyHeader, type Contestant, main } from '../contest/contestant.ts'
import { runContest } from '../contest/run-contest.ts'

/** Counted for each request, and never reached. */
const keyLimit = '1000000000/min'

const server = {
  base: 'folder',
  keyHeader: apiKeyHeader,
  keyLimit,
  hasSameModel: true,
  logsRequests: false,
} as const

/** A node over PostgreSQL and Redis beside the same server over a data folder. */
export const benchFleet: Bench = async (options, tell) => {
  const services = await startServices()
  try {
    useServices(services.socket)
    const environment = {
      MODELWARD_DATABASE_URL: `${await databaseUrl()}?schema=bench`,
      MODELWARD_REDIS_URL: await redisUrl(),
      MODELWARD_PEPPER: drawPepper(1),
      MODELWARD_SIGNING_KEY: drawSigningKeyLine(),
    }
    const contestants: readonly Contestant[] = [
      {
        ...server,
        name: 'folder',
        describes: 'Modelward over a data folder',
        command: ({ port, data }) => [process.execPath, main, 'serve', '--port', `${port}`, '--data', data],
      },
      {
        ...server,
        name: 'fleet',
        describes: 'Modelward over PostgreSQL and Redis',
        environment,
        command: ({ port }) => [process.execPath, main, 'serve', '--port', `${port}`],
      },
    ]
    // Requests a second over the folder's are CPU over the node's, while its core is full.
    const targets = [
      { name: 'CPU a request, over a folder’s', of: 'fleet', against: 'folder', least: 1 / 1.35 },
    ]
    const notes = [
      'PostgreSQL and Redis run on the same machine, on whatever core is free; their CPU is not counted.',
    ]
    return await runContest({ name: 'fleet', contestants, targets, notes }, options, tell)
  } finally {
    await services.stop()
  }
}
