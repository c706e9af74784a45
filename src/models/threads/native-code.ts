import module from 'node:module'

/** What a word in shared memory says, by which a thread and its starter agree. */
export const nativeCode = { none: 0, loaded: 1, ending: 2 } as const

/**
 * Notes in a thread that native code has been loaded into it, before it is. Node ends a thread by
 * force only at the cost of the whole process while an add-on runs: it throws into code that cannot
 * take an exception (node-addon-api: "throwing an exception on a terminating environment").
 *
 * Every add-on comes through `process.dlopen`, by `require` and `import` too; one that was loaded
 * before this call, by a module that `NODE_OPTIONS` names, is found in the cache of `require`. A
 * thread that the model has started may load anything, and ends with this one: it counts as well.
 *
 * @param word the state of `nativeCode`, and 1 in the next word once some was refused
 * @param mayLoad false refuses native code
 */
export function watchNativeCode(word: Int32Array, mayLoad: () => boolean): void {
  // By its own name, webpack replaces this function by nothing.
  const { cache } = module.createRequire(import.meta.url)
  if (Object.keys(cache).some((file) => file.endsWith('.node'))) note(word)
  const load = process.dlopen
  process.dlopen = function dlopen(...args: Parameters<typeof load>) {
    if (!mayLoad()) {
      Atomics.store(word, 1, 1)
      throw new Error('native code is not loaded while a model is looked at')
    }
    note(word)
    return load.apply(process, args)
  }
  process.on('worker', () => note(word))
}

function note(word: Int32Array): void {
  if (Atomics.compareExchange(word, 0, nativeCode.none, nativeCode.loaded) === nativeCode.ending)
    throw new Error('this thread is being ended')
}
