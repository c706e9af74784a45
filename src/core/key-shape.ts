/**
 * Text that looks like a key of any prefix: `<prefix>_<live|test>_<id>_` and what follows of a
 * secret. Wider than a valid key, because a key that is cut short, mistyped or has a wrong checksum
 * still contains a secret. So one strange character does not end the secret, and if the id is
 * mistyped, a run of 24 letters and digits after it counts as the secret.
 *
 * No match contains a quote, a backslash or a space, so that a line of JSON stays one.
 */
const keyShape =
  /((?:[a-z][a-z0-9]{0,11})?_(?:live|test))_(?:([0-9A-Za-z]{12})_[0-9A-Za-z]*(?:[^0-9A-Za-z\s"\\]{1,2}[0-9A-Za-z]{20,})?|[^\s"\\]{0,14}?[0-9A-Za-z]{24,})/g

/** Whether the text contains a key, or a part of one with some of its secret. */
export function looksLikeKey(text: string): boolean {
  return text.search(keyShape) >= 0
}

/** The id of the first match, if it has one. */
export function findKeyId(text: string): string | undefined {
  return text.matchAll(keyShape).next().value?.[2]
}

/**
 * Replaces everything that looks like a key.
 *
 * @param replace gets the public part of the key: prefix, environment and, unless mistyped, id
 */
export function replaceKeys(text: string, replace: (known: string) => string): string {
  return text.replace(keyShape, (_match, start: string, id: string | undefined) =>
    replace(id === undefined ? start : `${start}_${id}`),
  )
}
