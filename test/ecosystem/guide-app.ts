import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { expect } from 'vitest'
import { folder, run, runLine } from './programs.ts'

/** A key that a command of a guide makes. */
export async function createKey(command: string): Promise<string> {
  return (JSON.parse(await runLine(`${command} --json`, {})) as { readonly key: string }).key
}

/** Expects a ledger of more than three records that verifies. */
export async function expectVerified(): Promise<void> {
  const { records } = JSON.parse(await run('modelward', 'ledger', 'verify', '--json'))
  expect(records).toBeGreaterThan(3)
}

/**
 * Starts an app of a guide, which says where it listens, and expects 401, 403 and 200 of its
 * `POST /predict`.
 *
 * @param file its program, in the project
 */
export async function expectGuardedApp(file: string, key: string, owner = 'acme'): Promise<void> {
  const child = spawn(process.execPath, [file], { cwd: folder, stdio: ['ignore', 'pipe', 'pipe'] })
  const closed = once(child, 'close')
  try {
    const address = await addressOf(child)
    const answers = []
    for (const presented of [undefined, 'wrong', key]) {
      const headers: Record<string, string> = presented === undefined ? {} : { 'x-api-key': presented }
      const response = await fetch(`${address}/predict`, { method: 'POST', headers })
      const body = (await response.json()) as { readonly code?: string; readonly owner?: string }
      answers.push([response.status, body.code ?? body.owner])
    }
    expect(answers).toEqual([
      [401, 'key_missing'],
      [403, 'key_invalid'],
      [200, owner],
    ])
  } finally {
    child.kill('SIGKILL')
    await closed
  }
}

function addressOf({ stdout, stderr }: ReturnType<typeof spawn>): Promise<string> {
  let said = ''
  return new Promise((resolve, reject) => {
    for (const stream of [stdout, stderr])
      stream?.setEncoding('utf8').on('data', (text: string) => {
        said += text
        const [, address] = /listening on (http:\S+)/.exec(said) ?? []
        if (address !== undefined) resolve(address)
      })
    stdout?.on('end', () => reject(new Error(`the app ended before it listened:\n${said}`)))
  })
}
