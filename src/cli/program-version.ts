import { readFileSync } from 'node:fs'

/** The version in package.json, which is two folders up from the sources and from the built package alike. */
export function programVersion(): string {
  const text = readFileSync(new URL('../../package.json', import.meta.url), 'utf8')
  return String((JSON.parse(text) as { readonly version: unknown }).version)
}
