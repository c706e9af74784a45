import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { cpus } from 'node:os'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import type { Bench, BenchResult, Target } from '../bench.ts'
import { undoAtExit } from '../leftovers.ts'
import { formatSpread, spreadOf } from '../statistics.ts'
import type { SideRound } from './measure-side.ts'
import { type Side, sidesOf } from './sides.ts'

/** A few seconds of load on a core. */
const requestsPerRound = 20_000

/** What metrics and traces add to the CPU of a prediction: key, limit, model and record. */
export const benchTelemetry: Bench = async ({ rounds = 10 }, tell) => {
  await using collector = await openCollector()
  const sides = sidesOf(collector.address)
  const measured = new Map<Side, readonly SideRound[]>()
  for (const side of sides) {
    tell(`${side.name}: ${rounds} rounds`)
    measured.set(side, await measureSide(side, rounds, collector.address))
  }
  return report(measured, rounds, collector.requests())
}

async function measureSide(side: Side, rounds: number, collector: string): Promise<readonly SideRound[]> {
  const program = fileURLToPath(new URL('measure-side.ts', import.meta.url))
  const node = [
    process.execPath,
    '--expose-gc',
    program,
    side.name,
    `${rounds}`,
    `${requestsPerRound}`,
    collector,
  ]
  // The last core: the first has more of the system's work.
  const [command = '', ...args] = hasTaskset() ? ['taskset', '-c', `${cpus().length - 1}`, ...node] : node
  const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'inherit'] })
  const forget = undoAtExit(() => child.kill('SIGKILL'))
  const [output, [code]] = await Promise.all([text(child.stdout), once(child, 'exit')])
  forget()
  if (code !== 0) throw new Error(`${side.name}: the measured process ended with ${code}`)
  return JSON.parse(output) as readonly SideRound[]
}

function hasTaskset(): boolean {
  return spawnSync('taskset', ['--version']).status === 0
}

/** Takes spans, outside the process that is measured. */
async function openCollector(): Promise<
  AsyncDisposable & { readonly address: string; readonly requests: () => number }
> {
  let requests = 0
  const server = createServer((request, response) => {
    requests += 1
    request.resume().on('end', () => response.setHeader('content-type', 'application/json').end('{}'))
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    address: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests: () => requests,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      server.close()
    },
  }
}

const ratioOf = (round: SideRound): number => round.with / round.without

function report(
  measured: ReadonlyMap<Side, readonly SideRound[]>,
  rounds: number,
  exports: number,
): BenchResult {
  const rows = [...measured].map(([{ name, describes }, all]) => [
    name,
    describes,
    formatSpread(spreadOf(all.map((round) => round.without)), 1),
    formatSpread(spreadOf(all.map((round) => round.with)), 1),
    formatSpread(spreadOf(all.map(ratioOf)), 3),
  ])
  const columns = ['with', 'what', 'without, µs', 'with, µs', 'ratio']
  return {
    name: 'telemetry',
    tables: [{ title: 'CPU of a prediction, server and load', columns, rows }],
    targets: [...measured].map(([side, all]) => targetOf(side, all)),
    notes: [
      `Server and load in one process on one core, ${requestsPerRound.toLocaleString('en')} requests of each side a round, in twenty turns one after the other; ${rounds} rounds, median and range of the ratios of each.`,
      'User and system time of all threads: the load and the ledger’s thread are in both sides.',
      `The collector took ${exports} exports.`,
    ],
    samples: Object.fromEntries([...measured].map(([{ name }, all]) => [name, all])),
  }
}

function targetOf({ name, shareMax }: Side, all: readonly SideRound[]): Target {
  const ratio = spreadOf(all.map(ratioOf))
  return {
    name: `CPU with ${name}`,
    wanted: `≤ ${(1 + shareMax).toFixed(3)} ×`,
    measured: `${formatSpread(ratio, 3)} ×`,
    isMet: ratio.median <= 1 + shareMax,
  }
}
