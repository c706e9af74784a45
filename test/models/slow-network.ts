import { denseNetwork } from './networks.ts'
import { encodeOnnx } from './onnx-file.ts'

/** Numbers of a row. */
const denseUnits = 256

/** A network of which 60,000 rows take about a second; with 64 layers, 7,500 rows do. */
export function denseBytes(layers = 8): Uint8Array {
  return encodeOnnx(denseNetwork(denseUnits, layers))
}

/**
 * A model of the real `onnxruntime-node`: an input is the number of rows that it computes. Its file
 * is `dense.onnx` beside the module. Where the environment has `SAY_BEGUN`, standard error gets
 * `begun` before each call.
 */
export function denseModule(name: string, properties: string): string {
  return `
    import { writeSync } from 'node:fs'
    import * as ort from 'onnxruntime-node'
    import { onnxModel } from 'modelward/models'

    export default onnxModel<number, number>({
      name: '${name}', version: '${name}-1', input: 'json', threads: 1, batchMax: 1, ort, ${properties}
      file: new URL('./dense.onnx', import.meta.url),
      encode([rows]) {
        if (process.env.SAY_BEGUN !== undefined) writeSync(2, 'begun')
        return { x: { type: 'float32', data: new Float32Array(rows * ${denseUnits}), dims: [rows, ${denseUnits}] } }
      },
      decode: ({ y }) => [y.dims[0]],
    })
  `
}
