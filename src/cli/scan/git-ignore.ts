import { closeSync, constants, fstatSync, lstatSync, openSync, readFileSync, realpathSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import ignore, { type Ignore } from 'ignore'

/** What git ignores in one folder. */
export interface FolderRules {
  /** From the root of the repository, with `/` between names; empty at the root. */
  readonly path: string
  /** The patterns that hold here, the strongest last. Folders that add none have those above. */
  readonly patterns: Patterns
}

interface Patterns {
  matcher: Ignore
  /** For how many paths it was asked, each of which it remembers. */
  asked: number
}

/** Git matches case as the file system does; where one is mistaken, a folder is read. */
const options = { ignoreCase: false }

/**
 * The rules in a folder: those of the folder above, and its own `.gitignore`. A repository within
 * another begins anew. No file system is asked but for `.git` and `.gitignore` that are there.
 *
 * @param above undefined outside a repository, and below what git ignores
 * @param has whether the folder has a file or a folder of this name
 */
export function enterFolder(
  above: FolderRules | undefined,
  folder: string,
  name: string,
  has: (name: string) => boolean,
): FolderRules | undefined {
  const isRoot = has('.git')
  if (!isRoot && above === undefined) return undefined
  const path = isRoot || above === undefined ? '' : pathIn(above, name)
  const hasOwn = has('.gitignore')
  if (!isRoot && !hasOwn && above !== undefined) return { path, patterns: above.patterns }
  const matcher = ignore(options)
  if (isRoot) matcher.add(readPatterns(join(folder, '.git', 'info', 'exclude'), ''))
  else if (above !== undefined) matcher.add(above.patterns.matcher)
  if (hasOwn) matcher.add(readPatterns(join(folder, '.gitignore'), path))
  return { path, patterns: { matcher, asked: 0 } }
}

/** The rules above a folder that was named. Undefined where it is ignored: it was named. */
export function rulesAbove(folder: string): FolderRules | undefined {
  const folders = [realpathSync(folder)]
  for (let at = folders[0] ?? ''; !hasFile(at, '.git'); at = dirname(at)) {
    if (at === dirname(at)) return undefined
    folders.unshift(dirname(at))
  }
  let rules: FolderRules | undefined
  for (const [index, at] of folders.slice(0, -1).entries()) {
    rules = enterFolder(rules, at, basename(at), (name) => hasFile(at, name))
    if (isIgnored(rules, basename(folders[index + 1] ?? ''))) return undefined
  }
  return rules
}

/** Whether git ignores the folder of this name in the folder of these rules. */
export function isIgnored(rules: FolderRules | undefined, name: string): boolean {
  if (rules === undefined || rules.path.split('/').length >= foldersMax) return false
  return matcherOf(rules.patterns).ignores(`${pathIn(rules, name)}/`)
}

/** Paths after which a matcher is made anew, so that a large tree does not fill the memory. */
const forgetAfter = 10_000

function matcherOf(patterns: Patterns): Ignore {
  patterns.asked += 1
  if (patterns.asked % forgetAfter === 0) patterns.matcher = ignore(options).add(patterns.matcher)
  return patterns.matcher
}

/** One character a byte, as git matches. */
function pathIn({ path }: FolderRules, name: string): string {
  const bytes = Buffer.from(name).toString('latin1')
  return path === '' ? bytes : `${path}/${bytes}`
}

/**
 * A line of a `.gitignore` as it would stand at the root of the repository: one list of all files'
 * patterns decides as git does.
 */
function patternBelow(path: string, line: string): string {
  if (line.startsWith('#')) return ''
  // In place of the pattern: all is read that was ignored so far.
  if (line.split('**').length - 1 > starsMax) return '!*'
  if (path === '') return line
  const not = line.startsWith('!') ? '!' : ''
  const pattern = trimEnd(line.slice(not.length))
  const rest = pattern.startsWith('/') ? pattern.slice(1) : pattern
  if (rest === '') return ''
  const folder = `/${path.replaceAll(/[\\*?[]/g, '\\$&')}/`
  const isAnywhere = !pattern.slice(0, -1).includes('/')
  return `${not}${folder}${isAnywhere ? '**/' : ''}${rest}`
}

/** Without the spaces at its end, but for one behind a backslash. */
function trimEnd(line: string): string {
  let end = line.length
  while (line[end - 1] === ' ') end -= 1
  let backslashes = 0
  while (line[end - backslashes - 1] === '\\') backslashes += 1
  return line.slice(0, backslashes % 2 === 0 ? end : end + 1)
}

const byteOrderMark = Buffer.from('\uFEFF').toString('latin1')

/** What is larger, deeper, or has more `**` in a line would take minutes to match, and is read. */
const ignoreFileBytesMax = 1_048_576
const foldersMax = 32
const starsMax = 2

/** As git: no symbolic link is followed. What cannot be read ignores nothing. */
function readPatterns(file: string, path: string): readonly string[] {
  let descriptor: number | undefined
  try {
    descriptor = openSync(file, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK)
    const stat = fstatSync(descriptor)
    if (!stat.isFile() || stat.size > ignoreFileBytesMax) return []
    const text = readFileSync(descriptor, 'latin1')
    const lines = text.slice(text.startsWith(byteOrderMark) ? byteOrderMark.length : 0).split(/\r?\n/)
    return lines.map((line) => patternBelow(path, line))
  } catch {
    return []
  } finally {
    if (descriptor !== undefined) closeSync(descriptor)
  }
}

function hasFile(folder: string, name: string): boolean {
  return lstatSync(join(folder, name), { throwIfNoEntry: false }) !== undefined
}
