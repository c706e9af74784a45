import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'

const imports = 'import httpx, requests'

/**
 * The path of a Python 3 that has requests and httpx: the one on the path, or Debian's, whose
 * packages this installs where it is root on Debian; else undefined, with the reason on standard
 * error. Runs before tests are collected, so that they can be skipped in plain sight.
 */
export function findPython(): string | undefined {
  const python = ['python3', '/usr/bin/python3'].find(hasBoth)
  if (python !== undefined) return pathOf(python)
  if (process.getuid?.() !== 0 || !existsSync('/etc/debian_version')) {
    process.stderr.write('no Python with requests and httpx: the page python.md is not run\n')
    return undefined
  }
  process.stderr.write('installing python3-requests and python3-httpx from Debian’s packages (once) …\n')
  for (const args of [
    ['update'],
    ['install', '-y', '--no-install-recommends', 'python3', 'python3-requests', 'python3-httpx'],
  ]) {
    const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' }
    const { status, stderr } = spawnSync('apt-get', args, { env, encoding: 'utf8' })
    if (status === 0) continue
    process.stderr.write(`apt-get ${args[0]} failed (${status}); python.md is not run\n${stderr}\n`)
    return undefined
  }
  return hasBoth('/usr/bin/python3') ? '/usr/bin/python3' : undefined
}

function hasBoth(python: string): boolean {
  return spawnSync(python, ['-c', imports]).status === 0
}

function pathOf(python: string): string {
  return spawnSync(python, ['-c', 'import sys; print(sys.executable)'], { encoding: 'utf8' }).stdout.trim()
}
