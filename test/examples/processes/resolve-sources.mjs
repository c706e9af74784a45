// `node --import`: `modelward` and its subpaths are this repository's sources, so that guides run as a user writes them,
// without a build.
import { registerHooks } from 'node:module'

registerHooks({
  resolve(specifier, context, nextResolve) {
    const [, subpath] = /^modelward(?:\/(\w+))?$/.exec(specifier) ?? []
    if (specifier !== 'modelward' && subpath === undefined) return nextResolve(specifier, context)
    const source = subpath === undefined ? 'index.ts' : `${subpath}/index.ts`
    return nextResolve(new URL(`../../../src/${source}`, import.meta.url).href, context)
  },
})
