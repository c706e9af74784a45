import { crc32 } from '../../core/crc32.ts'
import { bucketBits } from './features.ts'

/** One hashed linear model: logit = (bias + scale · Σ value·weight / √features) · temperature. */
export interface Head {
  /**
   * One weight per bucket; a power of two of them, features of higher buckets are folded onto them.
   */
  readonly weights: Int8Array
  /** What one step of an int8 weight is worth, in logits. */
  readonly scale: number
  readonly bias: number
  /**
   * Calibrates confidence: below 1 the model was too sure. Guo et al., "On Calibration of Modern
   * Neural Networks", ICML 2017.
   */
  readonly temperature: number
}

/** All the model has learned. */
export interface SentimentWeights {
  /** Positive rather than negative. Negated features count −1. */
  readonly polar: Head
  /** Neutral rather than polar. Every feature counts +1: a negated opinion is still an opinion. */
  readonly neutral: Head
  /** How much one logit of polarity, in either direction, takes from the logit of neutral; ≤ 0. */
  readonly neutralPerPolarLogit: number
}

/**
 * The weights file is not what this version can read. The message says what was expected, what is
 * there and what to do.
 */
export class WeightsError extends Error {
  override readonly name = 'WeightsError'
}

const magic = 'MWSW'
const formatVersion = 1
const headerBytes = 64
const checksumBytes = 4
const remedy = 'Restore the file from the package, or make it anew with `npm run train`.'

/**
 * Writes weights as one file, little-endian: 4 bytes magic, format version (uint16), bits of the
 * polar and of the neutral head (uint8 each), seven float64 (scale, bias and temperature of each
 * head, then `neutralPerPolarLogit`), the int8 weights of both heads, and the CRC-32 of all before.
 */
export function formatWeights(weights: SentimentWeights): Uint8Array {
  const { polar, neutral } = weights
  const bodyEnd = headerBytes + polar.weights.length + neutral.weights.length
  const file = Buffer.alloc(bodyEnd + checksumBytes)
  file.write(magic, 'latin1')
  file.writeUInt16LE(formatVersion, 4)
  file.writeUInt8(Math.log2(polar.weights.length), 6)
  file.writeUInt8(Math.log2(neutral.weights.length), 7)
  const numbers = [polar, neutral].flatMap((head) => [head.scale, head.bias, head.temperature])
  numbers.push(weights.neutralPerPolarLogit)
  numbers.forEach((number, index) => {
    file.writeDoubleLE(number, 8 + 8 * index)
  })
  file.set(new Uint8Array(polar.weights.buffer, polar.weights.byteOffset, polar.weights.length), headerBytes)
  file.set(
    new Uint8Array(neutral.weights.buffer, neutral.weights.byteOffset, neutral.weights.length),
    headerBytes + polar.weights.length,
  )
  file.writeUInt32LE(crc32(file.subarray(0, bodyEnd)), bodyEnd)
  return file
}

/**
 * Reads what `formatWeights` wrote, without copying: the heads are views of `file`.
 *
 * @throws WeightsError when the file is truncated, damaged, of another kind or of another version
 */
export function parseWeights(file: Uint8Array): SentimentWeights {
  const bytes = Buffer.from(file.buffer, file.byteOffset, file.byteLength)
  const { polarSize, neutralSize } = checkFrame(bytes)
  const numberAt = (index: number): number => bytes.readDoubleLE(8 + 8 * index)
  const headAt = (index: number, start: number, size: number): Head => ({
    weights: new Int8Array(file.buffer, file.byteOffset + start, size),
    scale: numberAt(index),
    bias: numberAt(index + 1),
    temperature: numberAt(index + 2),
  })
  const weights: SentimentWeights = {
    polar: headAt(0, headerBytes, polarSize),
    neutral: headAt(3, headerBytes + polarSize, neutralSize),
    neutralPerPolarLogit: numberAt(6),
  }
  checkNumbers(weights)
  return weights
}

/** Length before checksum, so that the commonest fault, a file cut short, is called by its name. */
function checkFrame(bytes: Buffer): { polarSize: number; neutralSize: number } {
  if (bytes.length < headerBytes) {
    throw refuse(`expected a header of ${headerBytes} bytes, got ${bytes.length}: the file is truncated`)
  }
  const foundMagic = bytes.toString('latin1', 0, magic.length)
  if (foundMagic !== magic) {
    throw refuse(`expected a file that starts with ${magic}, got ${JSON.stringify(foundMagic)}`)
  }
  const foundVersion = bytes.readUInt16LE(4)
  if (foundVersion !== formatVersion) {
    throw refuse(`expected format version ${formatVersion}, got ${foundVersion}`)
  }
  const polarBits = bytes.readUInt8(6)
  const neutralBits = bytes.readUInt8(7)
  if (Math.max(polarBits, neutralBits) > bucketBits) {
    throw refuse(`expected at most ${bucketBits} bits per head, got ${polarBits} and ${neutralBits}`)
  }
  const polarSize = 2 ** polarBits
  const neutralSize = 2 ** neutralBits
  const bodyEnd = headerBytes + polarSize + neutralSize
  if (bytes.length !== bodyEnd + checksumBytes) {
    const fault = bytes.length < bodyEnd + checksumBytes ? 'truncated' : 'too long'
    throw refuse(`expected ${bodyEnd + checksumBytes} bytes, got ${bytes.length}: the file is ${fault}`)
  }
  if (crc32(bytes.subarray(0, bodyEnd)) !== bytes.readUInt32LE(bodyEnd)) {
    throw refuse('the checksum does not match: the file is damaged')
  }
  return { polarSize, neutralSize }
}

/** A sound checksum does not make a sound model: one NaN here would turn every answer into NaN. */
function checkNumbers(weights: SentimentWeights): void {
  for (const [name, head] of Object.entries({ polar: weights.polar, neutral: weights.neutral })) {
    if (
      !(head.scale > 0 && head.temperature > 0 && Number.isFinite(head.scale * head.temperature + head.bias))
    ) {
      throw refuse(`expected finite numbers and a positive scale and temperature in the ${name} head`)
    }
  }
  const slope = weights.neutralPerPolarLogit
  if (!(slope <= 0 && Number.isFinite(slope)))
    throw refuse(`expected a finite slope of at most 0, got ${slope}`)
}

function refuse(fault: string): WeightsError {
  return new WeightsError(`sentiment weights: ${fault}. ${remedy}`)
}
