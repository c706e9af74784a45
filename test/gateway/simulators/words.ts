import type { Body } from './simulator.ts'

/** What a model says that was not told otherwise: five tokens. */
export const usualWords: readonly string[] = ['The', ' sky', ' is', ' blue', '.']

/** Tokens of a text, for these models: its words. */
export function countWords(text: string): number {
  return text.split(/\s+/).filter((word) => word !== '').length
}

/** All text of a prompt, a message, or a list of them. */
export function textOf(value: unknown): string {
  if (typeof value === 'string') return value
  if (Array.isArray(value)) return value.map(textOf).join(' ')
  if (typeof value !== 'object' || value === null) return ''
  const { content, text } = value as { readonly content?: unknown; readonly text?: unknown }
  return textOf(content ?? text ?? '')
}

/** What is said within a bound, and whether it ended by itself. */
export interface Said {
  readonly words: readonly string[]
  readonly isCut: boolean
}

/** @param bound undefined, 0 and less: none */
export function say(words: readonly string[], bound: unknown): Said {
  const most = typeof bound === 'number' && bound > 0 ? bound : words.length
  return { words: words.slice(0, most), isCut: most < words.length }
}

/** An event of a stream. */
export function event(data: unknown, name?: string): string {
  const text = typeof data === 'string' ? data : JSON.stringify(data)
  return `${name === undefined ? '' : `event: ${name}\n`}data: ${text}\n\n`
}

/** A member that is a whole number, or undefined. */
export function numberOf(body: Body, name: string): number | undefined {
  const value = body[name]
  return typeof value === 'number' ? value : undefined
}

/** A member that is an object, or an empty one. */
export function objectOf(body: Body, name: string): Body {
  const value = body[name]
  return typeof value === 'object' && value !== null ? (value as Body) : {}
}
