#!/usr/bin/env node
// The command line is a package of its own, `@modelward/server`: what guards an app installs no
// server. This finds it, or says what to install.
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { describeOldNode } from '../core/runtime/node-version.ts'

interface Manifest {
  readonly version: string
  readonly bin: { readonly 'modelward-server': string }
}

const { version } = read(new URL('../../package.json', import.meta.url))
const tooOld = describeOldNode(process.versions.node)
if (tooOld !== undefined) refuse(3, tooOld)

const file = findServer()
const install = `npm install --save-dev @modelward/server@${version}`
if (file === undefined)
  refuse(
    2,
    `modelward: the command line is in the package @modelward/server, which is not installed: ${install}`,
  )
const server = read(file)
if (server.version !== version)
  refuse(
    2,
    `modelward: @modelward/server ${server.version} is installed beside modelward ${version}: ${install}`,
  )
await import(pathToFileURL(join(dirname(file), server.bin['modelward-server'])).href)

/** Beside this package, or in the project where the command was given, as pnpm has them. */
function findServer(): string | undefined {
  for (const from of [import.meta.url, join(process.cwd(), 'package.json')])
    try {
      return createRequire(from).resolve('@modelward/server/package.json')
    } catch {
      // Whether it is absent or broken: to install it is what helps.
    }
  return undefined
}

function read(file: string | URL): Manifest {
  return JSON.parse(readFileSync(file, 'utf8')) as Manifest
}

function refuse(exitCode: number, sentence: string): never {
  process.stderr.write(`${sentence}\n`)
  process.exit(exitCode)
}
