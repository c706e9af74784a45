/** Takes secrets out of texts, by value. */
export interface Redaction {
  /** Another secret; the ones before stay known. */
  readonly add: (secret: string) => void
  readonly redact: Redact
}

/** @param isCut whether the text may go on: what may begin a secret at its end goes, too */
export type Redact = (text: string, isCut?: boolean) => string

/** Secrets that are known at once: the last one, and those that a file held before. */
const secretsMax = 8

/** What stands in its place. */
const placeholder = '[redacted]'

/**
 * Knows a secret as it is, in JSON, in a URL, and in Base64 with both alphabets, padded or not, as
 * an upstream may repeat what it was sent.
 */
export function createRedaction(first: string): Redaction {
  let secrets: readonly string[] = []
  let forms: readonly string[] = []

  function add(secret: string): void {
    secrets = [secret, ...secrets.filter((other) => other !== secret)].slice(0, secretsMax)
    const all = new Set(secrets.flatMap(formsOf))
    // The longest first: a form within another one would leave the other's rest.
    forms = [...all].toSorted((one, other) => other.length - one.length)
  }

  add(first)
  return {
    add,
    redact(text, isCut = false) {
      const left = forms.reduce((rest, form) => rest.replaceAll(form, placeholder), text)
      const begun = isCut ? Math.max(...forms.map((form) => begunLength(left, form))) : 0
      return begun === 0 ? left : left.slice(0, -begun) + placeholder
    },
  }
}

/** How many characters at the end of a text begin a secret. */
function begunLength(text: string, secret: string): number {
  for (let length = Math.min(text.length, secret.length - 1); length > 0; length -= 1)
    if (text.endsWith(secret.slice(0, length))) return length
  return 0
}

function formsOf(secret: string): readonly string[] {
  return [
    secret,
    JSON.stringify(secret).slice(1, -1),
    encodeURIComponent(secret),
    ...inBase64(secret),
    // What Basic authentication makes of it, with an empty name.
    ...inBase64(`:${secret}`),
  ]
}

function inBase64(text: string): readonly string[] {
  const unpadded = Buffer.from(text).toString('base64url')
  return [unpadded, unpadded.replaceAll('-', '+').replaceAll('_', '/')]
}
