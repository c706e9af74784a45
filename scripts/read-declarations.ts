import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'

/** An exported name, as a reader of the package meets it. */
export interface Declaration {
  readonly name: string
  /** Whether it is there when the program runs: a function, a class, a constant. */
  readonly isValue: boolean
  /** The text of its docstring; empty without one. */
  readonly doc: string
  /** Its declaration, or each of its overloads. */
  readonly code: string
}

/** A file that the package exports, with what is exported from it. */
export interface EntryPoint {
  readonly doc: string
  readonly declarations: readonly Declaration[]
  /** What it adds to the types of other packages (`declare module`). */
  readonly augmentations: readonly string[]
}

/** A statement of a declaration file, with the docstring above it. */
interface Statement {
  readonly doc: string
  readonly code: string
}

const compiler = resolve('node_modules/typescript/bin/tsc')
const formatter = resolve('node_modules/@biomejs/biome/bin/biome')

/**
 * Reads the entry points from what the compiler declares of the sources, written as the house
 * writes it.
 *
 * @param entries paths of the files under `src`, without extension, such as `hono/index`
 */
export function readEntryPoints(entries: readonly string[]): readonly EntryPoint[] {
  const folder = mkdtempSync(join(tmpdir(), 'modelward-declarations-'))
  try {
    // Whether the types are right is for other checks to say.
    const options = ['--noCheck', '--emitDeclarationOnly', '--sourceMap', 'false', '--inlineSources', 'false']
    run(compiler, ['-p', 'tsconfig.json', ...options, '--outDir', folder])
    const { formatter: form, javascript } = JSON.parse(readFileSync('biome.json', 'utf8')) as Readonly<
      Record<string, unknown>
    >
    writeFileSync(join(folder, 'biome.json'), JSON.stringify({ root: true, formatter: form, javascript }))
    run(formatter, ['format', '--write', `--config-path=${folder}`, folder])
    return entries.map((entry) => readEntryPoint(folder, `${entry}.d.ts`))
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

function run(program: string, args: readonly string[]): void {
  execFileSync(process.execPath, [program, ...args], { stdio: ['ignore', 'ignore', 'inherit'] })
}

function readEntryPoint(folder: string, file: string): EntryPoint {
  const text = readFileSync(join(folder, file), 'utf8')
  const exported = readExports(folder, file)
  const files = [...new Set(exported.map(({ declaredIn }) => declaredIn))]
  return {
    doc: /^\/\*\*.*?\*\//s.exec(text)?.map(textOfDoc)[0] ?? '',
    declarations: exported.map(({ name, declaredIn }) => findDeclaration(folder, declaredIn, name)),
    augmentations: files
      .flatMap((path) => readStatements(folder, path))
      .map(({ code }) => code)
      .filter((code) => code.startsWith('declare module ')),
  }
}

interface Exported {
  readonly name: string
  /** The file that declares it, and not one that only hands it on. */
  readonly declaredIn: string
}

/** What a file exports from others. */
function readExports(folder: string, file: string): readonly Exported[] {
  const text = readFileSync(join(folder, file), 'utf8')
  return [...text.matchAll(/^export (?:type )?\{([^}]*)\} from '([^']+)\.ts'$/gm)].flatMap(
    ([, names = '', from = '']) => {
      const source = join(file, '..', `${from}.d.ts`)
      const handedOn = new Map(readExports(folder, source).map((each) => [each.name, each]))
      return names
        .split(',')
        .map((name) => name.trim().replace(/^type /, ''))
        .filter((name) => name !== '')
        .map((name) => handedOn.get(name) ?? { name, declaredIn: source })
    },
  )
}

function findDeclaration(folder: string, file: string, name: string): Declaration {
  const pattern = new RegExp(
    `^export (?:declare )?(?:abstract )?(function|class|const|interface|type) ${name}\\b`,
  )
  const found = readStatements(folder, file).filter(({ code }) => pattern.test(code))
  const [first] = found
  if (first === undefined) throw new Error(`${file}: expected a declaration of ${name}, got none`)
  const [, kind = ''] = pattern.exec(first.code) ?? []
  return {
    name,
    isValue: ['function', 'class', 'const'].includes(kind),
    doc: found.map(({ doc }) => doc).find((doc) => doc !== '') ?? '',
    code: found
      .map(({ code }) => code.replace(/^export (?:declare )?/, '').replace(/^ {2}#private\n/m, ''))
      .join('\n'),
  }
}

/**
 * The statements of a formatted file: each starts at the margin, and so does the docstring above
 * it.
 */
function readStatements(folder: string, file: string): readonly Statement[] {
  const statements: Statement[] = []
  let doc = ''
  for (const part of readFileSync(join(folder, file), 'utf8').split(/\n(?=[a-z/])/)) {
    if (!part.startsWith('/**')) statements.push({ doc, code: part.trimEnd() })
    doc = part.startsWith('/**') ? textOfDoc(part.trimEnd()) : ''
  }
  return statements
}

/** A docstring without its stars. */
function textOfDoc(comment: string): string {
  return comment
    .replace(/^\/\*\*|\*\/$/g, '')
    .replace(/^[ \t]*\* ?/gm, '')
    .trim()
}
