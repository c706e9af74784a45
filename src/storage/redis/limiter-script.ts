import { createHash } from 'node:crypto'
import { callScript, cellScript } from './script-cells.ts'
import { plainScript } from './script-plain.ts'
import { requestScript } from './script-requests.ts'
import { spanScript } from './script-spans.ts'
import { windowScript } from './script-windows.ts'

/** The one script that takes, peeks, settles and resets, in Lua. */
export const limiterScript: string = [
  windowScript,
  spanScript,
  callScript,
  plainScript,
  cellScript,
  requestScript,
].join('')

/** What Redis knows it by once it has seen it. */
export const limiterScriptSha: string = createHash('sha1').update(limiterScript).digest('hex')
