/**
 * Largest answer of a model, and largest result of a job, where nothing else is set: 16 MiB of
 * JSON. Smaller, and honest embeddings of a batch would not fit; larger, and one answer would hold
 * up the thread that everyone shares.
 */
export const answerBytesMax: number = 16 * 1_048_576

/**
 * JSON that has been written: as text, or in UTF-8 where another thread wrote it. Bytes are sent as
 * they are, while a text of 16 MiB takes up to 100 ms to be encoded.
 */
export type WrittenJson = string | Uint8Array

/** Puts pieces together, in bytes if one of them is. */
export function concatJson(pieces: readonly WrittenJson[]): WrittenJson {
  if (pieces.every((piece) => typeof piece === 'string')) return pieces.join('')
  return Buffer.concat(pieces.map((piece) => (typeof piece === 'string' ? Buffer.from(piece) : piece)))
}

export function textOfJson(json: WrittenJson): string {
  if (typeof json === 'string') return json
  return Buffer.from(json.buffer, json.byteOffset, json.byteLength).toString()
}
