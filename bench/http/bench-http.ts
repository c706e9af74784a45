import type { Bench } from '../bench.ts'
import { runContest } from '../contest/run-contest.ts'
import { findContestants } from './contestants.ts'

/**
 * How many requests a guarded server answers, against the same route unguarded and against its
 * peers.
 */
export const benchHttp: Bench = (options, tell) =>
  runContest(
    {
      name: 'http',
      contestants: findContestants(),
      targets: [
        { name: 'against bare Fastify, requests/s', of: 'modelward', against: 'fastify', least: 0.8 },
        {
          name: 'against FastAPI as Debian installs it, requests/s',
          of: 'modelward',
          against: 'fastapi',
          least: 4.5,
        },
        { name: 'against Fastify with plugins, requests/s', of: 'modelward', against: 'plugins', least: 1 },
      ],
      notes: [
        'Logs go to a file. `--log-requests true` writes one line a request, `logger: true` two; the others write none.',
      ],
    },
    options,
    tell,
  )
