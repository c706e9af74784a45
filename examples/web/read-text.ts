import { Refusal } from 'modelward'

/** The most bytes that are read of a body: nothing else bounds it here. */
const bodyBytesMax = 65_536

/**
 * The `text` of a JSON body.
 *
 * @throws Refusal `body_too_large` or `input_invalid`
 */
export async function readText(request: Request): Promise<string> {
  const pieces: Uint8Array<ArrayBuffer>[] = []
  let bytes = 0
  for await (const piece of request.body ?? []) {
    bytes += piece.length
    if (bytes > bodyBytesMax) throw new Refusal('body_too_large')
    pieces.push(piece)
  }
  const text = parse(await new Blob(pieces).text())?.text
  if (typeof text !== 'string') throw new Refusal('input_invalid', 'Send a text.')
  return text
}

function parse(json: string): { readonly text?: unknown } | null {
  try {
    return JSON.parse(json)
  } catch {
    return null
  }
}
