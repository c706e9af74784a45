import { replaceKeys } from '../core/key-shape.ts'

/** Peppers, and other secrets: 43 or more of the characters that secrets are written in. */
const secretPattern = /(?<![0-9A-Za-z_-])(\d{1,6}:)?[0-9A-Za-z_-]{43,}={0,2}/g

/** Redacts what may be a secret, put in the wrong place by mistake, in text for people or logs. */
export function redact(text: string): string {
  return replaceKeys(text, (known) => `${known}_…`).replace(secretPattern, '[redacted]')
}
