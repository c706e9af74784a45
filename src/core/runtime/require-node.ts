import { findOldNode } from './node-version.ts'

// Every entry imports this file first, so that it runs before the rest does.
const tooOld = findOldNode(globalThis)
if (tooOld !== undefined) throw new Error(tooOld)
