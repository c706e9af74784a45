// `npm run docs`: writes `docs/reference/library.md` again, from the sources.
import { writeFileSync } from 'node:fs'
import { formatLibraryPage, readLibrary } from './library-page.ts'

writeFileSync('docs/reference/library.md', formatLibraryPage(readLibrary()))
