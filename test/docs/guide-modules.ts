import { type Block, fileOf, readBlocks } from './page-blocks.ts'

/**
 * The snippets of a guide as modules that run.
 *
 * - The `ts` blocks of a page run in order, as one module. A later block sees the declarations of
 *   earlier ones, and may redeclare them.
 * - A block whose first line names a file, `// app.ts`, is that file; other blocks may import it.
 * - `expression // → value`, and `const name = expression // → value`, on one line, state a result.
 *   `, … }` at the end of a value means that there are more members.
 * - Ports 3000 to 3009 are replaced by free ports in each run.
 *
 * Every line keeps its number, so an error names the line of the page.
 */
export interface GuideModules {
  /** The modules by their file names; the page's own is `page.ts`. */
  readonly files: ReadonlyMap<string, string>
  /** How many results the page states. */
  readonly stated: number
}

/** Languages of blocks that are shown and not run. Everything else must be `ts`. */
const shown: ReadonlySet<string> = new Set(['sh', 'python', 'json', 'text'])

export function createGuideModules(name: string, text: string): GuideModules {
  const blocks = readBlocks(text)
  const unknown = blocks.find(({ language }) => language !== 'ts' && !shown.has(language))
  if (unknown !== undefined)
    throw new Error(`${name}:${unknown.start}: no such language: ${unknown.language}`)
  const runs = blocks.filter(({ language }) => language === 'ts')
  const files = new Map<string, string>()
  for (const block of runs) {
    const file = fileOf(block)
    if (file === undefined) continue
    if (files.has(file)) throw new Error(`${name}:${block.start}: ${file} is there already`)
    if (block.lines.some((line) => line.includes('→')))
      throw new Error(`${name}:${block.start}: a file of its own states no results`)
    files.set(file, '\n'.repeat(block.start) + block.lines.join('\n'))
  }
  const page = createPage(
    name,
    text.split('\n').length,
    runs.filter((block) => fileOf(block) === undefined),
  )
  return { files: files.set('page.ts', page.text), stated: page.stated }
}

/** One module of all blocks, each nested in the one before it, so that it may redeclare a name. */
function createPage(name: string, lineCount: number, blocks: readonly Block[]) {
  const lines: string[] = Array.from({ length: lineCount }, () => '')
  const imports = createImports()
  let stated = 0
  for (const { start, lines: written } of blocks) {
    lines[start - 1] = '{'
    for (const [index, line] of written.entries()) {
      const where = `${name}:${start + index + 1}`
      if (imports.take(line, where)) continue
      const checked = checkResult(line, where)
      if (checked !== undefined) stated += 1
      lines[start + index] = checked ?? line.replace(/^export /, '')
    }
  }
  // In place of the page's title and of its last line.
  lines[0] = `import { check, finish } from '../checked.ts'; ${imports.text()}`
  return { text: `${lines.join('\n')}\n${'}'.repeat(blocks.length)}; finish()\n`, stated }
}

/** The line with a check of its result; undefined if it states none. */
function checkResult(line: string, where: string): string | undefined {
  const [, indent = '', declared, expression, value] =
    /^(\s*)(const \w+ = )?(.*?) +\/\/ → (.+)$/.exec(line) ?? []
  if (expression === undefined || value === undefined) {
    if (/→|\/\/ \d{3}$/.test(line))
      throw new Error(`${where}: a result is written \`expression // → value\`, on one line`)
    return undefined
  }
  const isPartial = /, … }$/.test(value)
  const check = `${value.replace(/, … }$/, ' }')}, ${isPartial}, ${JSON.stringify(where)})`
  if (declared === undefined) return `${indent};check(${expression}, ${check}`
  return `${indent}${declared}${expression}; check(${declared.slice(6, -3)}, ${check}`
}

/** The imports of a page: several blocks may import the same name from the same module. */
function createImports() {
  const others = new Set<string>()
  const named = new Map<string, Set<string>>()
  return {
    take(line: string, where: string): boolean {
      if (!line.startsWith('import ')) return false
      const [, type = '', main, names, from] =
        /^import (type )?(\w+)?,? ?(?:{ (.*) })? from ('[^']+')$/.exec(line) ?? []
      if (from === undefined) throw new Error(`${where}: an import must be on one line`)
      if (main !== undefined) others.add(`import ${type}${main} from ${from}`)
      const known = named.get(from) ?? new Set<string>()
      named.set(from, known)
      for (const imported of names?.split(', ') ?? []) known.add(`${type}${imported}`)
      return true
    },
    text: () =>
      [
        ...others,
        ...[...named].flatMap(([from, names]) =>
          names.size === 0 ? [] : [`import { ${[...names].join(', ')} } from ${from}`],
        ),
      ].join('; '),
  }
}
