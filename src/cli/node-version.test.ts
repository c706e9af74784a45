import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { describeOldNode, nodeVersionMin } from './node-version.ts'

test('a Node.js that is too old is named beside the oldest that will do, which package.json says too', () => {
  const { engines } = JSON.parse(readFileSync('package.json', 'utf8')) as { engines: { node: string } }
  expect(engines.node).toBe(`>=${nodeVersionMin}`)
  for (const version of ['18.20.4', '20.20.2', '22.18.0', '22.2.0'])
    expect(describeOldNode(version)).toBe(
      `modelward needs Node.js 22.19 or newer, and this is ${version}: https://nodejs.org`,
    )
  for (const version of ['22.19.0', '22.20.1', '23.0.0', '24.21.0'])
    expect(describeOldNode(version)).toBeUndefined()
})
