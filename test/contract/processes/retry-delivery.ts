import { anyOwner } from '../../../src/jobs/job-service.ts'
import { openModelward } from '../../../src/ward/open-modelward.ts'
import { sayLine } from './say-line.ts'

// Has a delivery sent again as an app does that sends none itself, says how it stands, and waits to
// be killed.
const [, , data = '', id = ''] = process.argv
const ward = await openModelward({ data, jobs: { models: new Map(), concurrency: 0 } })
sayLine(JSON.stringify(await ward.webhooks.retryDelivery(anyOwner, id)))
process.stdin.resume()
