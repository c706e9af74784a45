// `npm run build`: compiles src to dist and copies what is not TypeScript beside it. What follows
// the name of this file goes to `tsc`: `--noCheck`, where something else has checked the types.
import { execFileSync } from 'node:child_process'
import { cpSync, globSync, readFileSync, rmSync, writeFileSync } from 'node:fs'

rmSync('dist', { recursive: true, force: true })
// What is wrong goes to standard error: `npm pack --json` owns standard output.
execFileSync('tsc', ['-p', 'tsconfig.json', ...process.argv.slice(2)], { stdio: ['ignore', 2, 2] })

// `tsc` rewrites what the code imports and leaves two kinds of `./file.ts`, which is not in the
// package. Declarations: TypeScript finds them all the same, other readers of them (Deno, API
// extractors, bundlers of declarations) may not.
rewrite('dist/**/*.d.ts', /((?:from |import |import\()'\.{1,2}\/[^']+)\.ts'/g)
// And the programs of threads, whose URLs are literals, for bundlers to find.
rewrite('dist/**/*.js', /(new URL\('\.{1,2}\/[^']+)\.ts'(?=, import\.meta\.url\))/g)

/** Replaces `.ts'` by `.js'` after what the pattern's group has matched: no column moves. */
function rewrite(files: string, pattern: RegExp): void {
  for (const file of globSync(files)) {
    const text = readFileSync(file, 'utf8')
    const rewritten = text.replace(pattern, "$1.js'")
    if (rewritten !== text) writeFileSync(file, rewritten)
  }
}

for (const file of globSync('src/**/*', { exclude: ['**/*.ts', '**/*.md'], withFileTypes: true })) {
  if (!file.isFile()) continue
  const from = `${file.parentPath}/${file.name}`
  cpSync(from, from.replace(/^(.*\/)?src\//, '$1dist/'))
}
