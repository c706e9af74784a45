import { execFileSync } from 'node:child_process'
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'

/** A forbidden import for every arrow that the folder table does not draw: where it is planted, and what it imports. */
const forbidden: readonly (readonly [file: string, specifier: string])[] = [
  ['src/core/planted.ts', '../gate/gate.ts'],
  ['src/core/planted.ts', 'fastify'],
  ['src/core/planted.ts', '@fastify/cors'],
  ['src/core/planted.ts', 'node:fs'],
  ['src/core/planted.ts', 'node:sqlite'],
  ['src/gate/planted.ts', '../stores/memory/key-store.ts'],
  ['src/gate/planted.ts', '../server/create-app.ts'],
  ['src/gate/planted.ts', 'fastify'],
  ['src/gate/planted.ts', 'node:fs'],
  ['src/gate/planted.ts', 'node:sqlite'],
  ['src/models/planted.ts', '../stores/memory/key-store.ts'],
  ['src/models/sentiment/planted.ts', '../../server/create-app.ts'],
  ['src/models/planted.ts', 'fastify'],
  ['src/jobs/planted.ts', '../server/create-app.ts'],
  ['src/stores/memory/planted.ts', '../../gate/gate.ts'],
  ['src/stores/memory/planted.ts', '../sqlite/key-store.ts'],
  ['src/stores/memory/planted.ts', 'zod'],
  ['src/stores/sqlite/planted.ts', 'node:sqlite'],
  ['src/fastify/planted.ts', '../server/create-app.ts'],
  ['src/fastify/planted.ts', '../stores/memory/key-store.ts'],
  ['src/fastify/planted.ts', 'zod'],
  ['src/fastify/planted.ts', '../hono/index.ts'],
  ['src/hono/planted.ts', '../fastify/index.ts'],
  ['src/hono/planted.ts', '../web/index.ts'],
  ['src/hono/planted.ts', 'fastify'],
  ['src/hono/planted.ts', '@hono/node-server'],
  ['src/express/planted.ts', '../hono/index.ts'],
  ['src/express/planted.ts', 'hono'],
  ['src/web/planted.ts', '../express/index.ts'],
  ['src/web/planted.ts', 'hono'],
  ['src/planted.ts', 'zod'],
  ['src/planted.ts', '@fastify/cors'],
  ['src/planted.ts', './fastify/index.ts'],
  ['src/planted.ts', './server/create-app.ts'],
  ['src/planted.ts', './config/schema.ts'],
  ['src/planted.ts', 'node:sqlite'],
  ['src/server/planted.ts', 'node:sqlite'],
  ['src/cli/planted.ts', 'node:sqlite'],
]

/** The arrows that are drawn, so that a rule that refuses everything does not pass for a rule that works. */
const allowed: readonly (readonly [file: string, specifier: string])[] = [
  ['src/core/planted.ts', './fault.ts'],
  ['src/core/planted.ts', 'node:crypto'],
  ['src/gate/planted.ts', '../core/fault.ts'],
  ['src/gate/planted.ts', './gate.ts'],
  ['src/models/planted.ts', '../core/fault.ts'],
  ['src/stores/memory/planted.ts', '../../core/fault.ts'],
  ['src/fastify/planted.ts', 'fastify'],
  ['src/fastify/planted.ts', '../gate/gate.ts'],
  ['src/hono/planted.ts', 'hono'],
  ['src/hono/planted.ts', 'hono/types'],
  ['src/hono/planted.ts', '../gate/gate.ts'],
  ['src/express/planted.ts', 'express'],
  ['src/express/planted.ts', '../core/fault.ts'],
  ['src/web/planted.ts', '../gate/web-head.ts'],
  ['src/planted.ts', './gate/gate.ts'],
  ['src/planted.ts', './stores/sqlite/key-store.ts'],
  ['src/server/planted.ts', '../stores/sqlite/key-store.ts'],
]

/** A tree of its own under the project's rules, so that no build or test beside this one meets a planted file. */
const tree = mkdtempSync(join(tmpdir(), 'modelward-rules-'))
copyFileSync('biome.json', join(tree, 'biome.json'))
afterAll(() => rmSync(tree, { recursive: true }))

/** What Biome says of a file that imports this and nothing else. */
function lint(file: string, specifier: string): string {
  mkdirSync(join(tree, dirname(file)), { recursive: true })
  writeFileSync(join(tree, file), `import '${specifier}'\n`)
  try {
    const args = ['lint', '--vcs-enabled=false', '--only=style/noRestrictedImports', file]
    execFileSync('biome', args, { cwd: tree, stdio: 'pipe' })
    return ''
  } catch (error) {
    return String((error as { readonly stderr?: Buffer }).stderr)
  }
}

describe('the folder rules', () => {
  test.each(forbidden)('%s may not import %s', (file, specifier) => {
    expect(lint(file, specifier)).toContain('noRestrictedImports')
  })

  test.each(allowed)('%s may import %s', (file, specifier) => {
    expect(lint(file, specifier)).toBe('')
  })
})
