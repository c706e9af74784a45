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
    const turns = [without, withIt]
    if (round % 2 === 1) turns.reverse()
    const took = new Map<Load, number>()
    for (const { load } of turns) took.set(load, await measure(load, Number(requests)))
    const one = { without: took.get(without.load) ?? 0, with: took.get(withIt.load) ?? 0 }
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
