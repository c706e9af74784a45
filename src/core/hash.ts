import crypto from 'node:crypto'

/**
 * `hash` of `node:crypto`. Not by its name: where Node.js lacks it (before 20.12), that import
 * fails before `require-node.ts` runs and says why.
 */
export const hash: typeof crypto.hash = crypto.hash
