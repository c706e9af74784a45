// No pattern matches a quote, a backslash or a space, so that a line of JSON stays one.

/**
 * Text that looks like a key of any prefix: `<prefix>_<live|test>_<id>_` and what follows of a
 * secret. Wider than a valid key, because a key that is cut short, mistyped or has a wrong checksum
 * still contains a secret. So one strange character does not end the secret, and if the id is
 * mistyped, a run of 24 letters and digits after it counts as the secret.
 */
const prefixed =
  /((?:[a-z][a-z0-9]{0,11})?_(?:live|test))_(?:([0-9A-Za-z]{12})_[0-9A-Za-z]*(?:[^0-9A-Za-z\s"\\]{1,2}[0-9A-Za-z]{20,})?|[^\s"\\]{0,14}?[0-9A-Za-z]{24,})/

/**
 * A key that has lost its prefix: `<id>_` and a secret, in which capitals and small letters are
 * mixed, as they are not in words, UUIDs and digests. An id may lack a character, or have one too
 * many. A long camel-case name behind a word of that length is taken for one too: to hide it is the
 * lesser mistake.
 */
const bare =
  /(?<![0-9A-Za-z])([0-9A-Za-z]{11,13})_(?:[0-9A-Za-z]{0,19}[^0-9A-Za-z\s"\\]{1,2})?(?=[0-9A-Z]*[a-z])(?=[0-9a-z]*[A-Z])[0-9A-Za-z]{20,}(?:[^0-9A-Za-z\s"\\]{1,2}[0-9A-Za-z]{20,})?/

const keyShape = new RegExp(`${prefixed.source}|${bare.source}`, 'g')

/** Whether the text contains a key, or a part of one with some of its secret. */
export function looksLikeKey(text: string): boolean {
  return text.search(keyShape) >= 0
}

/** The id of the first match, if it has one. */
export function findKeyId(text: string): string | undefined {
  const [, , id, bareId] = text.matchAll(keyShape).next().value ?? []
  return id ?? (bareId?.length === 12 ? bareId : undefined)
}

/**
 * Replaces everything that looks like a key.
 *
 * @param replace gets the public part of the key: prefix, environment and, unless mistyped, id, as
 *   far as they are there
 */
export function replaceKeys(text: string, replace: (known: string) => string): string {
  return text.replace(
    keyShape,
    (_match, start: string | undefined, id: string | undefined, bareId: string | undefined) =>
      replace([start, id, bareId].filter((part) => part !== undefined).join('_')),
  )
}
