import zlib from 'node:zlib'

/**
 * `crc32` of `node:zlib`. Not by its name: where Node.js lacks it (before 20.15), that import
 * fails before `require-node.ts` runs and says why.
 */
export const crc32: typeof zlib.crc32 = zlib.crc32
