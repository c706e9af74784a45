// `npm run docs`: writes the generated pages of `docs/reference` again, from the sources.
import { writeFileSync } from 'node:fs'
import { formatEventsPage } from './events-page.ts'
import { formatGatewayPage } from './gateway-page.ts'
import { formatLibraryPage, readLibrary } from './library-page.ts'
import { formatMetricsPage } from './metrics-page.ts'
import { formatSupportPage } from './support-page.ts'

writeFileSync('docs/reference/library.md', formatLibraryPage(readLibrary()))
writeFileSync('docs/reference/events.md', formatEventsPage())
writeFileSync('docs/reference/metrics.md', formatMetricsPage())
writeFileSync('docs/reference/support.md', formatSupportPage())
writeFileSync('docs/reference/gateway.md', formatGatewayPage())
