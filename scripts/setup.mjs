// Runs before `npm start`, `npm test` and `npm run modelward`, under whatever Node the machine has
// (20 or newer): installs the locked dependencies when they are absent or the lock file changed,
// and is silent otherwise. Plain JavaScript without dependencies, because nothing is installed yet
// when it first runs.
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const root = new URL('..', import.meta.url)
const lock = new URL('package-lock.json', root)
const modules = new URL('node_modules/', root)
const stamp = new URL('.modelward-lock-sha256', modules)

const wanted = createHash('sha256')
  .update(readFileSync(lock))
  .update(`${process.platform}-${process.arch}`)
  .digest('hex')
const installed = existsSync(stamp) ? readFileSync(stamp, 'utf8') : undefined

if (installed !== wanted) {
  process.stderr.write(
    'modelward: installing dependencies (once, and again when package-lock.json changes) …\n',
  )
  const npm = process.env.npm_execpath
  const args = ['ci', '--no-audit', '--no-fund', '--no-progress', '--loglevel=error']
  // The output goes to standard error: `npm run -s modelward -- … --json` owns standard output.
  const options = { cwd: fileURLToPath(root), stdio: ['ignore', 2, 2] }
  const result =
    npm === undefined ? spawnSync('npm', args, options) : spawnSync(process.execPath, [npm, ...args], options)
  if (result.error !== undefined || result.status !== 0) {
    process.stderr.write(
      `modelward: \`npm ci\` failed (${result.error?.message ?? `exit code ${result.status}`}); nothing was started\n`,
    )
    process.exit(1)
  }
  writeFileSync(stamp, wanted)
}
