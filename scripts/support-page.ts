import { globSync, readFileSync } from 'node:fs'
import { basename } from 'node:path'
import { type SupportRow, supported, unsupported } from '../test/ecosystem/support.ts'

/** The test files that prove each row, by its name: whatever calls `proves` with a literal. */
export function readClaims(): ReadonlyMap<string, readonly string[]> {
  const claims = globSync('test/{ecosystem,package}/*.test.ts').flatMap((file) =>
    [...readFileSync(file, 'utf8').matchAll(/\bproves\('([^']+)'\)/g)].map(([, name = '']) => ({
      name,
      file,
    })),
  )
  const byName = Map.groupBy(claims, ({ name }) => name)
  return new Map(
    [...byName].map(([name, found]) => [name, [...new Set(found.map(({ file }) => file))].toSorted()]),
  )
}

/** `docs/reference/support.md`, from the rows that ecosystem tests prove. */
export function formatSupportPage(): string {
  const claims = readClaims()
  const rowsOf = (rows: Readonly<Record<string, SupportRow>>): string =>
    Object.entries(rows)
      .map(([name, row]) => formatRow(name, row, claims.get(name) ?? []))
      .join('\n')
  return `${intro}\n${rowsOf(supported)}\n\n${unsupportedIntro}\n${rowsOf(unsupported)}\n`
}

function formatRow(name: string, row: SupportRow, files: readonly string[]): string {
  const { guide, proof, note } = row
  const what = guide === undefined ? name : `[${name}](../guides/${guide}.md)`
  const tests = files.map((file) => `[${basename(file, '.test.ts')}](../../${file})`).join(', ')
  return `| ${what} | ${versionsOf(row)} | ${proof} | ${note ?? '–'} | ${tests} |`
}

function versionsOf({ packages = [], versions = [] }: SupportRow): string {
  const [first, ...others] = packages.map(lockedVersionOf)
  // The row is named for the first; Workers are tried in what stands in for them.
  const leading = first?.name === 'miniflare' ? `miniflare ${first.version}` : first?.version
  const locked = [leading, ...others.map(({ name, version }) => `${name} ${version}`)]
  return [...locked, ...versions].filter((version) => version !== undefined).join(', ') || '–'
}

interface Locked {
  readonly name: string
  readonly version: string
}

function lockedVersionOf(name: string): Locked {
  const version = lock.packages[`node_modules/${name}`]?.version
  if (version === undefined) throw new Error(`test/ecosystem/package-lock.json: there is no ${name}`)
  return { name: name.replace(/^@\w+\//, ''), version }
}

const lock = JSON.parse(readFileSync('test/ecosystem/package-lock.json', 'utf8')) as {
  readonly packages: Readonly<Record<string, { readonly version?: string }>>
}

const intro = `# What it works with

<!-- Generated from \`test/ecosystem/support.ts\` and the tests that prove its rows; \`npm run docs\` writes it again. -->

A row is here because a test installs the packed package beside these versions in a project of its own, and sees there what the third column says: 401 without a key, 403
with a wrong one, 200 with a right one, and so on. The tests are \`npm test -- --ecosystem\`, before each release, and \`test/package\` in every \`npm test\`. Other versions
in the ranges of \`peerDependencies\` should work, and are not tried.

| what | version | proved | to know | test |
|---|---|---|---|---|`

const unsupportedIntro = `## Known not to work

| what | version | what happens | do instead | test |
|---|---|---|---|---|`
