// `npm run build`: compiles src to dist and copies what is not TypeScript beside it.
import { execFileSync } from 'node:child_process'
import { cpSync, globSync, readFileSync, rmSync, writeFileSync } from 'node:fs'

rmSync('dist', { recursive: true, force: true })
// What is wrong goes to standard error: `npm pack --json` owns standard output.
execFileSync('tsc', ['-p', 'tsconfig.json'], { stdio: ['ignore', 2, 2] })

// `tsc` rewrites what the code imports and leaves declarations with `./file.ts`, which is not in
// the package: TypeScript finds the declarations all the same, other readers of them (Deno, API
// extractors, bundlers of declarations) may not.
for (const file of globSync('dist/**/*.d.ts')) {
  const text = readFileSync(file, 'utf8')
  writeFileSync(file, text.replace(/((?:from |import\()'\.{1,2}\/[^']+)\.ts'/g, "$1.js'"))
}

for (const file of globSync('src/**/*', { exclude: ['**/*.ts', '**/*.md'], withFileTypes: true })) {
  if (!file.isFile()) continue
  const from = `${file.parentPath}/${file.name}`
  cpSync(from, from.replace(/^(.*\/)?src\//, '$1dist/'))
}
