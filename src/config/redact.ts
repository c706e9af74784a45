/** Keys of any prefix, whole or cut short, and peppers: 43 characters or more of what secrets are written in. */
const secretPatterns: readonly (readonly [RegExp, string])[] = [
  [/\b([a-z][a-z0-9]{1,11}_(?:live|test)_[0-9A-Za-z]{12})_[0-9A-Za-z]+/g, '$1_…'],
  [/(?<![0-9A-Za-z_-])(\d{1,6}:)?[0-9A-Za-z_-]{43,}={0,2}/g, '[redacted]'],
]

/** Takes whatever may be a secret out of a text that people or logs will see: somebody may have put one in the wrong place. */
export function redact(text: string): string {
  return secretPatterns.reduce((rest, [pattern, replacement]) => rest.replaceAll(pattern, replacement), text)
}
