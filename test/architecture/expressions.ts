import { readFileSync } from 'node:fs'
import { parseAst } from 'vitest/node'
import { sources } from './imports.ts'

/** A regular expression of the sources, and where it stands. */
export interface Expression {
  /** `file:line` */
  readonly at: string
  readonly expression: RegExp
}

/** A `new RegExp(…)` of the sources: which expression it makes, only running it tells. */
export interface MadeExpression {
  readonly at: string
  readonly file: string
}

interface SyntaxNode {
  readonly type: string
  readonly start: number
  readonly regex?: { readonly pattern: string; readonly flags: string }
  readonly callee?: { readonly name?: string }
}

const literals: Expression[] = []
const made: MadeExpression[] = []
for (const file of sources) readExpressions(file)

/** Every literal. */
export const literalExpressions: readonly Expression[] = literals
/** Every expression that is made of text. */
export const madeExpressions: readonly MadeExpression[] = made

function readExpressions(file: string): void {
  const code = readFileSync(file, 'utf8')
  for (const node of nodesOf(parseAst(code, { lang: 'ts' }, file))) {
    const at = `${file}:${code.slice(0, node.start).split('\n').length}`
    if (node.regex !== undefined)
      literals.push({ at, expression: new RegExp(node.regex.pattern, node.regex.flags) })
    if (/^(?:New|Call)Expression$/.test(node.type) && node.callee?.name === 'RegExp') made.push({ at, file })
  }
}

function* nodesOf(value: unknown): Generator<SyntaxNode> {
  if (typeof value !== 'object' || value === null) return
  if ('type' in value && 'start' in value) yield value as SyntaxNode
  for (const part of Object.values(value)) yield* nodesOf(part)
}
