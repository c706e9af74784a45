import { randomUUID } from 'node:crypto'
import { invalidBody, invalidJson, parseJsonText } from './json-text.ts'
import { type JsonList, type JsonScan, pieceWeight } from './scan-json.ts'

/**
 * Bytes of a large body that are scanned, or parsed, in one turn of the event loop: a
 * millisecond's worth or two.
 */
export const pieceBytes = 131_072

/**
 * Most objects and lists in a value of a list, or beside lists, a name of a member counting for
 * two: an engine takes a tenth of a microsecond for each, and half a one for a name it has not met.
 */
const weightMax = 65_536

/**
 * Parses a large body in steps: its lists in pieces, then what is beside them. Gives what the whole
 * would be, for JSON's grammar knows no more of a list than that commas stand between its values.
 *
 * @param scan has read all of it, with `pieceBytes`
 * @param valueBytesMax bytes of the largest value of a list: it is parsed in one step
 * @throws Refusal `input_invalid`
 */
export function* parseLargeJson(
  body: Buffer,
  scan: JsonScan,
  valueBytesMax: number,
): Generator<void, unknown> {
  if (!scan.isBalanced) throw invalidJson()
  const bytesMax = valueBytesMax + pieceBytes
  const lists: unknown[][] = []
  const marks = scan.lists.map(() => randomUUID())
  const beside = besideLists(body, scan.lists, marks)
  if (beside.length > bytesMax) throw tooLarge(valueBytesMax)
  if (scan.weightOfPiece > weightMax + pieceWeight) throw tooManyValues()
  for (const list of scan.lists) {
    const values: unknown[] = []
    lists.push(values)
    for (const piece of piecesOf(body, list)) {
      if (piece.length > bytesMax) throw tooLarge(valueBytesMax)
      yield
      for (const value of parsePiece(piece)) values.push(value)
    }
  }
  yield
  return fillIn(parseJsonText(beside.toString('utf8')), marks, lists)
}

/**
 * The body with a mark in the place of each list: a list, too, for a text could be a name, with a
 * text in it that no client can guess.
 */
function besideLists(body: Buffer, lists: readonly JsonList[], marks: readonly string[]): Buffer {
  const parts: Buffer[] = []
  let at = 0
  for (const [index, { start, end }] of lists.entries()) {
    parts.push(body.subarray(at, start), Buffer.from(`["${marks[index]}"]`))
    at = end + 1
  }
  return Buffer.concat([...parts, body.subarray(at)])
}

function* piecesOf(body: Buffer, { start, cuts, end }: JsonList): Generator<Buffer> {
  if (body[end] !== closingBracket) throw invalidJson()
  let at = start
  for (const cut of [...cuts, end]) {
    yield body.subarray(at + 1, cut)
    at = cut
  }
}

const closingBracket = 0x5d

function parsePiece(piece: Buffer): readonly unknown[] {
  const values = parseJsonText(`[${piece.toString('utf8')}]`) as readonly unknown[]
  // Two commas, or one at an end, with nothing between.
  if (values.length === 0) throw invalidJson()
  return values
}

/** What is beside the lists, with each list in the place of its mark. */
function fillIn(beside: unknown, marks: readonly string[], lists: readonly (readonly unknown[])[]): unknown {
  const listOfMark = new Map<unknown, readonly unknown[]>(lists.map((list, index) => [marks[index], list]))
  const listOf = (value: unknown): unknown => {
    return (Array.isArray(value) && value.length === 1 && listOfMark.get(value[0])) || value
  }
  if (typeof beside !== 'object' || beside === null || Array.isArray(beside)) return listOf(beside)
  for (const [name, value] of Object.entries(beside)) {
    const list = listOf(value)
    if (list !== value) (beside as Record<string, unknown>)[name] = list
  }
  return beside
}

function tooLarge(valueBytesMax: number) {
  return invalidBody(
    `No value of a list should have more than ${valueBytesMax} bytes, nor all that is beside lists`,
    'too_large',
  )
}

function tooManyValues() {
  return invalidBody(
    `No value of a list should have more than ${weightMax} objects, lists and names, nor all that is beside lists`,
    'too_many_values',
  )
}
