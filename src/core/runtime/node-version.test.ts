import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { describeOldNode, findOldNode, nodeVersionMin } from './node-version.ts'

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

test('another runtime is not judged by the Node.js that it is like', () => {
  const process = { versions: { node: '20.0.0' } }
  expect(findOldNode({ process })).toContain('20.0.0')
  expect(findOldNode({ process, navigator: { userAgent: 'Node.js/21' } })).toContain('20.0.0')
  for (const userAgent of ['Bun/1.2.0', 'Deno/2.0.0', 'Cloudflare-Workers'])
    expect(findOldNode({ process, navigator: { userAgent } })).toBeUndefined()
  for (const runtime of [{}, { process: {} }, { process: { versions: {} } }])
    expect(findOldNode(runtime)).toBeUndefined()
})
