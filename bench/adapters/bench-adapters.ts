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
  /** Of the bare app's requests a second. */
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

function contestantsOf({ name, shown, hook, app, peer }: Framework): readonly Contestant[] {
  const contestant = (guard: Guard, describes: string, keyHeader: Contestant['keyHeader']): Contestant => ({
    name: guard === 'none' ? name : `${name}-${guard}`,
    describes,
    base: name,
    command: () => [process.execPath, fileURLToPath(app), guard],
    keyHeader,
    hasSameModel: true,
    logsRequests: false,
  })
  return [
    contestant('none', `bare ${shown}`, undefined),
    contestant('empty', `${shown}, ${hook} that does nothing`, undefined),
    contestant('modelward', `${shown}, Modelward`, apiKeyHeader),
    contestant('peer', `${shown}, ${peer.shown}`, peer.keyHeader),
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
        { name: `${shown}, against bare, requests/s`, of: `${name}-modelward`, against: name, least },
        {
          name: `${shown}, against ${peer.shown}, requests/s`,
          of: `${name}-modelward`,
          against: `${name}-peer`,
          least: 1,
        },
      ]),
      notes: [
        'Nothing is recorded: what a durable record costs is in `http` and `ledger`.',
        'The model costs nothing; the ward is over SQLite in a data folder, and the key in memory after the first request.',
        'The peers hold one key as plain text, compare it, and know neither status, scopes nor addresses.',
      ],
    },
    options,
    tell,
  )
