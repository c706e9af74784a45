#!/usr/bin/env node
import { enableCompileCache } from 'node:module'
import { fileURLToPath } from 'node:url'

// From the sources, half of a short command's time goes into stripping types. The cache holds code
// that will run, so it lies beside the code, writable by the same users, and never in a shared
// temporary folder.
if (import.meta.url.endsWith('.ts'))
  enableCompileCache(fileURLToPath(new URL('../../node_modules/.cache/modelward', import.meta.url)))

const { runCli } = await import('./run-cli.ts')
process.exitCode = await runCli(process.argv.slice(2))
