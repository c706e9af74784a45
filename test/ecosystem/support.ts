import { compilers, type Resolution } from '../package/compilers.ts'
import { nodeVersions, oldNodeVersions } from '../package/install-nodes.ts'

/** Something that the package is used with, and what a test has seen of it. */
export interface SupportRow {
  /** Packages of this folder's lock file whose versions `docs/reference/support.md` states. */
  readonly packages?: readonly string[]
  /** Versions that no lock file has. */
  readonly versions?: readonly string[]
  /** What is proved, or what happens in place of working. */
  readonly proof: string
  /** What a user must know beside it, or do instead. */
  readonly note?: string
  /** The page that says how, by its name in `docs/guides`. */
  readonly guide?: string
}

const guarded = '401, 403 and 200, and a ledger that verifies'
const killed = 'Guard, limits, revocation; `kill -9` loses no record'
const ofTypeScript = 'Versions of TypeScript'
const typed = 'A strict consumer of every entry point compiles; `attw` finds no fault in the package'

function compilersOf(resolution: Resolution): readonly string[] {
  return compilers
    .filter(({ resolutions }) => resolutions.includes(resolution))
    .map(({ typescript }) => typescript)
}

/** What works: each row is there because a test says `proves('its name')`. */
export const supported = {
  'Node.js': { versions: nodeVersions, proof: '401, 403 and 200 on each framework, without a warning' },
  'CommonJS `require`': { versions: nodeVersions, proof: guarded, guide: 'runtimes' },
  'tsx watch': {
    packages: ['tsx'],
    proof: 'An edit restarts the app on the same data folder',
    guide: 'runtimes',
  },
  'node:cluster': {
    versions: nodeVersions,
    proof: 'Workers share the keys and the ledger',
    guide: 'runtimes',
  },

  'Fastify 5': { packages: ['fastify'], proof: guarded, guide: 'fastify' },
  'Hono 4': { packages: ['hono', '@hono/node-server'], proof: guarded, guide: 'hono' },
  'Express 5': { packages: ['express'], proof: guarded, guide: 'express' },
  'Express 4': { packages: ['express-4'], proof: guarded, guide: 'express' },
  'Web-standard handlers': { proof: guarded, guide: 'web' },
  'Next.js with Turbopack': {
    packages: ['next'],
    proof: `\`next build\` and \`next start\`: ${guarded}`,
    guide: 'nextjs',
  },
  'Next.js with webpack': {
    packages: ['next'],
    proof: `\`next build --webpack\` and \`next start\`: ${guarded}`,
    note: 'With `serverExternalPackages`',
    guide: 'nextjs',
  },
  'Next.js in development': {
    packages: ['next'],
    proof: '`next dev`: an edit forgets nothing that was used of limits',
    guide: 'nextjs',
  },
  'NestJS on Fastify': {
    packages: ['@nestjs/core', '@nestjs/platform-fastify'],
    proof: guarded,
    guide: 'nestjs',
  },
  'NestJS on Express': {
    packages: ['@nestjs/core', '@nestjs/platform-express'],
    proof: guarded,
    guide: 'nestjs',
  },
  'tRPC on Fastify': { packages: ['@trpc/server', 'fastify'], proof: guarded, guide: 'trpc' },
  'tRPC on Express': { packages: ['@trpc/server', 'express'], proof: guarded, guide: 'trpc' },

  'Bun: the library': { packages: ['bun'], proof: killed, guide: 'runtimes' },
  'Bun: `modelward serve`': { packages: ['bun'], proof: `${killed}; jobs`, guide: 'runtimes' },
  'Deno: the library': { packages: ['deno'], proof: killed, guide: 'runtimes' },
  'Deno: the command line': {
    packages: ['deno'],
    proof: '`serve` with limits, jobs and `kill -9`; a key that Node knows, a ledger of Node verified',
    guide: 'runtimes',
  },
  'Cloudflare Workers, in memory': {
    packages: ['miniflare'],
    proof: '401, 403 and 200',
    guide: 'runtimes',
  },

  esbuild: { packages: ['esbuild'], proof: guarded, note: 'With `--external:modelward`', guide: 'bundlers' },
  webpack: { packages: ['webpack'], proof: guarded, guide: 'bundlers' },
  Rolldown: { packages: ['rolldown'], proof: guarded, note: 'With `external`', guide: 'bundlers' },
  'Vite SSR': {
    packages: ['vite'],
    proof: guarded,
    note: 'With `ssr.external` where `noExternal` is set',
    guide: 'bundlers',
  },

  Vitest: {
    packages: ['vitest'],
    proof: 'Tests of a guarded app pass, and fail when it is open',
    guide: 'bundlers',
  },
  Jest: {
    packages: ['jest'],
    proof: 'Tests of a guarded app pass, and fail when it is open',
    note: 'With `--experimental-vm-modules`',
    guide: 'bundlers',
  },

  'llama.cpp': {
    packages: ['node-llama-cpp'],
    proof: 'The gateway: npm’s `openai`, tokens as the engine says them, exact counts; who leaves stops it',
    note: 'Its engine by `node-llama-cpp`, the routes as `llama-server` has them',
    guide: 'gateway',
  },

  'Types under `node10`': {
    versions: compilersOf('node10'),
    proof: typed,
    note: 'Versions of TypeScript; 7 has no `node10`',
  },
  'Types under `node16` and `nodenext`': {
    versions: compilersOf('nodenext'),
    proof: typed,
    note: ofTypeScript,
  },
  'Types under `bundler`': { versions: compilersOf('bundler'), proof: typed, note: ofTypeScript },
} as const satisfies Readonly<Record<string, SupportRow>>

/** What is known not to work, and what it says: each row is proved as those above. */
export const unsupported = {
  'Node.js before 22.19': {
    versions: oldNodeVersions,
    proof: 'One sentence with both versions, before anything else is loaded',
    note: 'Install a newer one',
  },
  'Jest without its flag': {
    packages: ['jest'],
    proof: 'It ends with `Must use import to load ES Module`',
    note: 'Run it with `--experimental-vm-modules`',
    guide: 'bundlers',
  },
  'Cloudflare Workers with a data folder': {
    packages: ['miniflare'],
    proof: 'Opening says `runtime_unsuitable`, in one sentence; a guard answers 503',
    note: 'Open it where `node:sqlite` is',
    guide: 'runtimes',
  },
} as const satisfies Readonly<Record<string, SupportRow>>

export type SupportName = keyof typeof supported | keyof typeof unsupported

/**
 * The title of the `describe` whose tests prove a row of `docs/reference/support.md`. Write the
 * name as a literal: the page finds the file that proves a row by it.
 *
 * @throws if there is no such row
 */
export function proves(name: SupportName): SupportName {
  if (!Object.hasOwn(supported, name) && !Object.hasOwn(unsupported, name))
    throw new Error(`test/ecosystem/support.ts: expected the name of a row, got ${name}`)
  return name
}
