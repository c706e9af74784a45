// `npm run package -- FOLDER`: builds the two packages and packs each into the folder, `dist`
// without one, as they would be published; prints the names of the files.
import { execFileSync } from 'node:child_process'
import { mkdirSync } from 'node:fs'
import { resolve } from 'node:path'
import { library, server } from './packages.ts'

// `npm pack` and `npm publish` in the root would take the tree, and call this first.
if (process.env['npm_lifecycle_event'] === 'prepack') {
  process.stderr.write(
    'Two packages are made from this tree, and it is none of them: npm run package -- FOLDER\n',
  )
  process.exit(1)
}

const folder = resolve(process.argv[2] ?? 'dist')
// Before the build, which takes a while: a folder that cannot be made is known at once.
mkdirSync(folder, { recursive: true })
execFileSync(process.execPath, ['scripts/build.ts'], { stdio: ['ignore', 2, 2] })
for (const made of [library, server])
  execFileSync('npm', ['pack', '--loglevel=error', '--pack-destination', folder], {
    cwd: made.folder,
    stdio: ['ignore', 'inherit', 'inherit'],
  })
