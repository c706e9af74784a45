import { globSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'

/** An import of a source file, of a value or a type. */
export interface Import {
  readonly from: string
  /** A path from the project's root, or the specifier of a package or built-in. */
  readonly to: string
}

/** Sources without their tests. */
export const sources: readonly string[] = globSync('src/**/*.ts', { exclude: ['**/*.test.ts'] }).sort()

/** `from '…'`, `import '…'`, `import('…')` and `require('…')`. */
const pattern = /(?:\bfrom\s|\bimport\s*\(?|\brequire\()\s*'([a-z@.][^'\s]*)'/g

function readImports(file: string): readonly Import[] {
  const code = readFileSync(file, 'utf8').replace(/^\s*(?:\/\/|\*|\/\*).*$/gm, '')
  return [...code.matchAll(pattern)].map(([, specifier = '']) => ({
    from: file,
    to: specifier.startsWith('.') ? join(dirname(file), specifier) : specifier,
  }))
}

export const imports: readonly Import[] = sources.flatMap(readImports)

/**
 * Files that import each other, directly or through others: each circle as the list of its files
 * (Tarjan, 1972).
 */
export function findCircles(edges: readonly Import[]): readonly (readonly string[])[] {
  const targets = Map.groupBy(edges, ({ from }) => from)
  const order = new Map<string, { index: number; low: number; isOpen: boolean }>()
  const stack: string[] = []
  const circles: string[][] = []

  function visit(file: string): { index: number; low: number; isOpen: boolean } {
    const place = { index: order.size, low: order.size, isOpen: true }
    order.set(file, place)
    stack.push(file)
    for (const { to } of targets.get(file) ?? []) {
      const next = order.get(to)
      if (next === undefined) place.low = Math.min(place.low, visit(to).low)
      else if (next.isOpen) place.low = Math.min(place.low, next.index)
    }
    if (place.low !== place.index) return place
    const circle = stack.splice(stack.indexOf(file))
    for (const each of circle) Object.assign(order.get(each) ?? {}, { isOpen: false })
    if (circle.length > 1) circles.push(circle)
    return place
  }

  for (const file of targets.keys()) if (!order.has(file)) visit(file)
  return circles
}
