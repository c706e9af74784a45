// Runs before `npm start`, `npm test` and `npm run modelward`, under whatever Node the machine has
// (20 or newer): installs the locked dependencies when they are absent or the lock file changed,
// and is silent otherwise. `--to-run` installs what the program runs with, and a Node of its own
// only where the machine's is too old; without it, what builds and tests comes too. One at a time:
// two `npm ci` in one folder leave half of what it needs, and a second terminal is opened while the
// first still installs. Plain JavaScript without dependencies, because nothing is installed yet
// when it first runs.
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, readFileSync, realpathSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
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

/** What the stamp says where all is installed, and where only what runs is. */
const all = wanted
const toRun = `${wanted} to run`

const installed = () => (existsSync(stamp) ? readFileSync(stamp, 'utf8') : '')
const isToRun = process.argv.includes('--to-run')
const isInstalled = () => installed() === all || (isToRun && installed() === toRun && hasNode())

if (!isInstalled()) {
  if (!takeTurn()) process.exit(1)
  try {
    // Another may have installed it while this one waited.
    process.exitCode = isInstalled() || isInstalledByNpm() || install() ? 0 : 1
  } finally {
    rmSync(turn, { force: true })
  }
}

/**
 * True once no other set-up of this folder runs, of which one that was killed leaves its turn
 * behind; false where this one may not write here.
 */
function takeTurn() {
  let told = ''
  for (let tries = 1; ; tries++) {
    try {
      writeFileSync(turn, String(process.pid), { flag: 'wx' })
      return true
    } catch (error) {
      if (error.code !== 'EEXIST') return fail(`nothing can be installed here (${error.message})`)
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

/**
 * Whether the machine's Node runs the program: `engines` in package.json says from which on. Under
 * the one that is installed here, which `npm ci` deletes, nothing is known of the machine's.
 */
function isNewEnough() {
  if (realpathSync(process.execPath).startsWith(join(fileURLToPath(root), 'node_modules'))) return false
  const { engines } = JSON.parse(readFileSync(new URL('package.json', root), 'utf8'))
  const [major, minor] = /^>=(\d+)\.(\d+)$/.exec(engines.node).slice(1).map(Number)
  const [ownMajor, ownMinor] = process.versions.node.split('.').map(Number)
  return ownMajor > major || (ownMajor === major && ownMinor >= minor)
}

/**
 * Whether `npm ci` was run here by hand, with all that the lock file has: to install again what
 * runs would take the rest away.
 */
function isInstalledByNpm() {
  try {
    const { packages } = JSON.parse(readFileSync(lock, 'utf8'))
    const { packages: own } = JSON.parse(readFileSync(new URL('.package-lock.json', modules), 'utf8'))
    const isThere = ([at, { version, optional, devOptional }]) =>
      at === '' || optional || devOptional || own[at]?.version === version
    if (!Object.entries(packages).every(isThere) || !hasNode()) return false
    writeFileSync(stamp, all)
    return true
  } catch {
    // npm writes its list when all is installed.
    return false
  }
}

/** The machine's own, or the one that is installed, which npm's scripts find first. */
function hasNode() {
  return isNewEnough() || existsSync(new URL('.bin/node', modules))
}

function install() {
  process.stderr.write(
    'modelward: installing dependencies (once, and again when package-lock.json changes) …\n',
  )
  const npm = process.env.npm_execpath
  // A server may run on what is there: what is missing is added beside it.
  const command = installed() === toRun ? ['install', '--no-save'] : ['ci']
  const omitted = isToRun ? ['--omit=dev', ...(isNewEnough() ? ['--omit=optional'] : [])] : []
  const args = [...command, ...omitted, '--no-audit', '--no-fund', '--no-progress', '--loglevel=error']
  // The output goes to standard error: `npm run -s modelward -- … --json` owns standard output.
  const options = { cwd: fileURLToPath(root), stdio: ['ignore', 2, 2] }
  const result =
    npm === undefined ? spawnSync('npm', args, options) : spawnSync(process.execPath, [npm, ...args], options)
  if (result.error !== undefined || result.status !== 0)
    return fail(`\`npm ${command[0]}\` failed (${result.error?.message ?? `exit code ${result.status}`})`)
  // npm passes over what is optional and cannot be installed.
  if (!hasNode())
    return fail(`Node.js ${process.versions.node} is too old, and npm could not install a newer one here`)
  writeFileSync(stamp, isToRun ? toRun : all)
  return true
}

function fail(why) {
  process.stderr.write(`modelward: ${why}; nothing was started\n`)
  return false
}
