import type { Clock } from '../core/time.ts'

/** How long a page is answered again, in milliseconds: more scrapes make no more work. */
const pageMs = 1_000

/**
 * One page for all who ask at the same time, or within a second of it, for each of its formats.
 *
 * @param write rejects where a page cannot be written; the next who asks has it tried again
 */
export function sharePages<Format extends string, Page>(
  write: (format: Format) => Promise<Page>,
  monotonic: Clock,
): (format: Format) => Promise<Page> {
  const pages = new Map<Format, { readonly page: Promise<Page>; endsAt: number }>()
  return function pageOf(format) {
    const known = pages.get(format)
    if (known !== undefined && monotonic() < known.endsAt) return known.page
    // Under way for as long as it takes; then for its time.
    const entry = { page: write(format), endsAt: Number.POSITIVE_INFINITY }
    pages.set(format, entry)
    entry.page.then(
      () => {
        entry.endsAt = monotonic() + pageMs
      },
      () => pages.delete(format),
    )
    return entry.page
  }
}
