#!/usr/bin/env node
import { enableCompileCache } from 'node:module'
import { fileURLToPath } from 'node:url'

// From the sources, half of a short command's time goes into taking the types out, each time anew. What is cached is
// code that will run, so it lies beside the code, for the same people to write, and never in a temporary folder of everyone's.
if (import.meta.url.endsWith('.ts'))
  enableCompileCache(fileURLToPath(new URL('../../node_modules/.cache/modelward', import.meta.url)))

const { runCli } = await import('./run-cli.ts')
process.exitCode = await runCli(process.argv.slice(2))
