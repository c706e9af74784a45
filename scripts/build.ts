// `npm run build`: compiles src and writes the two packages, whole, to dist/modelward and
// dist/server. What follows the name of this file goes to `tsc`: `--noCheck`, where something else
// has checked the types.
import { execFileSync } from 'node:child_process'
import { cpSync, globSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join, normalize, relative } from 'node:path'
import {
  internal,
  library,
  type PublishedPackage,
  server,
  serverFolders,
  withAbsoluteLinks,
} from './packages.ts'

const code = join(library.folder, 'dist')
const serverCode = join(server.folder, 'dist')

rmSync('dist', { recursive: true, force: true })
// Code without comments, which stand in the sources beside it; then declarations, with their own.
compile('--removeComments', ...process.argv.slice(2))
compile('--noCheck', '--emitDeclarationOnly', '--declarationMap')

// `tsc` rewrites what the code imports and leaves two kinds of `./file.ts`, which is not in the
// package. Declarations: TypeScript finds them all the same, other readers of them (Deno, API
// extractors, bundlers of declarations) may not. No column moves.
rewrite(`${code}/**/*.d.ts`, (text) =>
  text.replace(/((?:from |import |import\()'\.{1,2}\/[^']+)\.ts'/g, "$1.js'"),
)
// And the programs of threads, whose URLs are literals, for bundlers to find.
rewrite(`${code}/**/*.js`, (text) =>
  text.replace(/(new URL\('\.{1,2}\/[^']+)\.ts'(?=, import\.meta\.url\))/g, "$1.js'"),
)
// webpack finds them where `Worker` is of `worker_threads`; with `node:` before it, webpack 5.113
// writes a constructor that is none.
rewrite(`${code}/**/*.js`, (text) =>
  text.replace(/^(import \{ (?:\w+, )*Worker(?:, \w+)* \} from ')node:(?=worker_threads')/gm, '$1'),
)
// What only a run knows, such as the file of a model, no bundler must look for. The compiler's
// function that would rewrite it goes, with no line moved: none of it is a relative path, and
// Terser 5 writes `import()` with two arguments where it inlines that.
rewrite(`${code}/**/*.js`, (text) =>
  text
    .replaceAll('import(__rewriteRelativeImportExtension(', 'import(/* webpackIgnore: true */ (')
    .replace(/^var __rewriteRelativeImportExtension = .*?^\};$/ms, (block) => block.replace(/[^\n]+/g, '')),
)
// The package has its sources beside its code.
rewrite(`${code}/**/*.d.ts.map`, (text, file) =>
  text.replace(/"(?:\.\.\/)+src\//, `"${relative(dirname(file), join(library.folder, 'src'))}/`),
)

mkdirSync(serverCode, { recursive: true })
for (const folder of serverFolders) renameSync(join(code, folder), join(serverCode, folder))
// What the server shares with the library it imports from there: one copy of each class.
rewrite(`${serverCode}/**/*.js`, (text, file) =>
  text.replace(
    /((?:from |import |import\()')(\.{1,2}\/[^']+)(?=')/g,
    (whole, before: string, path: string) => {
      const target = normalize(join(dirname(relative(serverCode, file)), path))
      return isOfServer(target) ? whole : `${before}${internal}/${target}`
    },
  ),
)
// It has no library: nothing reads its declarations.
for (const file of globSync(`${serverCode}/**/*.d.ts{,.map}`)) rmSync(file)
const reached = reachedDeclarations()
for (const file of globSync(`${code}/**/*.d.ts`))
  if (!reached.has(file)) for (const left of [file, `${file}.map`]) rmSync(left)

for (const file of globSync('src/**/*', { exclude: ['**/*.test.ts', '**/*.md'], withFileTypes: true })) {
  if (!file.isFile()) continue
  const from = join(file.parentPath, file.name)
  const path = relative('src', from)
  const { folder } = isOfServer(path) ? server : library
  // What is not TypeScript stands beside the code that reads it.
  cpSync(from, join(folder, file.name.endsWith('.ts') ? 'src' : 'dist', path))
}
for (const made of [library, server]) writeManifest(made)

function compile(...options: readonly string[]): void {
  // What is wrong goes to standard error: standard output belongs to what the scripts make.
  execFileSync('tsc', ['-p', 'tsconfig.json', '--outDir', code, ...options], { stdio: ['ignore', 2, 2] })
}

function rewrite(files: string, change: (text: string, file: string) => string): void {
  for (const file of globSync(files)) {
    const text = readFileSync(file, 'utf8')
    const rewritten = change(text, file)
    if (rewritten !== text) writeFileSync(file, rewritten)
  }
}

/** Whether a path below `src`, or below the compiled code, belongs to the server's package. */
function isOfServer(path: string): boolean {
  return serverFolders.some((folder) => path.startsWith(`${folder}/`))
}

/** The declarations that an entry point leads to: TypeScript reads no others. */
function reachedDeclarations(): ReadonlySet<string> {
  const entries = Object.values(library.manifest['exports'] as Readonly<Record<string, { types?: string }>>)
  const reached = new Set(entries.flatMap(({ types }) => (types ? [join(library.folder, types)] : [])))
  for (const file of reached) {
    const text = readFileSync(file, 'utf8')
    for (const [, path = ''] of text.matchAll(/(?:from |import |import\()'(\.[^']+)\.js'/g))
      reached.add(`${join(dirname(file), path)}.d.ts`)
  }
  return reached
}

function writeManifest({ folder, manifest }: PublishedPackage): void {
  writeFileSync(join(folder, 'package.json'), `${JSON.stringify(manifest, undefined, 2)}\n`)
  for (const page of ['README.md', 'LICENSE', 'CHANGELOG.md', 'SECURITY.md'])
    writeFileSync(join(folder, page), withAbsoluteLinks(readFileSync(page, 'utf8')))
}
