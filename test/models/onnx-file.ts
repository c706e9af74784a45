// Writes ONNX files: as much of protobuf and of onnx.proto as small networks need.

/** A field of a message: a number is a varint, text and bytes have their length before them. */
type Field = readonly [number: number, value: number | string | Uint8Array]

export interface OnnxNode {
  readonly op: string
  readonly inputs: readonly string[]
  readonly output: string
  /** Attributes that are whole numbers. */
  readonly attributes?: Readonly<Record<string, number>>
}

export interface OnnxValue {
  readonly name: string
  readonly type: 'float' | 'int64'
  /** A text is a dimension that differs from call to call. */
  readonly dims: readonly (number | string)[]
}

/** A constant of a network: weights, or axes. */
export interface OnnxConstant {
  readonly name: string
  readonly data: Float32Array | BigInt64Array
  readonly dims: readonly number[]
}

export interface OnnxNetwork {
  readonly nodes: readonly OnnxNode[]
  readonly inputs: readonly OnnxValue[]
  readonly outputs: readonly OnnxValue[]
  readonly constants: readonly OnnxConstant[]
}

const elementTypes = { float: 1, int64: 7 } as const
const integerAttribute = 2
const irVersion = 8
const operatorSet = 13

/** A network as the bytes of an `.onnx` file (onnx.proto: ModelProto). */
export function encodeOnnx(network: OnnxNetwork): Uint8Array {
  const graph = message([
    ...network.nodes.map((node): Field => [1, encodeNode(node)]),
    [2, 'network'],
    ...network.constants.map((constant): Field => [5, encodeConstant(constant)]),
    ...network.inputs.map((value): Field => [11, encodeValue(value)]),
    ...network.outputs.map((value): Field => [12, encodeValue(value)]),
  ])
  return message([
    [1, irVersion],
    [7, graph],
    [8, message([[2, operatorSet]])],
  ])
}

function encodeNode({ op, inputs, output, attributes = {} }: OnnxNode): Uint8Array {
  return message([
    ...inputs.map((input): Field => [1, input]),
    [2, output],
    [4, op],
    ...Object.entries(attributes).map(([name, value]): Field => {
      const attribute: readonly Field[] = [
        [1, name],
        [3, value],
        [20, integerAttribute],
      ]
      return [5, message(attribute)]
    }),
  ])
}

function encodeConstant({ name, data, dims }: OnnxConstant): Uint8Array {
  const type = data instanceof Float32Array ? elementTypes.float : elementTypes.int64
  const bytes = new Uint8Array(data.buffer, data.byteOffset, data.byteLength)
  return message([...dims.map((dim): Field => [1, dim]), [2, type], [8, name], [9, bytes]])
}

function encodeValue({ name, type, dims }: OnnxValue): Uint8Array {
  const shape = message(
    dims.map((dim): Field => [1, message([typeof dim === 'number' ? [1, dim] : [2, dim]])]),
  )
  const tensor = message([
    [1, elementTypes[type]],
    [2, shape],
  ])
  return message([
    [1, name],
    [2, message([[1, tensor]])],
  ])
}

function message(fields: readonly Field[]): Uint8Array {
  return Buffer.concat(
    fields.flatMap(([number, value]) => {
      if (typeof value === 'number') return [varint(number * 8), varint(value)]
      const bytes = typeof value === 'string' ? Buffer.from(value) : value
      return [varint(number * 8 + 2), varint(bytes.length), bytes]
    }),
  )
}

/** Seven bits a byte, the lowest first. Negative numbers, such as an axis of -1, have 64 bits. */
function varint(value: number): Uint8Array {
  const bytes: number[] = []
  let rest = BigInt.asUintN(64, BigInt(value))
  for (; rest > 127n; rest >>= 7n) bytes.push(Number(rest & 127n) | 128)
  bytes.push(Number(rest))
  return Uint8Array.from(bytes)
}
