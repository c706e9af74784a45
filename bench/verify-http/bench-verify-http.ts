import { fileURLToPath } from 'node:url'
import type { Bench } from '../bench.ts'
import { apiKeyHeader, type Contestant, main } from '../contest/contestant.ts'
import { runContest } from '../contest/run-contest.ts'

const betterAuth = fileURLToPath(new URL('./better-auth-verify.mjs', import.meta.url))
const of = 'verify'
/** Counted for each request, and never reached. */
const keyLimit = '1000000000/min'

/** One server and one guard, asked in two ways; a program may ask as often as it likes. */
const modelward: Omit<Contestant, 'name' | 'describes'> = {
  base: 'predict',
  command: ({ port, data }) => {
    const serve = [process.execPath, main, 'serve'] as const
    return [...serve, '--port', `${port}`, '--data', data]
  },
  keyHeader: apiKeyHeader,
  keyLimit,
  hasSameModel: false,
  logsRequests: false,
}

const contestants: readonly Contestant[] = [
  { ...modelward, name: 'predict', describes: '`POST /predict`' },
  {
    ...modelward,
    name: of,
    describes: '`POST /v1/keys/verify`',
    asks: {
      path: '/v1/keys/verify',
      scope: 'keys:verify',
      body: (key) => JSON.stringify({ key, scope: 'predict', address: '203.0.113.7', route: 'POST /chat' }),
    },
  },
  betterAuthOver('better-auth-sqlite', 'SQLite as it opens a file', ['--sqlite']),
  betterAuthOver('better-auth-wal', 'SQLite with a log that waits for no disk', ['--sqlite', '--wal']),
  betterAuthOver('better-auth', 'its own memory', []),
]

function betterAuthOver(name: string, store: string, flags: readonly string[]): Contestant {
  return {
    name,
    describes: `Better Auth, \`verifyApiKey\` over ${store}, on Node’s own server`,
    base: 'predict',
    command: () => [process.execPath, betterAuth, ...flags],
    keyHeader: undefined,
    asks: { path: '/verify', body: (key) => JSON.stringify({ key }) },
    hasSameModel: false,
    logsRequests: false,
  }
}

/** How many verdicts a server gives to programs, against predictions behind the same guard. */
export const benchVerifyHttp: Bench = (options, tell) =>
  runContest(
    {
      name: 'verify-http',
      asks: 'A verdict on a key',
      baseName: 'predict',
      contestants,
      targets: [
        { name: 'verify against `POST /predict`', of, against: 'predict', least: 0.6 },
        { name: 'verify against Better Auth over SQLite', of, against: 'better-auth-sqlite', least: 20 },
      ],
      notes: [
        'Both rows of Modelward take the key’s limit and wait for one durable record.',
        'Better Auth has the same limit and records nothing. Over memory its keys are gone with the process; without SQLite’s default settings a power cut takes back what it counted.',
      ],
    },
    options,
    tell,
  )
