// `node --import`: `modelward` and its subpaths are this repository's sources, so that guides and examples run as a user writes them,
// without a build.
import { registerHooks } from 'node:module'

// As Next.js resolves: an import without an extension is a TypeScript file.
const nextHandler = new URL('../../../examples/next-handler/', import.meta.url).href

registerHooks({
  resolve(specifier, context, nextResolve) {
    if (/^\.{1,2}\/(?:.*\/)?[^./]+$/.test(specifier) && context.parentURL?.startsWith(nextHandler))
      return nextResolve(`${specifier}.ts`, context)
    const [, subpath] = /^modelward(?:\/(\w+))?$/.exec(specifier) ?? []
    if (specifier !== 'modelward' && subpath === undefined) return nextResolve(specifier, context)
    const source = subpath === undefined ? 'index.ts' : `${subpath}/index.ts`
    return nextResolve(new URL(`../../../src/${source}`, import.meta.url).href, context)
  },
})
