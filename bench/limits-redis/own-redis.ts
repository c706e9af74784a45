import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { connect } from 'node:net'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { createTemporaryFolder, undoAtExit } from '../leftovers.ts'
import { repositoryFolder } from '../repository-folder.ts'

/** A Redis of the benchmark's own, by the script that starts those of the tests. */
export async function startRedis(): Promise<{ readonly url: string; readonly stop: () => void }> {
  const folder = createTemporaryFolder()
  const socket = join(folder.path, 'socket')
  const child = spawn(process.execPath, [join(repositoryFolder, 'scripts/services.mjs'), socket], {
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  // It ends its services when its standard input does.
  const stop = undoAtExit(() => {
    child.stdin.end()
    folder.remove()
  })
  await once(child.stdout, 'data')
  const connection = connect(socket)
  await once(connection, 'connect')
  const lines = createInterface({ input: connection })
  connection.write(`${JSON.stringify({ do: 'share', service: 'redis' })}\n`)
  const [line] = (await once(lines, 'line')) as [string]
  connection.destroy()
  const { url, error } = JSON.parse(line) as { readonly url?: string; readonly error?: string }
  if (url === undefined) throw new Error(error)
  return { url, stop }
}
