/**
 * Most that the library's own package is, in bytes: its README promises 6 MB with `fastify-plugin`,
 * which is below 0.1.
 */
const librarySizeMax = 5.9e6

/** A package that is packed to be published. */
export interface PackedRelease {
  readonly name: string
  readonly tarball: string
  readonly unpackedSize: number
  /** What the registry compares a download with, such as `sha512-…`. */
  readonly integrity: string
  /** The text of each of its pages, by name. */
  readonly pages: Readonly<Record<string, string>>
}

/** What a release is judged by; read whole, so that every fault is told at once. */
export interface ReleaseState {
  readonly version: string
  /** Whether package.json says where the project is. */
  readonly isHosted: boolean
  readonly changelog: string
  /** As `2026-01-31`. */
  readonly today: string
  readonly commit: string
  /** The tags on that commit. */
  readonly tags: readonly string[]
  /** Whether files differ from the commit. */
  readonly isDirty: boolean
  /** The commits on which each run of tests was green last. */
  readonly tested: { readonly all?: string; readonly ecosystem?: string }
  /**
   * Whether npm can prove here where the packages were built, as in a workflow that may have an
   * identity token. A look needs no proof.
   */
  readonly isProven: boolean
  readonly packed: readonly PackedRelease[]
  /** The packages that the registry has in this version, by name, with their integrity. */
  readonly published: Readonly<Record<string, string>>
}

/** What a publisher would regret, a sentence each with what to do; empty where all is well. */
export function findReleaseFaults(state: ReleaseState): readonly string[] {
  const { isHosted, packed } = state
  return [
    ...(isHosted
      ? []
      : ['`repository`, `homepage` and `bugs` of package.json are placeholders: write where the project is']),
    ...(state.isProven
      ? []
      : [
          'npm cannot prove here where the packages were built: publish from a workflow with `id-token: write`',
        ]),
    ...findRegistryFaults(state),
    ...findPageFaults(state),
    ...findCommitFaults(state),
    ...packed.flatMap(findPackageFaults),
  ]
}

/** One that broke off between the two goes on with the other, if the first is of the same files. */
function findRegistryFaults({ version, published, packed }: ReleaseState): readonly string[] {
  const there = packed.filter(({ name }) => published[name] !== undefined)
  const others = there.filter(({ name, integrity }) => published[name] !== integrity)
  const says = (packages: readonly PackedRelease[]): string =>
    `the registry has ${packages.map(({ name }) => name).join(' and ')} in version ${version} already`
  if (there.length === packed.length) return [`${says(there)}: raise \`version\``]
  return others.length === 0 ? [] : [`${says(others)}, of other files: raise \`version\``]
}

function findPageFaults({ version, changelog, today, published }: ReleaseState): readonly string[] {
  const [, unreleased = ''] = changelog.split(/^## \[Unreleased\]$/m)
  const [stillOpen = ''] = unreleased.split(/^## /m)
  const heading = `## [${version}] - ${today}`
  const [, date] = changelog.split(`\n## [${version}] - `)
  // One that broke off goes on another day with the same files.
  const isDated = Object.keys(published).length > 0 ? date !== undefined : date?.startsWith(`${today}\n`)
  return [
    ...(isDated === true ? [] : [`CHANGELOG.md has no line \`${heading}\``]),
    ...(stillOpen.trim() === ''
      ? []
      : [`CHANGELOG.md has changes under Unreleased: move them below \`${heading}\``]),
  ]
}

function findCommitFaults({ version, commit, tags, isDirty, tested }: ReleaseState): readonly string[] {
  return [
    ...(isDirty ? ['files differ from the commit, so that it could not be built again: commit them'] : []),
    ...(tags.includes(`v${version}`) ? [] : [`the commit has no tag: git tag v${version}`]),
    ...(tested.all === commit ? [] : ['`npm test` was not green on this commit: run it']),
    ...(tested.ecosystem === commit
      ? []
      : ['`npm test -- --ecosystem` was not green on this commit: run it']),
  ]
}

function findPackageFaults({ name, unpackedSize, pages }: PackedRelease): readonly string[] {
  const relative = Object.entries(pages).flatMap(([page, text]) =>
    linksOf(text)
      .filter((link) => !/^(?:https?:|#|mailto:)/.test(link))
      .map((link) => `${page}: ${link}`),
  )
  return [
    ...(name === 'modelward' && unpackedSize > librarySizeMax
      ? [`${name} is ${(unpackedSize / 1e6).toFixed(1)} MB, and promises ${librarySizeMax / 1e6} at most`]
      : []),
    ...Object.entries(pages).flatMap(([page, text]) =>
      /\bUntil [a-z ]+ on npm\b/.test(text) ? [`${page} of ${name} says that it is not on npm`] : [],
    ),
    ...relative.map((link) => `${name} has a link that leads nowhere on the registry's page: ${link}`),
  ]
}

/** Where a page leads, in Markdown and in HTML: the build makes absolute only links as `[a](b)`. */
function linksOf(text: string): readonly string[] {
  return [/\]\(([^)\s]+)/g, /^ {0,3}\[[^\]]+\]:\s+(\S+)/gm, /\b(?:href|src)="([^"]+)"/g].flatMap((link) =>
    [...text.matchAll(link)].map(([, target = '']) => target),
  )
}
