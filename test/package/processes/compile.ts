// `node compile.ts TYPESCRIPT [ARGUMENTS, …]`: what `tsc` says of a program, a line each, for each
// of these lists of arguments, in the folder that it is run in. One process for all of them: after
// the first, the compiler itself is compiled.
import { createRequire } from 'node:module'

/** Of TypeScript's interface what this uses: each version has declarations of its own. */
interface TypeScript {
  readonly parseCommandLine: (args: readonly string[]) => {
    readonly options: object
    readonly fileNames: readonly string[]
    readonly errors: readonly object[]
  }
  readonly createProgram: (files: readonly string[], options: object) => object
  readonly getPreEmitDiagnostics: (program: object) => readonly object[]
  readonly formatDiagnostics: (diagnostics: readonly object[], host: object) => string
}

const [, , typescript = '', lists = ''] = process.argv
const ts = createRequire(import.meta.url)(typescript) as TypeScript
const host = {
  getCurrentDirectory: () => process.cwd(),
  getCanonicalFileName: (file: string) => file,
  getNewLine: () => '\n',
}

const complaints = (JSON.parse(lists) as readonly (readonly string[])[]).map((args) => {
  const { options, fileNames, errors } = ts.parseCommandLine(args)
  const found = [...errors, ...ts.getPreEmitDiagnostics(ts.createProgram(fileNames, options))]
  return ts
    .formatDiagnostics(found, host)
    .split('\n')
    .filter((line) => /^\S/.test(line))
})
process.stdout.write(JSON.stringify(complaints))
