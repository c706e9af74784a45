import { expect, test } from 'vitest'
import { runnersOf } from './parent.ts'

/** Pids of a server's parent and of that one's parent. */
const [parent, grandparent] = [20, 10]

function watched(script: string | undefined, words: readonly string[], above: readonly string[] = []) {
  return runnersOf(parent, script, {
    argumentsOf: (pid) => (pid === parent ? words : above),
    parentOf: () => grandparent,
  })
}

test.each([
  ['npm', ['npm start']],
  ["npm's program", ['/usr/bin/node', '/usr/lib/node_modules/npm/bin/npm-cli.js', 'start']],
  ['a yarn beside its project', ['/usr/bin/node', '/app/.yarn/releases/yarn-4.1.0.cjs', 'start']],
  ['a release candidate', ['node', '.yarn/releases/yarn-4.0.0-rc.50.cjs']],
])('a server ends with %s, also where a shell stands between them', (_what, runner) => {
  expect(watched('modelward serve', runner)).toEqual([parent])
  expect(watched('modelward serve', ['sh', '-c', 'modelward serve'], runner)).toEqual([parent, grandparent])
})

test.each(['nohup modelward serve', 'modelward serve &', 'setsid modelward serve > log 2>&1'])(
  'a server that %s leaves to itself ends with neither',
  (script) => {
    expect(watched(script, ['sh', '-c', script], ['npm start'])).toEqual([])
    // Some shells have become the program by now.
    expect(watched(script, ['npm start'])).toEqual([])
  },
)

test('a server ends with no other parent', () => {
  for (const words of [['bash'], ['sh', '-c', 'x'], ['node', 'npm-watch.js'], ['systemd'], ['']])
    expect(watched('x', words, ['bash'])).toEqual([])
})
