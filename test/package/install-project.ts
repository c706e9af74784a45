import { afterAll, beforeAll } from 'vitest'
import { createProject, type Project } from './create-project.ts'
import { type Packed, packPackage } from './pack-package.ts'

/** The packed packages, and a stranger's project that has installed them: there once tests run. */
export interface InstalledProject {
  readonly packed: Packed
  readonly folder: string
}

/**
 * Packs the packages and installs them before the tests of a file, and removes all of it after
 * them.
 *
 * @param beside what else the project installs
 */
export function installProject({
  withServer,
  beside = {},
}: {
  readonly withServer: boolean
  readonly beside?: Readonly<Record<string, string>>
}): InstalledProject {
  let packed: Packed | undefined
  let project: Project | undefined
  beforeAll(async () => {
    packed = await packPackage()
    project = await createProject({
      modelward: `file:${packed.tarball}`,
      ...(withServer && { '@modelward/server': `file:${packed.server.tarball}` }),
      ...beside,
    })
  })
  afterAll(async () => {
    await Promise.all([packed?.remove(), project?.remove()])
  })
  return {
    get packed() {
      return installed(packed)
    },
    get folder() {
      return installed(project).folder
    },
  }
}

function installed<T>(made: T | undefined): T {
  if (made === undefined) throw new Error('the project is installed before the tests, not as they are read')
  return made
}
