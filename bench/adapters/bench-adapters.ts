import { fileURLToPath } from 'node:url'
import type { Bench } from '../bench.ts'
import { apiKeyHeader, bearerHeader, type Contestant } from '../contest/contestant.ts'
import { runContest } from '../contest/run-contest.ts'
import type { Guard } from './served-app.ts'

interface Framework {
  readonly name: string
  readonly shown: string
  /** What the framework calls what runs ahead of a route. */
  readonly hook: string
  readonly app: string
  readonly peer: { readonly shown: string; readonly keyHeader: Contestant['keyHeader'] }
  /** Of the requests a second of the bare app with the same headers. */
  readonly least: number
}

const frameworks: readonly Framework[] = [
  {
    name: 'fastify',
    shown: 'Fastify',
    hook: 'a hook',
    app: import.meta.resolve('./fastify-app.ts'),
    peer: { shown: '@fastify/bearer-auth', keyHeader: bearerHeader },
    least: 0.9,
  },
  {
    name: 'hono',
    shown: 'Hono',
    hook: 'middleware',
    app: import.meta.resolve('./hono-app.ts'),
    peer: { shown: 'hono/bearer-auth', keyHeader: bearerHeader },
    least: 0.9,
  },
  {
    name: 'express',
    shown: 'Express',
    hook: 'middleware',
    app: import.meta.resolve('./express-app.ts'),
    peer: { shown: 'passport-headerapikey', keyHeader: apiKeyHeader },
    least: 0.95,
  },
]

/** As in `http`: counted for each request, and never reached. */
const keyLimit = '1000000000/min'

function contestantsOf({ name, shown, hook, app, peer }: Framework): readonly Contestant[] {
  const contestant = (
    guard: Guard,
    describes: string,
    special: Pick<Contestant, 'keyHeader'> & Partial<Contestant>,
  ): Contestant => ({
    name: guard === 'none' ? name : `${name}-${guard}`,
    describes,
    base: name,
    command: () => [process.execPath, fileURLToPath(app), guard],
    hasSameModel: true,
    logsRequests: false,
    ...special,
  })
  const limited = `${name}-limited`
  const keyHeader = apiKeyHeader
  return [
    contestant('none', `bare ${shown}`, { keyHeader: undefined }),
    contestant('empty', `${shown}, ${hook} that does nothing`, { keyHeader: undefined }),
    contestant('modelward', `${shown}, Modelward`, { keyHeader }),
    contestant('modelward', `${shown}, Modelward, one limit`, {
      name: limited,
      keyHeader,
      keyLimit,
      sameHeaders: `${name}-headers`,
    }),
    contestant('headers', `bare ${shown}, the headers of Modelward’s answer`, {
      keyHeader: undefined,
      headersOf: limited,
    }),
    contestant('peer', `${shown}, ${peer.shown}`, { keyHeader: peer.keyHeader }),
  ]
}

/**
 * What the guard costs in a user's own app, with a key in memory, and what its peers cost there.
 */
export const benchAdapters: Bench = (options, tell) =>
  runContest(
    {
      name: 'adapters',
      contestants: frameworks.flatMap(contestantsOf),
      targets: frameworks.flatMap(({ name, shown, peer, least }) => [
        {
          name: `${shown}, one limit, against bare with the same headers`,
          of: `${name}-limited`,
          against: `${name}-headers`,
          least,
        },
        {
          name: `${shown}, one limit, against ${peer.shown}`,
          of: `${name}-limited`,
          against: `${name}-peer`,
          least: 1,
        },
      ]),
      notes: [
        'Nothing is recorded: what a durable record costs is in `http` and `ledger`.',
        'The model costs nothing; the ward is over SQLite in a data folder, and the key in memory after the first request.',
        'The peers hold one key as plain text, compare it, and know neither status, scopes nor addresses, nor a limit.',
      ],
    },
    options,
    tell,
  )
