import {
  createModelRuntime,
  type Model,
  onnxModel,
  type ServedModel,
  transformersModel,
} from 'modelward/models'
import { type Equal, expectType } from './equal.ts'

const file = './network.onnx'

const sum = onnxModel<readonly number[], number>({
  name: 'sum',
  version: 'sum-1',
  file,
  encode: (rows) => ({
    x: { type: 'float32', data: Float32Array.from(rows.flat()), dims: [rows.length, 2] },
  }),
  decode: ({ y }, rows) => rows.map((_, at) => Number(y?.data[at])),
})
expectType<Equal<typeof sum, Model<readonly number[], number>>>()

// @ts-expect-error a network needs both ways of writing
onnxModel({ name: 'sum', version: 'sum-1', file, encode: () => ({}) })

const tone = transformersModel({
  name: 'tone',
  version: 'tone-1',
  task: 'text-classification',
  localModelPath: './models',
  model: 'tone',
})
expectType<Equal<typeof tone, Model<string, unknown>>>()

export const inline: Model = {
  name: 'length',
  version: 'length-1',
  runs: 'inline',
  predict: (texts) => texts.map((text) => text.length),
}

// @ts-expect-error where it runs must be said
export const undecided: Model = { name: 'a', version: 'a-1', predict: (texts) => texts }

const runtime = await createModelRuntime({ models: ['./my-model.ts', inline] })
expectType<Equal<ReturnType<typeof runtime.models.get>, ServedModel | undefined>>()
