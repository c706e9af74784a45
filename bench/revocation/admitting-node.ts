import { setTimeout as sleep } from 'node:timers/promises'
import { openNode } from './open-node.ts'

// A node that is asked again and again with one key. Says when it holds it, and when it refuses.
const ward = await openNode(process.argv[2] ?? '')

async function isAdmitted(text: string): Promise<boolean> {
  const verdict = await ward.admit({
    headerValues: (name) => (name === 'x-api-key' ? [text] : []),
    queryValues: () => [],
    address: '127.0.0.1',
  })
  return verdict.admitted
}

/** Of the machine, the same for all processes. */
const now = (): string => String(process.hrtime.bigint())

process.on('message', async (text: string) => {
  while (ward.cachedKeys() === 0) await isAdmitted(text)
  process.send?.({ held: now() })
  let last = now()
  while (await isAdmitted(text)) {
    last = now()
    await sleep(1)
  }
  process.send?.({ last, refused: now() })
})
process.send?.({ ready: now() })
