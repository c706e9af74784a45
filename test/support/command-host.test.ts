import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { runCli, runInOwnProcess, temporaryFolder } from '../e2e/run-cli.ts'
import { runInHost } from './command-hosts.ts'

function folder(): string {
  const made = temporaryFolder()
  onTestFinished(() => made[Symbol.dispose]())
  return made.path
}

const missing = ['--data', 'missing']

test.each([
  { what: 'that ends well', args: ['keys', 'create', '--help'] },
  { what: 'that is not there', args: ['keys', 'lose'] },
  { what: 'without what it needs', args: ['keys', 'create', '--json', ...missing] },
  { what: 'over no data folder', args: ['keys', 'list', '--json', ...missing] },
  { what: 'that finds something', args: ['scan', '-'], input: 'mw_abcdefghijklm' },
  { what: 'that refuses what it reads', args: ['keys', 'import', '-', ...missing], input: '{' },
  { what: 'with a setting', args: ['config', 'explain', '--json'], env: { MODELWARD_PORT: '8123' } },
])('a command $what ends in a shared process as in its own', async ({ args, ...options }) => {
  const given = { cwd: folder(), ...options }
  expect(await runCli(args, given)).toEqual(await runInOwnProcess(args, given))
})

test('what one command is given, or leaves behind, is not there for the next', async () => {
  const cwd = folder()
  const refused = await runCli(['keys', 'list', '--data', 'missing'], { cwd, env: { MODELWARD_PORT: '1' } })
  expect(refused.code).toBe(3)
  const { code, stdout, stderr } = await runCli(['config', 'explain', '--json'], { cwd })
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
  expect(stdout).not.toContain('"origin":"environment"')
})

test('commands that run at once run in processes of their own', async () => {
  const data = join(folder(), 'data')
  const tail = ['keys', 'create', '--data', data, '--json', '--owner', 'acme']
  const runs = await Promise.all(
    Array.from({ length: 4 }, (_, number) => runCli([...tail, '--name', `key ${number}`])),
  )
  expect(runs.map(({ code }) => code)).toEqual([0, 0, 0, 0])
})

test('without shared processes no command runs in one', async () => {
  const request = { args: ['--version'], cwd: folder(), env: {}, input: '' }
  const { TEST_COMMAND_HOSTS: hosts } = process.env
  expect(await runInHost(request)).toMatchObject({ code: 0 })
  process.env['TEST_COMMAND_HOSTS'] = ''
  onTestFinished(() => {
    process.env['TEST_COMMAND_HOSTS'] = hosts
  })
  expect(await runInHost(request)).toBeUndefined()
})
