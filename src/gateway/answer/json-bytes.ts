export const quote = 0x22
export const colon = 0x3a
export const backslash = 0x5c
export const lineFeed = 0x0a
export const carriageReturn = 0x0d
export const openBrace = 0x7b
const openBracket = 0x5b
const closeBrace = 0x7d
const closeBracket = 0x5d
const comma = 0x2c
const space = 0x20
const tab = 0x09

/** Values by their paths: what an upstream sends in them is not known. */
export type JsonObject = Readonly<Record<string, unknown>>

export function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/**
 * Parses the members of an object that are asked for and passes over the others: an answer may hold
 * megabytes of numbers, which would keep every other call waiting.
 * @param paths `usage`, or `response.usage` of an object within it
 * @returns values by their paths; undefined where it is not one object from beginning to end. Of a
 * name that stands twice the last counts, as it does in `JSON.parse`
 */
export function pickMembers(json: Buffer, paths: readonly string[]): JsonObject | undefined {
  const picked: Record<string, unknown> = {}
  const isWhole = readParts(json, openBrace, (name, value) => {
    for (const path of paths) {
      const [first = '', ...others] = path.split('.')
      if (name !== first) continue
      const inner = others.join('.')
      picked[path] = inner === '' ? parseJson(value) : pickMembers(value, [inner])?.[inner]
    }
  })
  return isWhole ? picked : undefined
}

/** @returns the bytes of a value by its path; undefined where it is not there */
export function valueAt(json: Buffer, path: readonly string[]): Buffer | undefined {
  let value: Buffer | undefined = json
  for (const wanted of path) {
    let found: Buffer | undefined
    const isWhole: boolean = readParts(value, openBrace, (name, part) => {
      if (name === wanted) found = part
    })
    value = isWhole ? found : undefined
    if (value === undefined) return undefined
  }
  return value
}

/**
 * @returns the bytes of an object's values by their names; undefined where it is no object, or a
 * name stands twice or has an escape
 */
export function memberSpans(json: Buffer): ReadonlyMap<string, Buffer> | undefined {
  const spans = new Map<string, Buffer>()
  let isPlain = true
  const isWhole = readParts(json, openBrace, (name, value) => {
    if (spans.has(name) || name.includes('\\')) isPlain = false
    spans.set(name, value)
  })
  return isWhole && isPlain ? spans : undefined
}

/** @returns the values of a list, unparsed; undefined where it is not one from beginning to end */
export function listValues(json: Buffer): readonly Buffer[] | undefined {
  const values: Buffer[] = []
  return readParts(json, openBracket, (_, value) => values.push(value)) ? values : undefined
}

function parseJson(json: Buffer): unknown {
  try {
    return JSON.parse(json.toString())
  } catch {
    return undefined
  }
}

/** Calls `onPart` for each member of an object or value of a list. @returns whether it is one */
function readParts(json: Buffer, opens: number, onPart: (name: string, value: Buffer) => void): boolean {
  const end = json.length
  const closes = opens === openBrace ? closeBrace : closeBracket
  let at = skipSpace(json, 0, end)
  if (json[at] !== opens) return false
  at = skipSpace(json, at + 1, end)
  if (json[at] === closes) return skipSpace(json, at + 1, end) === end
  for (;;) {
    let name = ''
    if (opens === openBrace) {
      if (json[at] !== quote) return false
      const close = endOfString(json, at + 1, end)
      name = json.toString('latin1', at + 1, close)
      at = skipSpace(json, close + 1, end)
      if (json[at] !== colon) return false
      at = skipSpace(json, at + 1, end)
    }
    const after = endOfValue(json, at, end)
    if (after === at) return false
    onPart(name, json.subarray(at, after))
    at = skipSpace(json, after, end)
    if (json[at] === closes) return skipSpace(json, at + 1, end) === end
    if (json[at] !== comma) return false
    at = skipSpace(json, at + 1, end)
  }
}

export function beginsWith(bytes: Buffer, from: number, end: number, begin: Buffer): boolean {
  if (end - from < begin.length) return false
  for (let at = 0; at < begin.length; at++) if (bytes[from + at] !== begin[at]) return false
  return true
}

/** @returns where a string's closing quote stands, or where its line ends without one */
export function endOfString(bytes: Buffer, from: number, end: number): number {
  let at = from
  while (at < end) {
    const byte = bytes[at]
    if (byte === quote || byte === lineFeed || byte === carriageReturn) return at
    at += byte === backslash ? 2 : 1
  }
  return end
}

/** @returns where an object or a list ends; of any other value, where it begins */
export function endOfNested(bytes: Buffer, from: number, end: number): number {
  if (bytes[from] !== openBrace && bytes[from] !== openBracket) return from
  let depth = 0
  for (let at = from; at < end; at++) {
    const byte = bytes[at] ?? 0
    if (byte === quote) at = endOfString(bytes, at + 1, end)
    // Below stand digits, signs and commas: nearly all of a list of numbers.
    if (byte < openBracket) continue
    if (byte === openBrace || byte === openBracket) depth++
    else if ((byte === closeBrace || byte === closeBracket) && --depth === 0) return at + 1
  }
  return end
}

function skipSpace(bytes: Buffer, from: number, end: number): number {
  let at = from
  while (at < end && isSpace(bytes[at])) at++
  return at
}

function isSpace(byte: number | undefined): boolean {
  return byte === space || byte === lineFeed || byte === carriageReturn || byte === tab
}

function endOfValue(bytes: Buffer, from: number, end: number): number {
  if (bytes[from] === quote) return Math.min(endOfString(bytes, from + 1, end) + 1, end)
  if (bytes[from] === openBrace || bytes[from] === openBracket) return endOfNested(bytes, from, end)
  let at = from
  while (at < end && !isSpace(bytes[at]) && bytes[at] !== comma) {
    if (bytes[at] === closeBrace || bytes[at] === closeBracket) break
    at++
  }
  return at
}
