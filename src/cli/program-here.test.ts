import { describe, expect, test } from 'vitest'
import { programHere } from './program-here.ts'

const inProject = 'file:///home/me/app/node_modules/@modelward/server/dist/cli/serve.js'

describe('programHere', () => {
  test.each([
    ['a clone', 'file:///home/me/modelward/src/cli/serve.ts', 'start', 'npm run -s modelward --'],
    ['a project', inProject, 'npx', 'npx modelward'],
    ['a project whose own start script it is', inProject, 'start', 'npx modelward'],
    // There `npx modelward` would fetch the library, which has no command line.
    [
      'a folder without a project, by npx',
      'file:///home/me/.npm/_npx/0123456789abcdef/node_modules/@modelward/server/dist/cli/serve.js',
      'npx',
      'npx @modelward/server',
    ],
  ])('in %s', (_where, file, script, program) => {
    expect(programHere(file, script)).toBe(program)
  })
})
