import { type CharacterSet, readSyntax, type Syntax, setsOf } from './expression-syntax.ts'

/** A text that may make an expression slow: something repeated, between two ends. */
export interface Attack {
  readonly before: string
  readonly repeated: string
  readonly after: string
}

const samplesPerExpression = 5
/** Longest beginning of a match that is tried, in characters. */
const beforeMax = 24

/**
 * Texts that make a backtracking matcher slow if anything does: the beginning of a match, then what
 * two loops could both take, many times over, then an end that no match has. The beginnings are cut
 * from texts that the expression matches; what is repeated is a character of each kind that the
 * expression tells apart, or a piece of a match.
 */
export function* attacksOn(expression: RegExp): Generator<Attack> {
  const syntax = readSyntax(expression)
  const kinds = kindsOf(setsOf(syntax))
  const ends = ['', `\0${kinds.join('')}\0`]
  const seen = new Set<string>()
  for (let seed = 1; seed <= samplesPerExpression; seed += 1) {
    const sample = [...sampleOf(syntax, createDraw(seed))]
    for (let cut = 0; cut <= Math.min(sample.length, beforeMax); cut += 1) {
      const before = sample.slice(0, cut).join('')
      const pieces = [2, 3, 6].map((length) => sample.slice(cut, cut + length).join(''))
      for (const repeated of new Set([...kinds, ...pieces])) {
        const name = JSON.stringify([before, repeated])
        if (repeated === '' || seen.has(name)) continue
        seen.add(name)
        for (const after of ends) yield { before, repeated, after }
      }
    }
  }
}

/** The text of an attack, so many UTF-16 units long that its repeated part fills `length`. */
export function textOf({ before, repeated, after }: Attack, length: number): string {
  return before + repeated.repeat(Math.ceil(length / repeated.length)) + after
}

/** One character of each kind: two are of one kind if each set has both of them or neither. */
function kindsOf(sets: readonly CharacterSet[]): readonly string[] {
  const all = new Set(sets.flatMap(({ members }) => members))
  const kinds = Map.groupBy(all, (each) => sets.map(({ members }) => Number(members.includes(each))).join(''))
  return [...kinds.values()].map(([first = '']) => first)
}

/** Draws a whole number from 0 up to, not including, `below`. */
type Draw = (below: number) => number

/** A text that the expression matches, but for what its assertions ask. */
function sampleOf(syntax: Syntax, draw: Draw): string {
  switch (syntax.kind) {
    case 'nothing':
      return ''
    case 'set':
      return syntax.set.members[draw(syntax.set.members.length)] ?? ''
    case 'all':
      return syntax.parts.map((part) => sampleOf(part, draw)).join('')
    case 'one': {
      const part = syntax.parts[draw(syntax.parts.length)]
      return part === undefined ? '' : sampleOf(part, draw)
    }
    case 'repeat': {
      const count = Math.min(syntax.max, syntax.min + draw(3))
      return Array.from({ length: count }, () => sampleOf(syntax.part, draw)).join('')
    }
  }
}

/** The same numbers for the same seed (mulberry32). */
function createDraw(seed: number): Draw {
  let state = seed
  return function draw(below) {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) % Math.max(1, below)
  }
}
