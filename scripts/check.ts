// `npm test`: every check of the project, one after the other, and a last line that any reader
// knows: `N passed, N failed`. With arguments, `npm test -- src/core`, only the tests that they
// name; with `--ecosystem` only those of test/ecosystem, which all of the above leaves out.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { packedVariable, packPackage } from '../test/package/pack-package.ts'
import { openRunFolder } from '../test/support/run-folder.ts'
import { readCommit, rememberGreen } from './green-runs.ts'

interface Count {
  readonly passed: number
  readonly failed: number
}

const args = process.argv.slice(2)
const named = args.filter((arg) => arg !== '--ecosystem')
const isEcosystem = args.length > named.length

async function run(command: string, args: readonly string[]): Promise<boolean> {
  process.stdout.write(`\n> ${command} ${args.join(' ')}\n`)
  try {
    const [status] = await once(spawn(command, args, { stdio: 'inherit' }), 'close')
    return status === 0
  } catch (error) {
    process.stdout.write(`${String(error)}\n`)
    return false
  }
}

/** A tool that passes or fails as a whole counts as one check. */
async function check(command: string, ...args: readonly string[]): Promise<Count> {
  return (await run(command, args)) ? { passed: 1, failed: 0 } : { passed: 0, failed: 1 }
}

/** Vitest's own tests, counted from its report; a run that ended without one has failed. */
async function countTests(): Promise<Count> {
  const folder = mkdtempSync(join(tmpdir(), 'modelward-test-'))
  const report = join(folder, 'report.json')
  try {
    const succeeded = await run('vitest', [
      'run',
      '--reporter=default',
      '--reporter=json',
      `--outputFile.json=${report}`,
      ...(isEcosystem ? ['--config=test/ecosystem/vitest.config.ts'] : []),
      ...named,
    ])
    const { numPassedTests, numFailedTests } = JSON.parse(readFileSync(report, 'utf8')) as {
      readonly numPassedTests: number
      readonly numFailedTests: number
    }
    // An error outside any test, or a suite that could not be loaded, fails the run without a
    // failed test.
    return { passed: numPassedTests, failed: succeeded ? numFailedTests : Math.max(1, numFailedTests) }
  } catch (error) {
    process.stdout.write(`vitest left no report: ${String(error)}\n`)
    return { passed: 0, failed: 1 }
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

const begunOn = readCommit()
// On the disk: what others make is large, and Deno lets nothing below `/dev` be read.
const endRun = isEcosystem ? openRunFolder(tmpdir()) : openRunFolder()
// Three files of tests install it. Where it cannot be packed, each of them says why. It is packed
// beside the tools.
const packing = args.length > 0 ? undefined : packPackage().catch(() => undefined)
const tools: Count[] = []
if (args.length === 0) {
  tools.push(await check('biome', 'ci', '--colors=off', '--error-on-warnings', '.'))
  tools.push(await check('tsc', '-p', 'tsconfig.json', '--noEmit'))
  tools.push(await check('tsc', '-p', 'tsconfig.check.json'))
  // It imports as Next.js resolves, without extensions.
  tools.push(await check('tsc', '-p', 'test/examples/next-handler.tsconfig.json'))
  tools.push(await check('knip', '--no-progress'))
}
const packed = await packing
if (packed !== undefined) process.env[packedVariable] = JSON.stringify(packed)
// The tests start the server and the command line a thousand times: each reads what the one before
// has compiled, and all of it takes a third less of the processor.
const compiled = mkdtempSync(join(tmpdir(), 'modelward-compiled-'))
process.env['NODE_COMPILE_CACHE'] = compiled
const counts = [...tools, await countTests()]
await packed?.remove()
rmSync(compiled, { recursive: true, force: true })
await endRun()
const passed = counts.reduce((sum, count) => sum + count.passed, 0)
const failed = counts.reduce((sum, count) => sum + count.failed, 0)
if (failed === 0 && named.length === 0) rememberGreen(isEcosystem ? 'ecosystem' : 'all', begunOn)
process.stdout.write(`\n${passed} passed, ${failed} failed\n`)
process.exitCode = failed === 0 ? 0 : 1
