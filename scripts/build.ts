// `npm run build`: compiles src to dist and copies what is not TypeScript beside it.
import { execFileSync } from 'node:child_process'
import { cpSync, globSync, rmSync } from 'node:fs'

rmSync('dist', { recursive: true, force: true })
execFileSync('tsc', ['-p', 'tsconfig.json'], { stdio: 'inherit' })
for (const file of globSync('src/**/*', { exclude: ['**/*.ts', '**/*.md'], withFileTypes: true })) {
  if (!file.isFile()) continue
  const from = `${file.parentPath}/${file.name}`
  cpSync(from, from.replace(/^(.*\/)?src\//, '$1dist/'))
}
