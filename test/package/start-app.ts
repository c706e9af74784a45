import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'

export interface App {
  readonly key: string
  /** `POST /predict`, with a key or without. */
  readonly predict: (key?: string) => Promise<Response>
  /** Ends the app and gives what it wrote to standard error. */
  readonly stop: () => Promise<string>
}

/**
 * Starts an app of a project, which says on its first line where it listens and which key it has
 * made.
 */
export async function startApp(node: string, folder: string, args: readonly string[]): Promise<App> {
  const child = spawn(node, args, { cwd: folder, stdio: ['ignore', 'pipe', 'pipe'] })
  let errors = ''
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    errors += text
  })
  const closed = once(child, 'close')
  const stop = async (): Promise<string> => {
    child.kill('SIGKILL')
    await closed
    return errors
  }
  for await (const line of createInterface({ input: child.stdout })) {
    const { port, key } = JSON.parse(line) as { readonly port: number; readonly key: string }
    const predict = (presented?: string) =>
      fetch(`http://127.0.0.1:${port}/predict`, {
        method: 'POST',
        headers: presented === undefined ? {} : { 'x-api-key': presented },
      })
    return { key, predict, stop }
  }
  throw new Error(`the app ended before it listened:\n${await stop()}`)
}
