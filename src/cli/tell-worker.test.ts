import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { expect, test } from 'vitest'

/** Kills a worker, and tells it something before Node has seen its end. */
const script = `
import cluster from 'node:cluster'
import { readdirSync, readFileSync } from 'node:fs'
import { tellWorker } from ${JSON.stringify(resolve('src/cli/tell-worker.ts'))}

/** With all of its threads: they share what it was told by. */
function hasEnded(pid) {
  try {
    if (readdirSync('/proc/' + pid + '/task').length > 1) return false
    return / [ZX] /.test(readFileSync('/proc/' + pid + '/stat', 'utf8'))
  } catch {
    return true
  }
}

if (cluster.isWorker) process.send('started')
else {
  const worker = cluster.fork()
  worker.once('exit', () => setImmediate(() => console.log('first goes on')))
  worker.once('message', () => {
    const { pid } = worker.process
    process.kill(pid, 'SIGKILL')
    while (!hasEnded(pid));
    console.log('connected', worker.isConnected())
    tellWorker(worker, { metrics: 'ask' })
  })
}
`

test.skipIf(process.platform !== 'linux')(
  'a worker that is killed as it is told something does not end the first process',
  () => {
    const folder = mkdtempSync(join(tmpdir(), 'modelward-tell-'))
    const file = join(folder, 'first.mts')
    writeFileSync(file, script)
    const { status, stdout, stderr } = spawnSync(process.execPath, [file], { encoding: 'utf8' })
    rmSync(folder, { recursive: true })
    expect({ status, stdout, stderr }).toEqual({
      status: 0,
      stdout: 'connected true\nfirst goes on\n',
      stderr: '',
    })
  },
)
