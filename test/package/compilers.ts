/** How a project of TypeScript finds what a package exports. */
export type Resolution = 'node10' | 'node16' | 'nodenext' | 'bundler'

export interface Compiler {
  /** A version of TypeScript. */
  readonly typescript: string
  /** Whether it can read all of what other packages declare today. */
  readonly isOfToday: boolean
  readonly resolutions: readonly Resolution[]
  /** Those of them that `npm test` tries; `--ecosystem` tries the others. */
  readonly always: readonly Resolution[]
}

/** The compilers that a consumer of the packed library is checked with. */
export const compilers: readonly Compiler[] = [
  // The oldest that Fastify's own declarations can be read with: they use `NoInfer`.
  {
    typescript: '5.4',
    isOfToday: false,
    resolutions: ['nodenext', 'bundler', 'node10'],
    always: ['nodenext'],
  },
  {
    typescript: '5.9',
    isOfToday: true,
    resolutions: ['node16', 'nodenext', 'bundler', 'node10'],
    always: [],
  },
  // The last that knows `node10`, as a resolution of the past.
  {
    typescript: '6',
    isOfToday: true,
    resolutions: ['node16', 'nodenext', 'bundler', 'node10'],
    always: ['node10'],
  },
  // The repository's own.
  {
    typescript: '7',
    isOfToday: true,
    resolutions: ['node16', 'nodenext', 'bundler'],
    always: ['node16', 'nodenext', 'bundler'],
  },
]
