import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { expect } from 'vitest'
import type { ExampleCopies } from './example-copies.ts'
import { readExamplePage } from './example-page.ts'
import { type ExampleProcess, paste, runModelward, runScript, startExample } from './start-example.ts'

/**
 * Copies an example out of the repository, starts it as its page says, sends every request of the
 * page, and asks what else is to be asked. Then it must end by SIGTERM without an error, with its
 * ward closed, and leave a ledger that verifies.
 */
export async function expectExample(
  copies: ExampleCopies,
  name: string,
  askMore: (app: ExampleProcess, folder: string) => Promise<void>,
  command?: string,
): Promise<void> {
  const folder = copies.copy(name)
  const page = readExamplePage(name)
  if (command === undefined) for (const script of page.scripts) await runScript(folder, script)
  await using app = await startExample(folder, command?.replace('FOLDER', folder))
  const asked = await paste(folder, page, app.address)
  expect(asked.length).toBeGreaterThan(0)
  expect(asked.filter(({ isAsSaid }) => !isAsSaid)).toEqual([])
  await askMore(app, folder)
  const { code, stderr } = await app.end()
  // The server of own-model logs there; each of these apps is silent.
  expect({ code, stderr: name === 'own-model' ? '' : stderr }).toEqual({ code: 0, stderr: '' })
  expect(stderr).not.toMatch(/"level":"?(?:error|fatal|50|60)\b|Unhandled/i)
  // A ward that is closed gives its folder back.
  expect(existsSync(join(folder, 'modelward-data/holder.json'))).toBe(false)
  const verified = await runModelward<{ ok: boolean; records: number }>(folder, ['ledger', 'verify'])
  expect(verified).toMatchObject({ ok: true })
  expect(verified.records).toBeGreaterThan(asked.filter(({ command }) => !/health/.test(command)).length)
}
