import { openModelward } from '../../../src/ward/open-modelward.ts'
import { sayLine } from './say-line.ts'

// Opens a deployment as an app does, says what it hears of its limits, and closes it.
const [, , data = ''] = process.argv
const ward = await openModelward({
  data,
  onEvent({ name }) {
    if (name.startsWith('limiter.')) sayLine(name)
  },
})
await ward.close()
sayLine('closed')
