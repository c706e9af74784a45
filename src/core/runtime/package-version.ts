/**
 * The version of this package, as `package.json` has it. Written here, because a bundle has no such
 * file beside it.
 */
export const packageVersion = '0.1.0'
