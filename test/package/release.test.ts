import { execFileSync, spawnSync } from 'node:child_process'
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, delimiter, join, resolve } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { findReleaseFaults, type ReleaseState } from '../../scripts/release-faults.ts'
import { copyClone } from '../docs/reader/reader.ts'

const today = new Date().toISOString().slice(0, 10)

/** A release that has nothing wrong. */
const ready: ReleaseState = {
  version: '1.2.0',
  isHosted: true,
  changelog: `# Changelog\n\n## [Unreleased]\n\n## [1.2.0] - ${today}\n\n### Added\n\n- A thing.\n\n## [1.1.0] - 2026-01-01\n`,
  today,
  commit: 'c0ffee',
  tags: ['v1.2.0'],
  isDirty: false,
  isProven: true,
  tested: { all: 'c0ffee', ecosystem: 'c0ffee' },
  packed: ['modelward', '@modelward/server'].map((name) => ({
    name,
    tarball: `${name}.tgz`,
    unpackedSize: 5e6,
    integrity: `sha512-${name}`,
    pages: { 'README.md': 'See [a page](https://example.com/page.md), [below](#below).' },
  })),
  published: {},
}

const [library, server] = ready.packed

describe('a release', () => {
  test('of which nothing is wrong has no fault', () => {
    expect(findReleaseFaults(ready)).toEqual([])
  })

  test('that broke off after the library goes on', () => {
    const published = { modelward: 'sha512-modelward' }
    expect(findReleaseFaults({ ...ready, published })).toEqual([])
    // The day after, with the same files.
    expect(findReleaseFaults({ ...ready, published, today: '2100-01-01' })).toEqual([])
  })

  const withReadme = (text: string) => ({ packed: [{ ...library, pages: { 'README.md': text } }, server] })
  test.each<[string, object, RegExp]>([
    ['of a project without a home', { isHosted: false }, /placeholders/],
    [
      'of a version that is out',
      { published: { modelward: 'sha512-modelward', '@modelward/server': 'sha512-other' } },
      /modelward and @modelward\/server in version 1\.2\.0 already: raise `version`/,
    ],
    [
      'of a version of which the library is out, of other files',
      { published: { modelward: 'sha512-other' } },
      /has modelward in version 1\.2\.0 already, of other files: raise `version`/,
    ],
    ['without its changes', { changelog: '## [Unreleased]\n' }, /no line `## \[1\.2\.0\]/],
    ['of another day', { today: '2000-01-01' }, /no line `## \[1\.2\.0\] - 2000-01-01`/],
    [
      'with changes that it does not name',
      { changelog: ready.changelog.replace('\n\n## [1.2', '\n\n- New.\n\n## [1.2') },
      /under Unreleased/,
    ],
    ['that npm cannot prove the origin of', { isProven: false }, /id-token: write/],
    ['of files that no commit has', { isDirty: true }, /differ from the commit/],
    ['without a tag', { tags: ['v1.1.0'] }, /git tag v1\.2\.0/],
    ['that was not tested', { tested: { ecosystem: 'c0ffee' } }, /`npm test` was not green/],
    ['that was tested before', { tested: { all: 'c0ffee', ecosystem: 'old' } }, /--ecosystem` was not green/],
    ['too large for its promise', { packed: [{ ...library, unpackedSize: 6.1e6 }, server] }, /6\.1 MB/],
    [
      'whose page says that it is to come',
      withReadme('Until both are on npm, the clone packs them.'),
      /README\.md .* not on npm/,
    ],
    ['whose page leads nowhere', withReadme('[a guide](docs/guide.md)'), /README\.md: docs\/guide\.md/],
    ['whose page shows nothing', withReadme('<img src="docs/a.png">'), /README\.md: docs\/a\.png/],
    ['whose page has a link below it that leads nowhere', withReadme('[a]\n\n[a]: docs/a.md'), /docs\/a\.md/],
  ])('%s is refused, with one sentence', (_what, change, sentence) => {
    const faults = findReleaseFaults({ ...ready, ...change } as ReleaseState)
    expect(faults).toEqual([expect.stringMatching(sentence)])
  })
})

describe('npm run release', () => {
  /** A copy of the tree in a repository of its own, that could be released. */
  let tree: string
  let programs: string
  const git = (...args: readonly string[]) =>
    execFileSync('git', args, { cwd: tree, encoding: 'utf8' }).trim()
  const calls = () => readFileSync(join(programs, 'calls'), 'utf8')

  function run(...args: readonly string[]): { readonly status: number | null; readonly stdout: string } {
    writeFileSync(join(programs, 'calls'), '')
    const path = [programs, resolve('node_modules/.bin'), process.env['PATH']].join(delimiter)
    const env = { ...process.env, PATH: path, SIGSTORE_ID_TOKEN: 'a proof' }
    return spawnSync(process.execPath, ['scripts/release.ts', ...args], { cwd: tree, env, encoding: 'utf8' })
  }

  function commitAll(): void {
    git('add', '-A')
    git('-c', 'user.name=a', '-c', 'user.email=a@example.com', 'commit', '-qm', 'A release')
  }

  beforeAll(() => {
    const folder = mkdtempSync(join(tmpdir(), 'modelward-release-'))
    tree = join(folder, 'tree')
    programs = join(folder, 'programs')
    copyClone(tree)
    git('init', '-q')
    // Its own, in which a run is noted as green.
    rmSync(join(tree, 'node_modules/.cache'), { force: true })
    commitAll()
    mkdirSync(programs)
    const npm = execFileSync('/bin/sh', ['-c', 'command -v npm'], { encoding: 'utf8' }).trim()
    // The registry has no such version, and takes what is published.
    writeFileSync(
      join(programs, 'npm'),
      `#!/bin/sh\ncase "$1" in\npack) exec '${npm}' "$@" ;;\nview) echo 'npm error code E404' >&2; exit 1 ;;\n*) echo "$@" >> '${programs}/calls' ;;\nesac\n`,
    )
    chmodSync(join(programs, 'npm'), 0o755)
    // The sources are the same in each run: they are compiled in the first, as long as that takes.
    writeFileSync(
      join(programs, 'tsc'),
      `#!/bin/sh\nset -e\nkept="node_modules/.cache/compiled/$(echo "$@" | cksum | cut -d' ' -f1)"\n[ -d "$kept" ] || '${resolve('node_modules/.bin/tsc')}' "$@" --outDir "$kept"\nmkdir -p dist/modelward/dist\ncp -R "$kept/." dist/modelward/dist\n`,
    )
    chmodSync(join(programs, 'tsc'), 0o755)
  })
  afterAll(() => rmSync(join(tree, '..'), { recursive: true, force: true }))

  test('says what is wrong with this tree, and publishes nothing even if told to', () => {
    const { status, stdout } = run('--publish')
    expect([status, calls()]).toEqual([1, ''])
    expect(stdout).toMatch(/not to be published: `repository`, `homepage` and `bugs` .* are placeholders/)
    expect(stdout).not.toMatch(/leads nowhere/)
  })

  test('publishes nothing by itself, and both packages in order if told to', () => {
    const manifest = readFileSync(join(tree, 'package.json'), 'utf8')
    writeFileSync(join(tree, 'package.json'), manifest.replaceAll('modelward.invalid', 'example.com'))
    const { version } = JSON.parse(manifest) as { readonly version: string }
    const readme = readFileSync(join(tree, 'README.md'), 'utf8')
    writeFileSync(join(tree, 'README.md'), readme.replace(/Until both are on npm[^.]*\./, ''))
    writeFileSync(join(tree, 'CHANGELOG.md'), `## [Unreleased]\n\n## [${version}] - ${today}\n`)
    commitAll()
    git('tag', `v${version}`)
    const commit = git('rev-parse', 'HEAD')
    mkdirSync(join(tree, 'node_modules/.cache/modelward'), { recursive: true })
    const green = JSON.stringify({ all: commit, ecosystem: commit })
    writeFileSync(join(tree, 'node_modules/.cache/modelward/green-runs.json'), green)

    const dry = run()
    expect([dry.status, calls(), dry.stdout]).toEqual([
      0,
      '',
      expect.stringContaining('Nothing was published'),
    ])
    expect(run('--publish').status).toBe(0)
    expect(
      calls()
        .trim()
        .split('\n')
        .map((call) => basename(call)),
    ).toEqual([`modelward-${version}.tgz`, `modelward-server-${version}.tgz`])
    const { publishConfig } = JSON.parse(readFileSync(join(tree, 'dist/modelward/package.json'), 'utf8'))
    expect(publishConfig).toEqual({ access: 'public', provenance: true })
  }, 180_000)
})
