import { expect, test } from 'vitest'
import { formatCliPage } from './cli-page.ts'

test('docs/reference/cli.md says what the commands say of themselves', async () => {
  await expect(await formatCliPage()).toMatchFileSnapshot('../../docs/reference/cli.md')
})
