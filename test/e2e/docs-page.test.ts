import { mkdirSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { BrowserContext, Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createKey } from '../parity/ask.ts'
import type { ParityTarget } from '../parity/parity-target.ts'
import { startServerTarget } from '../parity/start-server-target.ts'
import { type BrowserSession, findChromium, startBrowser } from './chromium.ts'

const browserPath = findChromium()

/** Where the pictures are kept for people to look at. */
const pictures = join(tmpdir(), 'modelward-screenshots')

// Where there is no browser and none can be installed, `findChromium` has said so.
describe.skipIf(browserPath === undefined)('the documentation in a browser', () => {
  let target: ParityTarget
  let browser: BrowserSession
  let context: BrowserContext
  let page: Page
  let key: string
  let origin: string
  const foreign: string[] = []
  const complaints: string[] = []

  beforeAll(async () => {
    mkdirSync(pictures, { recursive: true })
    target = await startServerTarget()
    // A clock that stands at another day than the browser's would end its cookie.
    target.time.now = Date.now()
    key = await createKey(target, { name: 'reader' })
    origin = `http://127.0.0.1:${target.port}`
    browser = await startBrowser(browserPath ?? '')
    context = browser.context
    context.on('request', (request) => {
      const url = request.url()
      if (!url.startsWith(`${origin}/`) && !url.startsWith('data:')) foreign.push(url)
    })
    context.on('console', (message) => {
      // The console shows a refusal too; the pages below are about that.
      if (message.type() === 'error' && !/status of 40[13]/.test(message.text()))
        complaints.push(message.text())
    })
    context.on('weberror', (error) => complaints.push(String(error.error())))
    page = await context.newPage()
  })
  afterAll(async () => {
    await browser?.[Symbol.asyncDispose]()
    await target?.close()
  })

  const picture = (name: string) => page.screenshot({ path: join(pictures, `${name}.png`), fullPage: true })

  test('31 /docs without a key is a 401 with a form to sign in', async () => {
    const answer = await page.goto(`${origin}/docs`)
    expect(answer?.status()).toBe(401)
    expect(answer?.headers()['www-authenticate']).toBe('ApiKey realm="modelward", header="X-API-Key"')
    const field = page.getByLabel('API key')
    await field.waitFor()
    expect(await field.getAttribute('type')).toBe('password')
    expect(await page.evaluate('document.activeElement.id')).toBe('key')
    await picture('1-sign-in')
  })

  test('a wrong key shows what is wrong, keeps nothing of it, and signs no user in', async () => {
    await page.getByLabel('API key').fill('mw_live_wrong')
    await page.getByRole('button', { name: 'Sign in' }).click()
    await page.getByRole('alert').waitFor()
    expect(await page.getByRole('alert').textContent()).toBe('Invalid API key')
    expect(await page.getByLabel('API key').inputValue()).toBe('')
    expect(await page.content()).not.toContain('mw_live_wrong')
    expect(await context.cookies()).toEqual([])
    await picture('2-wrong-key')
  })

  test('the right key signs in by the keyboard alone, leads to the page, and the cookie does not hold it', async () => {
    await page.getByLabel('API key').fill(key)
    await page.keyboard.press('Enter')
    await page.waitForURL(`${origin}/docs`)
    await page.getByText('/predict', { exact: true }).first().waitFor()
    const cookies = await context.cookies()
    expect(cookies).toMatchObject([{ name: 'modelward_session', httpOnly: true, sameSite: 'Strict' }])
    expect(JSON.stringify(cookies)).not.toContain(key.slice(-49))
    await picture('3-docs')
  })

  test('Authorize keeps the key over a reload', async () => {
    await page.getByRole('button', { name: 'Authorize' }).first().click()
    const dialog = page.locator('.modal-ux')
    await dialog.locator('input').first().fill(key)
    await picture('4-authorize')
    await dialog.getByRole('button', { name: /^(Apply credentials|Authorize)$/ }).click()
    await dialog.getByRole('button', { name: 'Close' }).click()
    await page.reload()
    await page.locator('.authorize.locked').first().waitFor()
  })

  test('Try it out calls POST /predict with the key, and shows the sentiment', async () => {
    await page.locator('#operations-predict-predict').getByRole('button').first().click()
    await page.getByRole('button', { name: 'Try it out' }).click()
    const answered = page.waitForResponse((response) => response.url().startsWith(`${origin}/predict`))
    await page.getByRole('button', { name: 'Execute' }).click()
    const answer = await answered
    expect({ method: answer.request().method(), status: answer.status() }).toEqual({
      method: 'POST',
      status: 200,
    })
    expect(answer.request().headers()['x-api-key']).toBe(key)
    await page.locator('.live-responses-table').getByText('"positive"').first().waitFor()
    expect(target.predicted).toContain('I love this great product')
    await picture('5-try-it-out')
  })

  test('a path that is not there shows the form too, and after it the way on stays on this server', async () => {
    await context.clearCookies()
    const answer = await page.goto(`${origin}//evil.example/x`)
    expect(answer?.status()).toBe(401)
    await page.getByLabel('API key').fill(key)
    await page.keyboard.press('Enter')
    await page.getByText('/predict', { exact: true }).first().waitFor()
    expect(new URL(page.url()).origin).toBe(origin)
  })

  test('on a telephone the form fits, and in the dark it is dark', async () => {
    await context.clearCookies()
    await page.setViewportSize({ width: 360, height: 640 })
    await page.emulateMedia({ colorScheme: 'dark' })
    await page.goto(`${origin}/docs`)
    const width = await page.evaluate<number>('document.documentElement.scrollWidth')
    expect(width).toBeLessThanOrEqual(360)
    const background = await page.evaluate('getComputedStyle(document.body).backgroundColor')
    expect(background).toBe('rgb(16, 20, 31)')
    await picture('6-telephone')
  })

  test('all through this, nothing was asked of any other host, and neither the policy nor a script complained', () => {
    expect(foreign).toEqual([])
    expect(complaints).toEqual([])
  })
})
