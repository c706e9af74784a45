// One process of the benchmark: two servers, with and without, and the load of both.
//   node --expose-gc bench/telemetry/measure-side.ts <side> <rounds> <requests> <collector>
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { defaultOptions } from '../../src/config/load-config.ts'
import type { ServerOptions } from '../../src/server/server-options.ts'
import { startServer } from '../../src/server/start-server.ts'
import { type Load, openLoad } from './load.ts'
import { sidesOf } from './sides.ts'

/** CPU microseconds a request, of all threads of this process. */
export interface SideRound {
  readonly without: number
  readonly with: number
}

const connections = 32
/** Even, so that each side is first as often. */
const turnsPerRound = 20

async function open(folder: string, options: Partial<ServerOptions>) {
  let key = ''
  const server = await startServer({
    ...defaultOptions(),
    logLevel: 'silent',
    logRequests: false,
    limitDefault: ['1000000000/min'],
    data: folder,
    port: 0,
    firstKeys: 'report',
    onFirstKeys: (report) => {
      if ('keys' in report) key = report.keys.demo
    },
    ...options,
  })
  return { server, load: await openLoad(server.address, key, connections) }
}

async function measure(load: Load, requests: number): Promise<number> {
  globalThis.gc?.()
  const before = process.cpuUsage()
  await load.send(requests)
  const { user, system } = process.cpuUsage(before)
  return (user + system) / requests
}

/**
 * Many short turns, each side first in every other: a machine that becomes slower for a while does
 * so for both.
 */
async function measureRound(without: Load, withIt: Load, requests: number): Promise<SideRound> {
  const took = new Map([
    [without, 0],
    [withIt, 0],
  ])
  for (let turn = 0; turn < turnsPerRound; turn += 1)
    for (const load of turn % 2 === 0 ? [without, withIt] : [withIt, without])
      took.set(load, (took.get(load) ?? 0) + (await measure(load, requests / turnsPerRound)))
  return {
    without: (took.get(without) ?? 0) / turnsPerRound,
    with: (took.get(withIt) ?? 0) / turnsPerRound,
  }
}

const [name, rounds = '10', requests = '20000', collector = ''] = process.argv.slice(2)
const side = sidesOf(collector).find((each) => each.name === name)
if (side === undefined) throw new Error(`no side ${name}`)
const folder = mkdtempSync(join(tmpdir(), 'modelward-telemetry-'))
try {
  const without = await open(join(folder, 'without'), { metrics: 'off' })
  const withIt = await open(join(folder, 'with'), { metrics: 'off', ...(await side.options()) })
  const measured: SideRound[] = []
  // The first is warm-up.
  for (let round = 0; round <= Number(rounds); round += 1) {
    const one = await measureRound(without.load, withIt.load, Number(requests))
    if (round > 0) measured.push(one)
  }
  for (const { load, server } of [without, withIt]) {
    load.close()
    await server.close()
  }
  process.stdout.write(`${JSON.stringify(measured)}\n`)
} finally {
  rmSync(folder, { recursive: true, force: true })
}
