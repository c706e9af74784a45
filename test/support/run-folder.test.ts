import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { createInterface } from 'node:readline'
import { expect, test } from 'vitest'
import { createTemporaryFolder } from '../contract/temporary-folder.ts'

const program = `
  import { spawn } from 'node:child_process'
  import { mkdtempSync } from 'node:fs'
  import { tmpdir } from 'node:os'
  import { openRunFolder } from ${JSON.stringify(resolve('test/support/run-folder.ts'))}
  const end = openRunFolder()
  const cwd = mkdtempSync(tmpdir() + '/modelward-')
  const { pid } = spawn('sleep', ['600'], { cwd, detached: true, stdio: 'ignore' })
  console.log(JSON.stringify({ folder: tmpdir(), pid }))
  process.stdin.once('data', () => end().then(() => process.exit()))
`

/** One that has ended and that its parent has not asked about has no arguments any more. */
const isRunning = (pid: number): boolean => {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8') !== ''
  } catch {
    return false
  }
}

test.skipIf(process.platform !== 'linux')(
  'a run that is killed leaves no file and no process, and one that ends none but its own',
  async () => {
    for (const isKilled of [true, false]) {
      const env = { ...process.env, TMPDIR: createTemporaryFolder() }
      const runner = spawn(process.execPath, ['--input-type=module', '-e', program], { env })
      const [line] = (await once(createInterface(runner.stdout), 'line')) as [string]
      const { folder, pid } = JSON.parse(line) as { readonly folder: string; readonly pid: number }
      expect([existsSync(folder), isRunning(pid)]).toEqual([true, true])
      if (isKilled) runner.kill('SIGKILL')
      else runner.stdin.end('end')
      await expect.poll(() => existsSync(folder), { interval: 20 }).toBe(false)
      // The runner's own child is spared as long as it runs, for it may still need it.
      expect(isRunning(pid)).toBe(!isKilled)
      if (!isKilled) process.kill(pid, 'SIGKILL')
    }
  },
)
