import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { createProject, type Project } from './create-project.ts'

/** The oldest Node that `engines` promises, and the newest of each later line that is supported. */
export const nodeVersions = [oldestVersion(), '24', '26'] as const

/** Too old: the last before the oldest that will do, and lines that systems still come with. */
export const oldNodeVersions = ['22.18', '20', '18'] as const

export interface Nodes extends Pick<Project, 'remove'> {
  readonly programOf: (version: string) => string
}

/**
 * Installs Node itself, for this platform, from the packages that hold the programs: the package
 * `node` would fetch the same ones by an install script. The line of Node that this runs under is
 * there already.
 */
export async function installNodes(versions: readonly string[]): Promise<Nodes> {
  const { platform, arch, execPath } = process
  const [own] = process.versions.node.split('.')
  const name = (version: string) => `node-${version}`
  const project = await createProject(
    Object.fromEntries(
      versions
        .filter((version) => version !== own)
        .map((version) => [name(version), `npm:node-${platform}-${arch}@${version}`]),
    ),
  )
  return {
    programOf: (version) =>
      version === own ? execPath : join(project.folder, 'node_modules', name(version), 'bin/node'),
    remove: project.remove,
  }
}

function oldestVersion(): string {
  const { engines } = JSON.parse(readFileSync('package.json', 'utf8')) as {
    readonly engines: { readonly node: string }
  }
  const [, minor] = /^>=(\d+\.\d+)$/.exec(engines.node) ?? []
  if (minor === undefined) throw new Error(`engines.node: expected >=<major>.<minor>, got ${engines.node}`)
  return `${minor}.0`
}
