// Runs before `npm start`, `npm test` and `npm run modelward`, under whatever Node the machine has
// (20 or newer): installs the locked dependencies when they are absent or the lock file changed,
// and is silent otherwise. One at a time: two `npm ci` in one folder leave half of what it needs,
// and a second terminal is opened while the first still installs. Plain JavaScript without
// dependencies, because nothing is installed yet when it first runs.
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const root = new URL('..', import.meta.url)
const lock = new URL('package-lock.json', root)
const modules = new URL('node_modules/', root)
const stamp = new URL('.modelward-lock-sha256', modules)
/** Holds the id of the process that installs. Beside `node_modules`, which `npm ci` deletes. */
const turn = new URL('.modelward-setup.pid', root)

const wanted = createHash('sha256')
  .update(readFileSync(lock))
  .update(`${process.platform}-${process.arch}`)
  .digest('hex')

const isInstalled = () => existsSync(stamp) && readFileSync(stamp, 'utf8') === wanted

if (!isInstalled()) {
  takeTurn()
  try {
    // Another may have installed it while this one waited.
    process.exitCode = isInstalled() || install() ? 0 : 1
  } finally {
    rmSync(turn, { force: true })
  }
}

/** Returns once no other set-up of this folder runs; one that was killed leaves its turn behind. */
function takeTurn() {
  let told = ''
  for (let tries = 1; ; tries++) {
    try {
      writeFileSync(turn, String(process.pid), { flag: 'wx' })
      return
    } catch (error) {
      if (error.code !== 'EEXIST') throw error
    }
    const holder = readTurn()
    // Empty for five seconds: its process was killed before it wrote.
    const isLeft = holder === '' ? tries % 50 === 0 : !isRunning(Number(holder))
    if (isLeft) rmSync(turn, { force: true })
    else if (holder !== '' && holder !== told) {
      process.stderr.write(
        `modelward: waiting for another terminal (pid ${holder}) to install dependencies …\n`,
      )
      told = holder
    }
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 100)
  }
}

/** Empty where the file has just gone, or is not written yet. */
function readTurn() {
  try {
    return readFileSync(turn, 'utf8')
  } catch {
    return ''
  }
}

function isRunning(pid) {
  try {
    return process.kill(pid, 0)
  } catch (error) {
    // Another user's.
    return error.code === 'EPERM'
  }
}

function install() {
  process.stderr.write(
    'modelward: installing dependencies (once, and again when package-lock.json changes) …\n',
  )
  const npm = process.env.npm_execpath
  const args = ['ci', '--no-audit', '--no-fund', '--no-progress', '--loglevel=error']
  // The output goes to standard error: `npm run -s modelward -- … --json` owns standard output.
  const options = { cwd: fileURLToPath(root), stdio: ['ignore', 2, 2] }
  const result =
    npm === undefined ? spawnSync('npm', args, options) : spawnSync(process.execPath, [npm, ...args], options)
  if (result.error === undefined && result.status === 0) {
    writeFileSync(stamp, wanted)
    return true
  }
  process.stderr.write(
    `modelward: \`npm ci\` failed (${result.error?.message ?? `exit code ${result.status}`}); nothing was started\n`,
  )
  return false
}
