// Stands in for npm in a reader's terminal, so that no page waits for a registry: `npm install`
// links what this machine has installed already and the project's own packages, and
// `npm run package` writes files of their names. All else is npm itself, without the scripts that
// run before: they install the dependencies of a clone, which the tests have.
import { spawnSync } from 'node:child_process'
import { chmodSync, existsSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { basename, dirname, join, resolve } from 'node:path'

/** The built project, and the path on which npm itself is. */
const { READER_PACKAGE = '', READER_PATH = '' } = process.env
const { version } = JSON.parse(readFileSync(join(READER_PACKAGE, 'package.json'), 'utf8')) as {
  readonly version: string
}
/** The project's own packages, by the names of their files. */
const tarballs: Readonly<Record<string, string>> = {
  [`modelward-${version}.tgz`]: 'modelward',
  [`modelward-server-${version}.tgz`]: '@modelward/server',
}
const [command, ...args] = process.argv.slice(2)

if (command === 'install') {
  for (const argument of args) if (argument !== '--save-dev') link(nameOf(argument))
} else if (command === 'run' && args.includes('package')) pack()
else {
  const npm = { stdio: 'inherit', env: { ...process.env, PATH: READER_PATH } } as const
  process.exitCode = spawnSync('npm', ['--ignore-scripts', ...process.argv.slice(2)], npm).status ?? 1
}

function pack(): void {
  const folder = args[args.indexOf('--') + 1] ?? 'dist'
  for (const tarball of Object.keys(tarballs)) writeFileSync(join(folder, tarball), '')
}

/** The package that an argument of `npm install` names: by its name, or as a file. */
function nameOf(argument: string): string {
  if (!argument.endsWith('.tgz')) return argument
  const name = tarballs[basename(argument)]
  if (name === undefined || !existsSync(argument)) throw new Error(`npm install: there is no ${argument}`)
  return name
}

/** Links a package and its programs into the folder's `node_modules`. */
function link(name: string): void {
  const isOwn = Object.values(tarballs).includes(name)
  const from = join(READER_PACKAGE, isOwn ? 'dist/node_modules' : 'node_modules', name)
  if (!existsSync(from)) throw new Error(`npm install: ${name} is not among the project's dependencies`)
  linkTo(from, join('node_modules', name))
  const { bin = {} } = JSON.parse(readFileSync(join(from, 'package.json'), 'utf8')) as {
    readonly bin?: Readonly<Record<string, string>>
  }
  for (const [program, file] of Object.entries(bin)) {
    chmodSync(join(from, file), 0o755)
    linkTo(join(from, file), join('node_modules/.bin', program))
  }
  // It depends on the library, whose program npm links too.
  if (name === '@modelward/server' && !existsSync('node_modules/modelward')) link('modelward')
}

function linkTo(target: string, path: string): void {
  mkdirSync(dirname(path), { recursive: true })
  symlinkSync(resolve(target), path)
}
