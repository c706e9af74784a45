/** The oldest Node.js that runs this program, as `engines` in package.json says. */
export const nodeVersionMin = '22.19'

/**
 * What to print where Node.js is too old; undefined where it will do. It imports nothing:
 * an older one could not load the rest of the program.
 *
 * @param version as `process.versions.node` has it
 */
export function describeOldNode(version: string): string | undefined {
  const [major = 0, minor = 0] = version.split('.').map(Number)
  const [majorMin = 0, minorMin = 0] = nodeVersionMin.split('.').map(Number)
  if (major > majorMin || (major === majorMin && minor >= minorMin)) return undefined
  return `modelward needs Node.js ${nodeVersionMin} or newer, and this is ${version}: https://nodejs.org`
}

/** What tells one runtime from another. */
interface RuntimeGlobals {
  readonly process?: { readonly versions?: { readonly node?: string } }
  readonly navigator?: { readonly userAgent?: string }
}

/**
 * The same of the runtime that this is. Others than Node.js name the Node.js that they are like,
 * or none, and are not judged by it. Node.js itself has a `navigator` from version 21 on.
 */
export function findOldNode({ process, navigator }: RuntimeGlobals): string | undefined {
  const version = process?.versions?.node
  const isNode = navigator?.userAgent?.startsWith('Node.js/') ?? true
  return version !== undefined && isNode ? describeOldNode(version) : undefined
}
