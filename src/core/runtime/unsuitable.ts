import { SetupError } from '../setup-error.ts'

/** What tells one runtime from another. */
interface RuntimeGlobals {
  readonly navigator?: { readonly userAgent?: string }
  /** Set by Next.js and Vercel in their edge runtime. */
  readonly EdgeRuntime?: unknown
}

/** Runtimes whose programs have no disk, no threads and no time between requests. */
function nameEdge({ navigator, EdgeRuntime }: RuntimeGlobals): string | undefined {
  if (navigator?.userAgent === 'Cloudflare-Workers') return 'Cloudflare Workers'
  return typeof EdgeRuntime === 'string' ? 'an edge runtime' : undefined
}

/**
 * Refuses a runtime in which no deployment can be open.
 *
 * @throws SetupError `runtime_unsuitable`, which says what works there
 */
export function refuseEdge(globals: RuntimeGlobals = globalThis as RuntimeGlobals): void {
  const name = nameEdge(globals)
  if (name !== undefined) throw unsuitable(`${name} has no SQLite, no threads and no disk`)
}

/** The obstacle that a runtime lacks what a deployment needs. */
export function unsuitable(why: string): SetupError {
  return new SetupError(
    'runtime_unsuitable',
    `${why}: openModelward needs Node.js, Bun or Deno; here createTestWard works, without jobs and with keys in ` +
      'memory, or pass requests on, with their keys, to a server that Modelward guards',
  )
}
