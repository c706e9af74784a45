import { packageVersion } from './package-version.ts'

/** Under which a ward says which version made it, to every copy of this package in the process. */
const mark: symbol = Symbol.for('modelward.version')

/** Marks what this copy of the package has made and others of the process may be given. */
export function markVersion<T extends object>(made: T): T {
  return Object.defineProperty(made, mark, { value: packageVersion })
}

/** The version that made this, where it is another than ours. */
export function otherVersionOf(made: object): string | undefined {
  const version: unknown = Reflect.get(made, mark)
  return version === undefined || version === packageVersion ? undefined : String(version)
}

/** What to do about two versions in one process, as the end of a message. */
export const oneVersion = 'one process needs one version: `npm ls modelward` shows which packages bring which'
