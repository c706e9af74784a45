// `npm run bench`, or `npm run bench -- http --rounds 7`: measures, and says against which target.
import { parseArgs } from 'node:util'
import { benchAdapters } from './adapters/bench-adapters.ts'
import { benchAdmit } from './admit/bench-admit.ts'
import { benchBatching } from './batching/bench-batching.ts'
import type { Bench, BenchOptions, BenchResult, Target } from './bench.ts'
import { benchFleet } from './fleet/bench-fleet.ts'
import { benchGateway } from './gateway/bench-gateway.ts'
import { benchGoodput } from './goodput/bench-goodput.ts'
import { benchHttp } from './http/bench-http.ts'
import { benchImport } from './import/bench-import.ts'
import { benchJobs } from './jobs/bench-jobs.ts'
import { benchJobsHttp } from './jobs-http/bench-jobs-http.ts'
import { benchJobsPostgres } from './jobs-postgres/bench-jobs-postgres.ts'
import { benchJobsStore } from './jobs-store/bench-jobs-store.ts'
import { benchLedger } from './ledger/bench-ledger.ts'
import { benchPostgresLedger } from './ledger/bench-postgres-ledger.ts'
import { benchVerify } from './ledger/bench-verify.ts'
import { benchLimits } from './limits/bench-limits.ts'
import { benchLimitsRedis } from './limits-redis/bench-limits-redis.ts'
import { describeMachine, formatMachine, type Machine } from './machine.ts'
import { benchModel } from './model/bench-model.ts'
import { benchPath } from './path/bench-path.ts'
import { benchRevocation } from './revocation/bench-revocation.ts'
import { benchSaturated } from './saturated/bench-saturated.ts'
import { benchStart } from './start/bench-start.ts'
import { formatTable } from './table.ts'
import { benchTelemetry } from './telemetry/bench-telemetry.ts'
import { benchVerifyHttp } from './verify-http/bench-verify-http.ts'

const benches: Readonly<Record<string, Bench>> = {
  http: benchHttp,
  'verify-http': benchVerifyHttp,
  gateway: benchGateway,
  adapters: benchAdapters,
  admit: benchAdmit,
  limits: benchLimits,
  'limits-redis': benchLimitsRedis,
  ledger: benchLedger,
  'ledger-postgres': benchPostgresLedger,
  verify: benchVerify,
  'jobs-store': benchJobsStore,
  'jobs-postgres': benchJobsPostgres,
  jobs: benchJobs,
  'jobs-http': benchJobsHttp,
  saturated: benchSaturated,
  goodput: benchGoodput,
  revocation: benchRevocation,
  start: benchStart,
  import: benchImport,
  fleet: benchFleet,
  path: benchPath,
  model: benchModel,
  batching: benchBatching,
  telemetry: benchTelemetry,
}

const usage = `npm run bench -- [NAME]… [--rounds N] [--seconds N] [--keys N] [--records N] [--jobs N] [--only NAMES] [--load HOW] [--against FOLDER] [--quick] [--json]

NAME       ${Object.keys(benches).join(', ')}; all of them where none is named
--rounds   how often each is measured
--seconds  length of one turn of load (http, gateway, adapters, ledger, jobs-http, saturated: default 5; jobs-store, jobs-postgres: default 3; goodput: default 10)
--keys     keys in the large store (admit), or with a limit (limits); default 1000000
--records  records that are searched (ledger; default 1000000) or verified (verify; default 2000000)
--jobs     jobs of each phase (jobs); default 20000
--only     contestants, separated by commas (http, adapters, jobs-http, saturated, goodput; what they are measured against always runs), or rows (gateway)
--load     what the load generator's core does between answers: blocking (it goes idle), spinning (it is kept awake), or both in turns (http, gateway, adapters; default both)
--against  another checkout, whose server is measured in the same rounds (http)
--quick    fewer rows and shorter rounds, under two minutes (http)
--json     one JSON object in place of tables
`

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    rounds: { type: 'string' },
    seconds: { type: 'string' },
    keys: { type: 'string' },
    records: { type: 'string' },
    jobs: { type: 'string' },
    only: { type: 'string' },
    load: { type: 'string' },
    against: { type: 'string' },
    quick: { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
})

async function run(): Promise<void> {
  const names = positionals.length > 0 ? positionals : Object.keys(benches)
  const unknown = names.find((name) => benches[name] === undefined)
  if (values.help || unknown !== undefined) {
    process.stderr.write(unknown === undefined ? usage : `there is no benchmark \`${unknown}\`\n\n${usage}`)
    process.exitCode = unknown === undefined ? 0 : 2
    return
  }
  const options = {
    rounds: readCount('rounds'),
    seconds: readCount('seconds'),
    keys: readCount('keys'),
    records: readCount('records'),
    jobs: readCount('jobs'),
    only: values.only?.split(','),
    load: readLoad(),
    against: values.against,
    quick: values.quick,
  }
  const machine = describeMachine()
  const command = ['npm run bench --', ...process.argv.slice(2)].join(' ')
  if (!values.json) process.stdout.write(`${formatMachine(machine, command)}\n`)
  const results: BenchResult[] = []
  for (const name of names) {
    const tell = (message: string) => process.stderr.write(`${name}: ${message}\n`)
    const result = await benches[name]?.(options, tell)
    if (result === undefined) continue
    results.push(result)
    if (!values.json) process.stdout.write(formatResult(result))
  }
  if (values.json) process.stdout.write(`${formatJson(machine, command, results)}\n`)
}

function readCount(name: 'rounds' | 'seconds' | 'keys' | 'records' | 'jobs'): number | undefined {
  const text = values[name]
  if (text === undefined) return undefined
  if (!/^[1-9]\d{0,7}$/.test(text))
    throw new Error(`--${name}: expected a whole number of 1 or more, got ${text}`)
  return Number(text)
}

function readLoad(): BenchOptions['load'] {
  const load = (['blocking', 'spinning', 'both'] as const).find((one) => one === values.load)
  if (values.load !== undefined && load === undefined)
    throw new Error(`--load: expected blocking, spinning or both, got ${values.load}`)
  return load
}

function formatResult({ name, tables, targets, notes }: BenchResult): string {
  const promised = {
    title: 'Targets',
    columns: ['target', 'wanted', 'measured', ''],
    rows: targets.map((target) => [target.name, target.wanted, target.measured, verdictOf(target)]),
  }
  const parts = [...tables, promised].filter(({ rows }) => rows.length > 0).map(formatTable)
  return `\n## ${name}\n\n${[...parts, notes.map((note) => `- ${note}`).join('\n')].join('\n\n')}\n`
}

function verdictOf({ isMet }: Target): string {
  if (isMet === undefined) return 'too unsteady to tell'
  return isMet ? 'met' : 'missed'
}

function formatJson(machine: Machine, command: string, results: readonly BenchResult[]): string {
  return JSON.stringify({ machine, command, results }, undefined, 2)
}

try {
  await run()
} catch (error) {
  process.stderr.write(`bench: ${error instanceof Error ? error.message : String(error)}\n`)
  process.exitCode = 1
}
