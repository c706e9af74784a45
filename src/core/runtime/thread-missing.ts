import { SetupError } from '../setup-error.ts'
import { isError } from './is-error.ts'

/** What Node says where a program, what it imports, or the URL of either leads nowhere. */
const codes: ReadonlySet<unknown> = new Set([
  'MODULE_NOT_FOUND',
  'ERR_MODULE_NOT_FOUND',
  'ERR_INVALID_URL',
  'ERR_INVALID_ARG_TYPE',
  'ERR_UNKNOWN_FILE_EXTENSION',
  'ERR_WORKER_PATH',
])

/**
 * The obstacle that the program of a thread cannot be loaded, as in an app whose bundler left it
 * behind or copied it alone; undefined if the thread ended for another reason.
 *
 * @param thread as a message names it: `ledger: the writer thread`
 */
export function threadMissingOf(thread: string, cause: unknown): SetupError | undefined {
  if (!isError(cause)) return undefined
  // A module that was copied to where `.js` files are CommonJS is no syntax that Node knows there.
  const isLost = codes.has((cause as { readonly code?: unknown }).code) || cause.name === 'SyntaxError'
  if (!isLost) return undefined
  const [why = ''] = cause.message.split('\n', 1)
  return new SetupError(
    'thread_missing',
    `${thread} cannot load its program (${why}); if a bundler built this app, leave the package modelward out of ` +
      'the bundle: `serverExternalPackages` in Next.js, `ssr.external` in Vite, `external` in esbuild, `externals` in webpack',
    { cause },
  )
}
