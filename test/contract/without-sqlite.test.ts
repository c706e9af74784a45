import { spawnSync } from 'node:child_process'
import { expect, test } from 'vitest'

/** Workers and other runtimes of the edge have no `node:sqlite`. */
const prelude = `
  import { registerHooks } from 'node:module'
  const refuse = (name) => { if (name.replace('node:', '') === 'sqlite') throw new Error('there is no SQLite here') }
  registerHooks({ resolve(name, context, next) { refuse(name); return next(name, context) } })
  const { getBuiltinModule } = process
  process.getBuiltinModule = (name) => { refuse(name); return getBuiltinModule.call(process, name) }
  const { createTestWard } = await import(${JSON.stringify(new URL('../../src/index.ts', import.meta.url).href)})
`

function run(program: string) {
  return spawnSync(process.execPath, ['--input-type=module', '-e', prelude + program], { encoding: 'utf8' })
}

test('a test ward without jobs works where there is no SQLite', () => {
  const { stdout, stderr } = run(`
    const ward = await createTestWard({ keys: { alice: {} } })
    const { keys } = await ward.keys.list({})
    console.log(keys.map(({ name }) => name).join())
    await ward.close()
  `)
  expect(stderr).toBe('')
  expect(stdout).toBe('alice\n')
})

test('SQLite is loaded for its jobs alone', () => {
  const { stderr } = run('await createTestWard({ jobs: { models: new Map() } })')
  expect(stderr).toMatch(/there is no SQLite here/)
})
