/**
 * Text that looks like a key, of whatever prefix: `<prefix>_<live|test>_<id>_` and whatever follows
 * of a secret. Wider than what a key is, because a key that is cut short, mistyped or has a wrong
 * checksum still holds a secret. Hence a single strange character in the secret does not end it,
 * and where the id is mistyped, a run of 24 letters and digits after it counts as the secret.
 *
 * Nothing that matches holds a quote, a backslash or a space, so that a line of JSON stays one.
 */
const keyShape =
  /((?:[a-z][a-z0-9]{0,11})?_(?:live|test))_(?:([0-9A-Za-z]{12})_[0-9A-Za-z]*(?:[^0-9A-Za-z\s"\\]{1,2}[0-9A-Za-z]{20,})?|[^\s"\\]{0,14}?[0-9A-Za-z]{24,})/g

/** Whether a key, or a part of one that holds some of its secret, stands somewhere in the text. */
export function looksLikeKey(text: string): boolean {
  return text.search(keyShape) >= 0
}

/** The id of the first thing in the text that looks like a key, where that has one. */
export function findKeyId(text: string): string | undefined {
  return text.matchAll(keyShape).next().value?.[2]
}

/**
 * Replaces whatever looks like a key.
 *
 * @param replace gets what may be shown of the key: prefix, environment and, unless mistyped, id
 */
export function replaceKeys(text: string, replace: (known: string) => string): string {
  return text.replace(keyShape, (_match, start: string, id: string | undefined) =>
    replace(id === undefined ? start : `${start}_${id}`),
  )
}
