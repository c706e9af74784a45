import type { ServedModel } from '../../src/models/model.ts'
import { createModelRuntime, type ModelRuntime } from '../../src/models/model-runtime.ts'
import { createModelFolder, installPeers } from '../../test/models/install-peers.ts'
import { denseNetwork } from '../../test/models/networks.ts'
import { encodeOnnx } from '../../test/models/onnx-file.ts'
import type { Bench } from '../bench.ts'
import { undoAtExit } from '../leftovers.ts'
import { formatSpread, percentileOf, spreadOf } from '../statistics.ts'

const units = 512
const layers = 4
const callers = 64
const batchMax = 32
const batchDelayMs = 2
const wantedGain = 3

const contestants = [
  { title: 'one at a time', settings: 'batchMax: 1' },
  { title: 'batched', settings: `batchMax: ${batchMax}, batchDelayMs: ${batchDelayMs}` },
] as const

/** One run of load on one contestant. */
interface Load {
  readonly callsPerSecond: number
  readonly p50Ms: number
}

/**
 * What dynamic batching gains under load, and costs a lone caller, on a network of matrix products.
 */
export const benchBatching: Bench = async ({ rounds = 5, seconds = 2 }, tell) => {
  const folder = createModelFolder()
  const removeFolder = undoAtExit(folder.remove)
  await installPeers()
  folder.write('dense.onnx', encodeOnnx(denseNetwork(units, layers)))
  const runtimes: ModelRuntime[] = []
  const loads = contestants.map(() => ({ busy: [] as Load[], lone: [] as Load[] }))
  try {
    for (const [at, { settings }] of contestants.entries())
      runtimes.push(
        await createModelRuntime({ models: [folder.write(`dense-${at}.ts`, moduleOf(settings))] }),
      )
    for (let round = 0; round <= rounds; round += 1) {
      for (const [at, runtime] of runtimes.entries()) {
        const [model] = runtime.models.values()
        if (model === undefined) continue
        const busy = await measure(model, callers, seconds)
        const lone = await measure(model, 1, seconds)
        // The first round warms everything up.
        if (round === 0) continue
        loads[at]?.busy.push(busy)
        loads[at]?.lone.push(lone)
        tell(
          `round ${round} of ${rounds}, ${contestants[at]?.title}: ${busy.callsPerSecond.toFixed(0)} calls/s`,
        )
      }
    }
  } finally {
    await Promise.all(runtimes.map((runtime) => runtime.close()))
    removeFolder()
  }
  return report(loads)
}

function report(loads: readonly { readonly busy: readonly Load[]; readonly lone: readonly Load[] }[]) {
  const gains = ratios(loads, ({ busy }) => busy.map(({ callsPerSecond }) => callsPerSecond))
  const [single, batched] = loads.map(({ lone }) => lone.map(({ p50Ms }) => p50Ms))
  const costs = (batched ?? []).map((ms, round) => ms - (single?.[round] ?? Number.NaN))
  return {
    name: 'batching',
    tables: [
      {
        title: `ONNX network of ${layers} layers of ${units} × ${units}, one thread`,
        columns: ['', `calls/s, ${callers} callers`, 'p50 ms', 'p50 ms, one caller'],
        rows: loads.map(({ busy, lone }, at) => [
          contestants[at]?.title ?? '',
          formatSpread(spreadOf(busy.map(({ callsPerSecond }) => callsPerSecond)), 0),
          formatSpread(spreadOf(busy.map(({ p50Ms }) => p50Ms)), 2),
          formatSpread(spreadOf(lone.map(({ p50Ms }) => p50Ms)), 2),
        ]),
      },
    ],
    targets: [
      {
        name: 'throughput, batched to one at a time',
        wanted: `≥ ${wantedGain} ×`,
        measured: `${formatSpread(spreadOf(gains), 1)} ×`,
        isMet: spreadOf(gains).median >= wantedGain,
      },
      {
        name: "a lone caller's p50, batched less one at a time",
        wanted: `≤ ${batchDelayMs} ms, the batch delay`,
        measured: `${formatSpread(spreadOf(costs), 2)} ms`,
        isMet: spreadOf(costs).median <= batchDelayMs,
      },
    ],
    notes: [
      `Closed loop within the process that also runs the callers; turns of each contestant alternate, after a turn of each that is not counted. \`${contestants.map(({ settings }) => settings).join('`, then `')}\`.`,
    ],
    samples: { loads },
  }
}

function ratios<Loads>(loads: readonly Loads[], read: (load: Loads) => readonly number[]): readonly number[] {
  const [single, batched] = loads.map(read)
  return (batched ?? []).map((value, round) => value / (single?.[round] ?? Number.NaN))
}

/** So many callers, each of whom asks again as soon as it has its answer. */
async function measure(model: ServedModel, callerCount: number, seconds: number): Promise<Load> {
  const samples: number[] = []
  const startedAt = performance.now()
  const endsAt = startedAt + seconds * 1_000
  const call = async (seed: number): Promise<void> => {
    while (performance.now() < endsAt) {
      const before = performance.now()
      await model.predict([seed])
      samples.push(performance.now() - before)
    }
  }
  await Promise.all(Array.from({ length: callerCount }, (_, seed) => call(seed)))
  const elapsedSeconds = (performance.now() - startedAt) / 1_000
  return {
    callsPerSecond: samples.length / elapsedSeconds,
    p50Ms: percentileOf(Float64Array.from(samples), 0.5),
  }
}

/**
 * An input is a number that stands for a row: what is measured is the network, not how rows travel.
 */
function moduleOf(settings: string): string {
  return `
    import * as ort from 'onnxruntime-node'
    import { onnxModel } from 'modelward/models'

    export default onnxModel({
      name: 'dense', version: 'dense-1', input: 'json', threads: 1, ${settings}, ort,
      file: new URL('./dense.onnx', import.meta.url),
      encode(seeds) {
        const data = new Float32Array(seeds.length * ${units})
        for (const [row, seed] of seeds.entries()) data.fill(seed / ${units}, row * ${units}, (row + 1) * ${units})
        return { x: { type: 'float32', data, dims: [seeds.length, ${units}] } }
      },
      decode: ({ y }, seeds) => seeds.map((_, row) => y.data[row * ${units}]),
    })
  `
}
