import { spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type BrowserContext, chromium } from 'playwright-core'

/** Where Debian and its kin install it. */
const debianPath = '/usr/bin/chromium'

/**
 * The path of a Chromium: `CHROMIUM_PATH`, what is installed, or what Debian's packages give where
 * this is root on Debian; else undefined, with the reason on standard error. Runs before tests are
 * collected, so that they can be skipped in plain sight.
 */
export function findChromium(): string | undefined {
  const { CHROMIUM_PATH: browserPath } = process.env
  if (browserPath !== undefined) {
    if (existsSync(browserPath)) return browserPath
    throw new Error(`CHROMIUM_PATH: expected the path of a browser, got ${browserPath}`)
  }
  if (existsSync(debianPath)) return debianPath
  if (process.getuid?.() !== 0 || !existsSync('/etc/debian_version')) {
    process.stderr.write('no Chromium: set CHROMIUM_PATH; the tests with a browser are skipped\n')
    return undefined
  }
  process.stderr.write('installing chromium from Debian’s packages (once) …\n')
  for (const args of [['update'], ['install', '-y', '--no-install-recommends', 'chromium']]) {
    const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' }
    const { status, stderr } = spawnSync('apt-get', args, { env, encoding: 'utf8' })
    if (status === 0) continue
    process.stderr.write(
      `apt-get ${args[0]} failed (${status}); the tests with a browser are skipped\n${stderr}\n`,
    )
    return undefined
  }
  return existsSync(debianPath) ? debianPath : undefined
}

export interface BrowserSession extends AsyncDisposable {
  readonly context: BrowserContext
}

/** A browser with a profile of its own, which asks the network for nothing by itself. */
export async function startBrowser(executablePath: string): Promise<BrowserSession> {
  const profile = mkdtempSync(join(tmpdir(), 'modelward-browser-'))
  const context = await chromium.launchPersistentContext(profile, {
    executablePath,
    headless: true,
    viewport: { width: 1_280, height: 900 },
    args: [
      '--no-sandbox',
      '--disable-gpu',
      '--disable-quic',
      '--no-first-run',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
    ],
  })
  return {
    context,
    async [Symbol.asyncDispose]() {
      await context.close()
      rmSync(profile, { recursive: true, force: true })
    },
  }
}
