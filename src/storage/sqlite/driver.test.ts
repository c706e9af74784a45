import { spawnSync } from 'node:child_process'
import { expect, test } from 'vitest'

const driver = JSON.stringify(new URL('./driver.ts', import.meta.url).href)

test('loading SQLite prints nothing, and no other warning is held back', () => {
  const program = `await import(${driver}); process.emitWarning('mine', 'ExperimentalWarning')`
  const { stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', program], { encoding: 'utf8' })
  expect(stderr).not.toMatch(/SQLite/)
  expect(stderr).toMatch(/ExperimentalWarning: mine/)
})
