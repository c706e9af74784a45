import type { Bench } from '../bench.ts'
import { runContest } from '../contest/run-contest.ts'
import { findContestants } from './contestants.ts'

const of = 'modelward'

/** Under two minutes; each target keeps what it is judged against. */
const quickly = {
  only: [of, 'fastify', 'fastify-headers', 'plugins', 'fastapi'],
  rounds: 5,
  seconds: 1,
} as const

/**
 * How many requests a guarded server answers, against the same route unguarded and against its
 * peers.
 */
export const benchHttp: Bench = (options, tell) => {
  const { quick, against, only, rounds, seconds } = options
  const defaults = quick ? quickly : undefined
  return runContest(
    {
      name: 'http',
      contestants: findContestants(against),
      targets: [
        { name: 'against bare Fastify', of, against: 'fastify', least: 0.75 },
        { name: 'against bare Fastify with the same headers', of, against: 'fastify-headers', least: 0.9 },
        { name: 'against FastAPI as Debian installs it', of, against: 'fastapi', least: 4.5 },
        { name: 'against Fastify with plugins', of, against: 'plugins', least: 1.2 },
        { name: 'p99 over bare Fastify’s', of, against: 'fastify', p99Most: 2 },
        { name: 'RSS under load', of, residentMiBMost: 200 },
      ],
      notes: [
        'The server has no setting that turns the record off; with `--ledger-mode after` no answer waits for it.',
        'Logs go to a file. `--log-requests true` writes one line a request, `logger: true` two; the others write none.',
      ],
    },
    {
      ...options,
      only: only ?? defaults?.only,
      rounds: rounds ?? defaults?.rounds,
      seconds: seconds ?? defaults?.seconds,
    },
    tell,
  )
}
