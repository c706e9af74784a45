import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'

interface Response {
  readonly type: string
  readonly request_seq?: number
  readonly body?: readonly { readonly file: string; readonly start: { readonly line: number } }[]
}

export interface Definition {
  readonly file: string
  /** The line that it begins with there. */
  readonly text: string
}

/**
 * Where an editor goes from each of these names where a file imports it, `{ name }`: asked of
 * TypeScript's own server for editors, the program `tsserver`.
 */
export async function findDefinitions(
  tsserver: string,
  file: string,
  names: readonly string[],
): Promise<readonly (Definition | undefined)[]> {
  const child = spawn(process.execPath, [tsserver, '--disableAutomaticTypingAcquisition'])
  const asked = new Map<number, (response: Response) => void>()
  let unread = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    unread += text
    // Each message is one line behind its head.
    for (let end = unread.indexOf('}\n'); end !== -1; end = unread.indexOf('}\n')) {
      const message = JSON.parse(unread.slice(unread.indexOf('{'), end + 1)) as Response
      unread = unread.slice(end + 2)
      if (message.type === 'response') asked.get(message.request_seq ?? 0)?.(message)
    }
  })
  const write = (seq: number, command: string, args: object): void =>
    void child.stdin.write(`${JSON.stringify({ seq, type: 'request', command, arguments: args })}\n`)
  try {
    write(0, 'open', { file })
    const text = readFileSync(file, 'utf8')
    const definitions: (Definition | undefined)[] = []
    for (const [index, name] of names.entries()) {
      const { promise, resolve } = Promise.withResolvers<Response>()
      asked.set(index + 1, resolve)
      const before = text.slice(0, text.indexOf(`{ ${name} }`) + 2).split('\n')
      const place = { line: before.length, offset: (before.at(-1) ?? '').length + 1 }
      write(index + 1, 'definition', { file, ...place })
      const [found] = (await promise).body ?? []
      definitions.push(
        found && {
          file: found.file,
          text: readFileSync(found.file, 'utf8').split('\n')[found.start.line - 1] ?? '',
        },
      )
    }
    return definitions
  } finally {
    child.kill('SIGKILL')
    await once(child, 'close')
  }
}
