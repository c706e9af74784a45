import { createHash } from 'node:crypto'
import { callScript, cellScript } from './script-cells.ts'
import { carryScript, loopScript } from './script-loop.ts'
import { plainScript } from './script-plain.ts'
import { requestScript } from './script-requests.ts'
import { spanScript } from './script-spans.ts'
import { shapeScript, windowScript } from './script-windows.ts'

/** The one script that takes, peeks, settles and resets, in Lua. */
export const limiterScript: string = [
  shapeScript,
  callScript,
  plainScript,
  // Lua looks for each local that a function uses among all of its caller's: not where none is
  // called.
  'local function prepareOthers()',
  windowScript,
  spanScript,
  cellScript,
  requestScript,
  carryScript,
  'end',
  loopScript,
].join('')

/** What Redis knows it by once it has seen it. */
export const limiterScriptSha: string = createHash('sha1').update(limiterScript).digest('hex')
