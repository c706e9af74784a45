import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import type { ServedModel } from '../../src/models/model.ts'
import { createModelRuntime, type ModelRuntime } from '../../src/models/model-runtime.ts'
import { createModelFolder, installPeers } from './install-peers.ts'
import { softmaxNetwork, writeTextClassifier } from './networks.ts'
import { encodeOnnx } from './onnx-file.ts'

const folder = createModelFolder()
let runtime: ModelRuntime | undefined

beforeAll(installPeers)
afterEach(() => runtime?.close())
afterAll(() => folder.remove())

async function open(file: string): Promise<ServedModel> {
  runtime = await createModelRuntime({ models: [file], loadMs: 50_000 })
  const [model] = runtime.models.values()
  if (model === undefined) throw new Error('there is no model')
  return model
}

/** What the softmax network answers, by arithmetic. */
function sharesOf([a, b]: readonly [number, number]): readonly number[] {
  const powers = [a, b, 1 - a - b].map(Math.exp)
  const sum = powers.reduce((total, power) => total + power, 0)
  return powers.map((power) => power / sum)
}

function onnxModule(runtimeName: string): string {
  return `
    import * as ort from '${runtimeName}'
    import { onnxModel, Refusal } from 'modelward/models'

    export default onnxModel<readonly [number, number], readonly number[]>({
      name: 'softmax', version: 'softmax-1', input: 'json', threads: 1, batchMax: 8, ort,
      file: new URL('./softmax.onnx', import.meta.url),
      encode(rows) {
        if (rows.some((row) => row.length !== 2)) throw new Refusal('input_invalid', 'two numbers, please')
        return { x: { type: 'float32', data: Float32Array.from(rows.flat()), dims: [rows.length, 2] } }
      },
      decode: ({ y }, rows) => rows.map((_, at) => Array.from(y.data).slice(at * 3, at * 3 + 3)),
    })
  `
}

const transformersModule = `
  import * as transformers from '@huggingface/transformers'
  import { transformersModel } from 'modelward/models'

  export const model = transformersModel({
    name: 'tone', version: 'tone-1', task: 'text-classification', threads: 1, transformers,
    localModelPath: new URL('./', import.meta.url), model: 'MODEL',
  })
`

describe('onnxModel', () => {
  beforeAll(() => void folder.write('softmax.onnx', encodeOnnx(softmaxNetwork)))

  test.each(['onnxruntime-node', 'onnxruntime-web'])(
    'answers by a network from a local file, with %s',
    async (runtimeName) => {
      const model = await open(folder.write(`${runtimeName}.ts`, onnxModule(runtimeName)))
      const rows = [
        [0, 0],
        [2, 0],
        [0, 2],
        [-3, 1],
      ] as const
      // The first goes alone, the others together: a batch answers as single calls do.
      const answers = await Promise.all(rows.map(async (row) => (await model.predict([row]))[0]))
      for (const [at, row] of rows.entries()) {
        const expected = sharesOf(row)
        for (const [label, share] of (answers[at] as readonly number[]).entries())
          expect(share).toBeCloseTo(expected[label] ?? Number.NaN, 5)
      }
    },
  )

  test('a bad input is refused by its own call alone', async () => {
    const model = await open(folder.write('refusing.ts', onnxModule('onnxruntime-node')))
    const answers = [[1, 1], [1], [1, 1]].map((row) => model.predict([row]))
    const outcomes = await Promise.allSettled(answers)
    expect(outcomes.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled'])
    expect(outcomes[1]).toMatchObject({ reason: { code: 'input_invalid', message: 'two numbers, please' } })
  })

  test('a file that is not there is told at the start', async () => {
    const file = folder.write('gone.ts', onnxModule('onnxruntime-node').replace('softmax.onnx', 'gone.onnx'))
    await expect(open(file)).rejects.toMatchObject({
      code: 'model_unreadable',
      message: expect.stringMatching(/gone\.onnx: there is no such file$/),
    })
  })

  test('a file that is no network is told at the start', async () => {
    folder.write('broken.onnx', 'not a network')
    const file = folder.write(
      'broken.ts',
      onnxModule('onnxruntime-node').replace('softmax.onnx', 'broken.onnx'),
    )
    await expect(open(file)).rejects.toMatchObject({
      code: 'model_unreadable',
      message: expect.stringMatching(/broken\.onnx: expected an ONNX network, got: /),
    })
  })
})

describe('transformersModel', () => {
  beforeAll(() => writeTextClassifier(folder.path('words')))

  test('answers by a pipeline from a local folder', async () => {
    const model = await open(folder.write('tone.ts', transformersModule.replace('MODEL', 'words')))
    const answers = await model.predict(['good film', 'a bad bad film'])
    expect(answers).toEqual([
      { label: 'POSITIVE', score: expect.closeTo(1 / (1 + Math.exp(-3)), 4) },
      { label: 'NEGATIVE', score: expect.closeTo(1 / (1 + Math.exp(-6)), 4) },
    ])
  })

  test('never looks elsewhere for a model that is not there', async () => {
    const file = folder.write('absent.ts', transformersModule.replace('MODEL', 'absent'))
    await expect(open(file)).rejects.toMatchObject({
      code: 'model_unreadable',
      message: expect.stringMatching(/absent: there is no such folder$/),
    })
  })
})
