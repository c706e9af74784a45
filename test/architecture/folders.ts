import { readFileSync } from 'node:fs'

/** A row of the table "Folders and arrows" in ARCHITECTURE.md. */
export interface Folder {
  /** A path below `src`, such as `storage/sqlite`. */
  readonly name: string
  /** The folders of `src` that it may import. */
  readonly folders: readonly string[]
  /**
   * The packages and built-ins that it may import; `node:*` is every built-in but `node:sqlite`.
   */
  readonly packages: readonly string[]
}

const page = readFileSync('ARCHITECTURE.md', 'utf8')
const section = page.split(/^## /m).find((text) => text.startsWith('Folders and arrows')) ?? ''

function namesIn(cell: string): readonly string[] {
  return [...cell.matchAll(/`([^`]+)`/g)].map(([, name = '']) => name)
}

/** The folders, the lowest first. */
export const folders: readonly Folder[] = [
  ...section.matchAll(/^\| `([^`]+)` \|[^|]*\|([^|]*)\|([^|]*)\|$/gm),
].map(([, name = '', ours = '', others = '']) => ({
  name,
  folders: namesIn(ours),
  packages: namesIn(others),
}))

/**
 * The folder of a path such as `src/storage/sqlite/keys/key-table.ts`: the longest that holds it.
 */
export function folderOf(path: string): Folder | undefined {
  const holding = folders.filter(({ name }) => path === `src/${name}` || path.startsWith(`src/${name}/`))
  return holding.toSorted((a, b) => b.name.length - a.name.length)[0]
}

export function mayImport({ name, folders: ours, packages }: Folder, imported: string): boolean {
  if (imported.startsWith('src/')) {
    const other = folderOf(imported)
    return other !== undefined && (other.name === name || ours.includes(other.name))
  }
  if (imported.startsWith('node:')) {
    return packages.includes(imported) || (packages.includes('node:*') && imported !== 'node:sqlite')
  }
  const [scope = '', rest = ''] = imported.split('/')
  return packages.includes(imported.startsWith('@') ? `${scope}/${rest}` : scope)
}
