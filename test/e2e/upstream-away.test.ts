import { once } from 'node:events'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { expect, test } from 'vitest'
import { spawnCli, temporaryFolder } from './run-cli.ts'

test('a server whose upstream is away as it starts says so, and ends at a signal', async () => {
  using folder = temporaryFolder()
  const child = spawnCli([
    ...['serve', '--data', join(folder.path, 'data'), '--port', '0'],
    // The discard service, which no machine of today runs.
    ...['--upstream', 'http://127.0.0.1:9', '--preset', 'ollama'],
  ])
  const ended = once(child, 'close')
  try {
    let said = ''
    for await (const line of createInterface(child.stdout as NodeJS.ReadableStream)) {
      said += `${line}\n`
      if (said.includes('http://127.0.0.1:9')) break
    }
    expect(said).toMatch(/listen/i)
    child.kill('SIGTERM')
    expect(await ended).toEqual([0, null])
  } finally {
    child.kill('SIGKILL')
  }
})

test('a server that cannot say where it listens ends: what started it would wait for ever', async () => {
  using folder = temporaryFolder()
  const child = spawnCli(['serve', '--data', join(folder.path, 'data'), '--port', '0', '--json'], {
    under: ['sh', '-c', 'exec "$@" > /dev/full', 'sh'],
  })
  const ended = once(child, 'close')
  let log = ''
  child.stderr?.on('data', (piece) => {
    log += String(piece)
  })
  try {
    expect(await ended).toEqual([3, null])
    expect(log).toContain('output_failed')
    expect(log).toContain('server.stopped')
  } finally {
    child.kill('SIGKILL')
  }
})
