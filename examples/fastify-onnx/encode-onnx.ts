/** A fitted logistic regression: one weight a feature, and a bias. */
export interface Regression {
  readonly weights: Float32Array
  readonly bias: number
}

/**
 * A logistic regression as an ONNX file: `positive = Sigmoid(features · weights + bias)`. The field
 * numbers are those of onnx.proto3 in the ONNX repository; protocol buffers are simple enough to
 * write by hand.
 */
export function encodeOnnx({ weights, bias }: Regression): Buffer {
  const graph = [
    ...message(1, node('MatMul', ['features', 'weights'], 'products')),
    ...message(1, node('Add', ['products', 'bias'], 'sums')),
    ...message(1, node('Sigmoid', ['sums'], 'positive')),
    ...text(2, 'logistic regression'),
    ...message(5, tensor('weights', [weights.length, 1], weights)),
    ...message(5, tensor('bias', [1], Float32Array.of(bias))),
    ...message(11, valueInfo('features', weights.length)),
    ...message(12, valueInfo('positive', 1)),
  ]
  const operatorSet = [...text(1, ''), ...varint(2, 17)]
  return Buffer.from([
    ...varint(1, 8), // the version of the file format
    ...text(2, 'modelward example'),
    ...message(7, graph),
    ...message(8, operatorSet),
  ])
}

type Bytes = readonly number[]

const float = 1

function node(operator: string, inputs: readonly string[], output: string): Bytes {
  return [...inputs.flatMap((input) => text(1, input)), ...text(2, output), ...text(4, operator)]
}

function tensor(name: string, dimensions: readonly number[], values: Float32Array): Bytes {
  const data = Buffer.alloc(values.length * 4)
  for (const [index, value] of values.entries()) data.writeFloatLE(value, index * 4)
  return [
    ...dimensions.flatMap((dimension) => varint(1, dimension)),
    ...varint(2, float),
    ...text(8, name),
    ...message(9, [...data]),
  ]
}

/** A table of floats: any number of rows, a fixed number of columns. */
function valueInfo(name: string, columns: number): Bytes {
  const shape = [...message(1, text(2, 'rows')), ...message(1, varint(1, columns))]
  const tensorType = [...varint(1, float), ...message(2, shape)]
  return [...text(1, name), ...message(2, message(1, tensorType))]
}

function varint(field: number, value: number): Bytes {
  return [field << 3, ...base128(value)]
}

function text(field: number, value: string): Bytes {
  return message(field, [...Buffer.from(value)])
}

/** A length-delimited field: a message, a text, bytes. */
function message(field: number, content: Bytes): Bytes {
  return [(field << 3) | 2, ...base128(content.length), ...content]
}

/** Seven bits a byte, the lowest first; the eighth says that more follow. */
function base128(value: number): Bytes {
  const bytes: number[] = []
  let rest = value
  for (; rest > 0x7f; rest >>>= 7) bytes.push((rest & 0x7f) | 0x80)
  return [...bytes, rest]
}
