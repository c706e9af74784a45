import { expect, test } from 'vitest'
import { formatConfigPage } from './config-page.ts'

test('docs/reference/config.md says what the settings say', async () => {
  await expect(formatConfigPage()).toMatchFileSnapshot('../../docs/reference/config.md')
})
