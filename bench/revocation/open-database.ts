import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { prepareSchema } from '../../src/storage/postgres/schema.ts'
import { repositoryFolder } from '../repository-folder.ts'

/** A PostgreSQL with an empty deployment in it, as tests have. */
export async function openDatabase(): Promise<{
  readonly url: string
  readonly close: () => Promise<void>
}> {
  const folder = mkdtempSync(join(tmpdir(), 'modelward-bench-'))
  const socket = join(folder, 'socket')
  const child = spawn(process.execPath, [join(repositoryFolder, 'scripts/services.mjs'), socket], {
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  await once(child.stdout, 'data')
  const connection = connect(socket)
  const lines = createInterface({ input: connection })
  connection.write(`${JSON.stringify({ do: 'own', service: 'postgres', settings: {} })}\n`)
  const [line] = (await once(lines, 'line')) as [string]
  const { url: server, error } = JSON.parse(line) as { readonly url: string; readonly error?: string }
  if (error !== undefined) throw new Error(error)
  const url = `${server}?schema=bench`
  await prepareSchema(url)
  return {
    url,
    async close() {
      const ended = once(child, 'exit')
      connection.destroy()
      child.stdin.end()
      await ended
      rmSync(folder, { recursive: true, force: true })
    },
  }
}
