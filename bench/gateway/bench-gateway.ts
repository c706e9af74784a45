import { execFile } from 'node:child_process'
import { cpus } from 'node:os'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import type { Bench, BenchOptions, BenchResult } from '../bench.ts'
import { installWrk, isInstalled } from '../contest/wrk.ts'
import { createTemporaryFolder } from '../leftovers.ts'
import type { PartsRound } from './measure-parts.ts'
import {
  findStreaming,
  measureEnds,
  measureReaders,
  measureStreams,
  measureThousand,
  type StreamRound,
} from './measure-streams.ts'
import { measureWhole, type WholeMeasured } from './measure-whole.ts'
import { openLoad } from './open-load.ts'
import { reportGateway } from './report-gateway.ts'
import { type OpenSide, openSide, type Side, type SideName, sides } from './sides.ts'

/** What can be measured by itself: `--only whole,parts`. */
export const rowNames = ['whole', 'streams', 'thousand', 'readers', 'ends', 'parts'] as const
export type RowName = (typeof rowNames)[number]

/** What was measured; undefined: it was not asked for. One sample a round. */
export interface GatewayMeasured {
  readonly sides: readonly Side[]
  readonly isPinned: boolean
  readonly whole: WholeMeasured | undefined
  readonly streams: readonly ReadonlyMap<string, StreamRound>[]
  /** KiB a stream, of Modelward and of the bare proxy. */
  readonly thousand: readonly { readonly modelward: number; readonly dispatch: number }[]
  /** MiB. */
  readonly readers: readonly number[]
  /** Milliseconds. */
  readonly ends: readonly number[]
  readonly parts: { readonly bytes: number; readonly rounds: readonly PartsRound[] } | undefined
}

/**
 * What a gateway adds to calls of a model server. The measured process has core 0; the model server
 * and the clients share core 1.
 */
export const benchGateway: Bench = async (options, tell) => {
  if (process.platform !== 'linux')
    throw new Error('the benchmark `gateway` reads /proc, so it runs on Linux only')
  const rows = rowsOf(options.only)
  const isPinned = cpus().length > 1 && isInstalled('taskset', '--version')
  const parts = rows.has('parts') ? await measureParts(options.rounds ?? 5, isPinned) : undefined
  const hasOthers = rowNames.some((name) => name !== 'parts' && rows.has(name))
  const rest = hasOthers ? await measureSides(rows, options, isPinned, tell) : nothing
  return reportGateway({ sides, isPinned, parts, ...rest }) satisfies BenchResult
}

type Rest = Pick<GatewayMeasured, 'whole' | 'streams' | 'thousand' | 'readers' | 'ends'>

const nothing: Rest = { whole: undefined, streams: [], thousand: [], readers: [], ends: [] }

function rowsOf(only: BenchOptions['only']): ReadonlySet<RowName> {
  const unknown = only?.find((name) => !rowNames.some((one) => one === name))
  if (unknown !== undefined)
    throw new Error(`there is no row \`${unknown}\`; there are ${rowNames.join(', ')}`)
  return new Set(rowNames.filter((name) => only === undefined || only.includes(name)))
}

async function measureParts(rounds: number, isPinned: boolean): Promise<GatewayMeasured['parts']> {
  const program = fileURLToPath(new URL('measure-parts.ts', import.meta.url))
  const node = [process.execPath, program, `${rounds}`]
  const [command = '', ...args] = isPinned ? ['taskset', '-c', '0', ...node] : node
  const { stdout } = await promisify(execFile)(command, args)
  return JSON.parse(stdout) as GatewayMeasured['parts']
}

async function measureSides(
  rows: ReadonlySet<RowName>,
  { rounds = 5, seconds = 5, load: mode = 'both' }: BenchOptions,
  isPinned: boolean,
  tell: (message: string) => void,
): Promise<Rest> {
  if (rows.has('whole')) installWrk(tell)
  const [serverCore, loadCore] = isPinned ? [0, 1] : []
  const folder = createTemporaryFolder()
  const open: OpenSide[] = []
  using load = await openLoad(loadCore)
  const upstream = `http://127.0.0.1:${load.port}`
  const measured = {
    streams: [] as StreamRounds[],
    thousand: [] as Thousand[],
    readers: [] as number[],
    ends: [] as number[],
  }
  try {
    for (const side of sides.filter(({ missing }) => missing === undefined)) {
      tell(`starting ${side.name}`)
      open.push(await openSide(side, folder.path, upstream, serverCore))
    }
    const find = (name: SideName): OpenSide => {
      const found = open.find(({ side }) => side.name === name)
      if (found === undefined) throw new Error(`${name} does not run`)
      return found
    }
    // A process that spins on a core that the server may use would slow the server.
    const loads = !isPinned
      ? (['blocking'] as const)
      : mode === 'both'
        ? (['blocking', 'spinning'] as const)
        : [mode]
    const whole = rows.has('whole')
      ? await measureWhole(open, upstream, { rounds, seconds, core: loadCore, loads, tell })
      : undefined
    const streaming = rows.has('streams') ? await findStreaming(open, load, tell) : []
    for (let round = 1; round <= rounds; round += 1) {
      if (rows.has('streams')) {
        tell(`round ${round} of ${rounds}, streams`)
        measured.streams.push(await measureStreams(streaming, load, seconds))
      }
      if (rows.has('thousand')) {
        tell(`round ${round} of ${rounds}, a thousand streams`)
        measured.thousand.push({
          modelward: await measureThousand(find('modelward'), load),
          dispatch: await measureThousand(find('dispatch'), load),
        })
      }
      if (rows.has('ends')) {
        tell(`round ${round} of ${rounds}, clients that leave`)
        measured.ends.push(await measureEnds(find('modelward'), load))
      }
      if (rows.has('readers')) {
        tell(`round ${round} of ${rounds}, clients that read nothing`)
        measured.readers.push(await measureReaders(find('modelward'), load, seconds))
      }
    }
    return { whole, ...measured }
  } finally {
    await Promise.all(open.map(({ server }) => server.stop()))
    folder.remove()
  }
}

type StreamRounds = GatewayMeasured['streams'][number]
type Thousand = GatewayMeasured['thousand'][number]
