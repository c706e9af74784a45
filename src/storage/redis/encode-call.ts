import type { LimiterEpochValue } from './epoch.ts'
import { limiterScript, limiterScriptSha } from './limiter-script.ts'
import { addressBit, type LimiterRequest, operations, type RequestUse } from './requests.ts'

/** What is the same for all requests of a call. */
export interface CallHead {
  readonly epoch: LimiterEpochValue
  readonly node: string
  /** What the server's clock may show, at least and at most. */
  readonly leastTime: number
  readonly mostTime: number
  /** Both clocks of a test; undefined: the server's. */
  readonly clocks: { readonly steady: number; readonly wall: number } | undefined
}

/** Most cells of addresses, over two generations: some 20 MB. */
const addressCellsMax = 32_768
const headBytes = 56
const requestBytes = 10
const useBytes = 35
/** A test's clocks may stand still while the server's goes on, by which cells expire. */
const testExtraMs = 3_600_000

/** The arguments of the call behind EVALSHA or EVAL and the script. */
export function encodeCall(head: CallHead, requests: readonly LimiterRequest[]): (string | Buffer)[] {
  const { epoch, node } = head
  let uses = 0
  let hasNames = false
  let hasAddresses = false
  for (const request of requests) {
    uses += request.uses.length
    for (const use of request.uses) {
      hasAddresses ||= isOfAddress(use)
      hasNames ||= hasAddresses || use.cells !== undefined
    }
  }
  const blob = Buffer.allocUnsafe(headBytes + requests.length * requestBytes + uses * useBytes)
  writeHead(blob, head, requests.length)
  const keys: string[] = [epoch.key]
  const names: (string | Buffer)[] = []
  if (hasAddresses) {
    keys.push(`${epoch.prefix}young`, `${epoch.prefix}old`)
    names.push('', '')
  }
  const places = new Map<string, number>()
  let at = headBytes
  for (const request of requests) {
    const isPlain = request.operation === operations.take && request.uses.every(isPlainUse)
    at = blob.writeUInt8(isPlain ? operations.takePlain : request.operation, at)
    at = blob.writeUInt8(request.uses.length, at)
    if (!isPlain) at = blob.writeDoubleLE(request.at, at)
    for (const use of request.uses) {
      let place = places.get(use.counter)
      if (place === undefined) {
        place = keys.push(isOfAddress(use) ? `${epoch.prefix}young` : `${epoch.prefix}:${use.counter}`)
        places.set(use.counter, place)
        if (hasNames) names.push(use.counter)
      }
      if (use.cells !== undefined) names[place - 2] = Buffer.from(use.cells)
      at = isPlain ? writePlainUse(blob, use, place, at) : writeUse(blob, use, place, at)
    }
  }
  return [`${keys.length}`, ...keys, epoch.value, node, blob.subarray(0, at), ...names]
}

export function byHash(call: readonly (string | Buffer)[]): readonly (string | Buffer)[] {
  return ['EVALSHA', limiterScriptSha, ...call]
}

export function byText(call: readonly (string | Buffer)[]): readonly (string | Buffer)[] {
  return ['EVAL', limiterScript, ...call]
}

function isOfAddress({ kind }: RequestUse): boolean {
  return (kind & addressBit) !== 0
}

function writeHead(blob: Buffer, { epoch, leastTime, mostTime, clocks }: CallHead, requests: number): void {
  let at = blob.writeDoubleLE(epoch.beganAt, 0)
  at = blob.writeDoubleLE(leastTime, at)
  at = blob.writeDoubleLE(mostTime, at)
  at = blob.writeDoubleLE(clocks === undefined ? 0 : testExtraMs, at)
  at = blob.writeDoubleLE(clocks?.steady ?? -1, at)
  at = blob.writeDoubleLE(clocks?.wall ?? -1, at)
  at = blob.writeUInt32LE(addressCellsMax, at)
  blob.writeUInt32LE(requests, at)
}

function writePlainUse(blob: Buffer, use: RequestUse, place: number, from: number): number {
  let at = blob.writeUInt16LE(place, from)
  at = blob.writeUInt32LE(use.amount, at)
  at = blob.writeUInt32LE(use.span, at)
  return blob.writeUInt32LE(use.cost, at)
}

function writeUse(blob: Buffer, use: RequestUse, place: number, from: number): number {
  let at = blob.writeUInt16LE(place, from)
  at = blob.writeUInt8(use.kind, at)
  at = blob.writeDoubleLE(use.amount, at)
  at = blob.writeDoubleLE(use.span, at)
  at = blob.writeDoubleLE(use.cost, at)
  return blob.writeDoubleLE(use.taken, at)
}

/** A cost beyond the limit is no plain one. */
function isPlainUse({ kind, cost, amount }: RequestUse): boolean {
  return kind === 0 && cost <= amount
}
