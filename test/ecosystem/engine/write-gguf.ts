/** What a key of a GGUF file says, by its type there. */
export type GgufValue =
  | { readonly uint32: number }
  | { readonly float32: number }
  | { readonly string: string }
  | { readonly strings: readonly string[] }
  | { readonly floats: readonly number[] }
  | { readonly ints: readonly number[] }

/** A tensor of 32-bit floats. */
export interface GgufTensor {
  readonly name: string
  /** The fastest dimension first, as GGUF counts them. */
  readonly shape: readonly number[]
  readonly values: Float32Array
}

const version = 3
/** Of tensor data, in bytes: what a file has that says no `general.alignment`. */
const alignment = 32
const types = { uint32: 4, int32: 5, float32: 6, string: 8, array: 9 } as const
const tensorTypeFloat32 = 0

/**
 * A model file as llama.cpp reads it: keys, then what each tensor is called and where it stands,
 * then the tensors. https://github.com/ggml-org/ggml/blob/master/docs/gguf.md
 */
export function writeGguf(keys: Readonly<Record<string, GgufValue>>, tensors: readonly GgufTensor[]): Buffer {
  const parts: Buffer[] = [
    Buffer.from('GGUF'),
    uint32(version),
    uint64(tensors.length),
    uint64(Object.keys(keys).length),
  ]
  for (const [key, value] of Object.entries(keys)) parts.push(text(key), ...bytesOf(value))
  let offset = 0
  for (const { name, shape, values } of tensors) {
    if (values.length !== shape.reduce((product, size) => product * size, 1))
      throw new Error(`${name}: expected ${shape.join(' × ')} values, got ${values.length}`)
    parts.push(
      text(name),
      uint32(shape.length),
      ...shape.map(uint64),
      uint32(tensorTypeFloat32),
      uint64(offset),
    )
    offset = aligned(offset + values.byteLength)
  }
  const head = padded(Buffer.concat(parts))
  return Buffer.concat([head, ...tensors.map(({ values }) => padded(floats(values)))])
}

function bytesOf(value: GgufValue): readonly Buffer[] {
  if ('uint32' in value) return [uint32(types.uint32), uint32(value.uint32)]
  if ('float32' in value) return [uint32(types.float32), floats([value.float32])]
  if ('string' in value) return [uint32(types.string), text(value.string)]
  if ('strings' in value) return [...arrayOf(types.string, value.strings.length), ...value.strings.map(text)]
  if ('floats' in value) return [...arrayOf(types.float32, value.floats.length), floats(value.floats)]
  return [...arrayOf(types.int32, value.ints.length), ...value.ints.map(uint32)]
}

function arrayOf(type: number, length: number): readonly Buffer[] {
  return [uint32(types.array), uint32(type), uint64(length)]
}

function text(value: string): Buffer {
  const bytes = Buffer.from(value)
  return Buffer.concat([uint64(bytes.length), bytes])
}

function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32LE(value)
  return bytes
}

function uint64(value: number): Buffer {
  const bytes = Buffer.alloc(8)
  bytes.writeBigUInt64LE(BigInt(value))
  return bytes
}

function floats(values: Float32Array | readonly number[]): Buffer {
  const bytes = Buffer.alloc(4 * values.length)
  for (const [at, value] of values.entries()) bytes.writeFloatLE(value, 4 * at)
  return bytes
}

function padded(bytes: Buffer): Buffer {
  return Buffer.concat([bytes], aligned(bytes.length))
}

function aligned(length: number): number {
  return Math.ceil(length / alignment) * alignment
}
