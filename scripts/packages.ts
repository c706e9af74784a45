// What goes into which of the two packages that are made from this one tree. The fields of the
// root's package.json are the library's; the server's are here.
import { readFileSync } from 'node:fs'

type Names = Readonly<Record<string, string>>

interface Root extends Readonly<Record<string, unknown>> {
  readonly version: string
  readonly dependencies: Names
  readonly devDependencies: Names
  readonly repository: { readonly url: string }
}

export interface PublishedPackage {
  /** Where the build writes it. */
  readonly folder: string
  /** Its `package.json`. */
  readonly manifest: Readonly<Record<string, unknown>>
}

/** What is under `src` belongs to the library, but for these folders. */
export const serverFolders = ['cli', 'config', 'gateway', 'server'] as const

/** What the library's own code imports; the other dependencies are the server's. */
const libraryDependencies: readonly string[] = ['fastify-plugin']

/** By this path the server imports what it shares with the library, of the same version exactly. */
export const internal = 'modelward/internal'

const root = JSON.parse(readFileSync('package.json', 'utf8')) as Root

/** Packages that the server imports where they are installed, as they were tested. */
const exporters: Names = Object.fromEntries(
  ['@opentelemetry/exporter-trace-otlp-http', '@opentelemetry/sdk-node'].map((name) => [
    name,
    root.devDependencies[name] ?? '*',
  ]),
)

/** The project's pages of this version, where it is hosted. */
const pages = `${root.repository.url.replace(/^git\+|\.git$/g, '')}/blob/v${root.version}`

/**
 * Whether package.json says where the project is. Until it does, it has names of `.invalid`, which
 * belongs to no one (RFC 2606 §2).
 */
export const isHosted: boolean = !/\.invalid\b/.test(JSON.stringify(root))

/** Who may install it, and a proof of where it was built, which only a hosted project has. */
const published = { publishConfig: { access: 'public', ...(isHosted && { provenance: true }) } }
const files = ['dist', 'src', 'CHANGELOG.md', 'SECURITY.md']

export const library: PublishedPackage = {
  folder: 'dist/modelward',
  manifest: {
    ...pick('name', 'version', 'description', 'keywords', 'license', 'homepage', 'repository', 'bugs'),
    ...pick('type', 'sideEffects', 'engines', 'bin'),
    exports: {
      ...(root['exports'] as object),
      // No types: it is for the server alone, and changes without notice.
      './internal/*': { types: null, default: './dist/*' },
    },
    ...pick('types', 'typesVersions'),
    files,
    dependencies: dependenciesOf((name) => libraryDependencies.includes(name)),
    ...pick('peerDependencies', 'peerDependenciesMeta'),
    ...published,
  },
}

export const server: PublishedPackage = {
  folder: 'dist/server',
  manifest: {
    name: '@modelward/server',
    version: root.version,
    description: 'The server and the command line of Modelward',
    ...pick('keywords', 'license', 'homepage', 'repository', 'bugs', 'type', 'engines'),
    // `npx @modelward/server` runs it. `modelward` is the library's, which compares the versions:
    // of two programs with one name npm links either, and refuses the second where both are global.
    bin: { 'modelward-server': 'dist/cli/main.js' },
    exports: { './package.json': './package.json' },
    files,
    dependencies: {
      ...dependenciesOf((name) => !libraryDependencies.includes(name)),
      modelward: root.version,
    },
    // What exports traces, for those who do.
    peerDependencies: exporters,
    peerDependenciesMeta: Object.fromEntries(
      Object.keys(exporters).map((name) => [name, { optional: true }]),
    ),
    ...published,
  },
}

/** A page of the project as a package has it: its links lead to where the project is hosted. */
export function withAbsoluteLinks(page: string): string {
  return page.replace(/\]\((?!https?:|#|mailto:)([^)]+)\)/g, `](${pages}/$1)`)
}

function pick(...names: readonly string[]): Readonly<Record<string, unknown>> {
  return Object.fromEntries(names.map((name) => [name, root[name]]))
}

function dependenciesOf(isWanted: (name: string) => boolean): Names {
  return Object.fromEntries(Object.entries(root.dependencies).filter(([name]) => isWanted(name)))
}
