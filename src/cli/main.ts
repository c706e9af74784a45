#!/usr/bin/env node
import nodeModule from 'node:module'
import { fileURLToPath } from 'node:url'
import { describeOldNode } from '../core/runtime/node-version.ts'

const tooOld = describeOldNode(process.versions.node)
if (tooOld !== undefined) {
  process.stderr.write(`${tooOld}\n`)
  process.exit(3)
}

// From the sources, half of a short command's time goes into stripping types. The cache holds code
// that will run, so it lies beside the code, writable by the same users, and never in a shared
// temporary folder.
if (import.meta.url.endsWith('.ts'))
  nodeModule.enableCompileCache?.(
    fileURLToPath(new URL('../../node_modules/.cache/modelward', import.meta.url)),
  )

const { runCli } = await import('./run-cli.ts')
process.exitCode = await runCli(process.argv.slice(2))
