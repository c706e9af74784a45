/**
 * A list of bytes as one text for `bytesIn`, in hexadecimal digits. Of texts or buffers in a list
 * the driver quotes and escapes each.
 */
export function writeBytesList(list: readonly Uint8Array[]): string {
  return list.map((bytes) => `\\x${Buffer.from(bytes).toString('hex')}`).join(',')
}

/** The list of a statement's value, which has one element at least, as SQL. */
export function bytesIn(place: number): string {
  return `string_to_array($${place}, ',')::bytea[]`
}
